"""The command `diff`: what an edit of the template would change for a customer, before anybody applies it.

Belongs here: options, exit status, colors. Does not belong here: asking the cluster (`live`), rendering (`offline`).
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from talkdesk_crds.app_rollout import RolloutPolicy
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.cli.comparison import colored
from talkdesk_operator.cli.live import LiveTenant, read_tenant
from talkdesk_operator.cli.offline import CannotRender, rendering
from talkdesk_operator.cli.samples import sample_credentials
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.marks import Mark
from talkdesk_operator.domain.tenant.revision import revision_name
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.programs import installed_version

__all__ = ["differences"]

_SAME: Final = 0
_DIFFERENT: Final = 1
_TROUBLE: Final = 2


def differences(
    app: CompiledApp, customer: TalkdeskInstallation, values: Mapping[str, Any], options: argparse.Namespace
) -> int:
    """Print what would change; return 0 for nothing, 1 for something, 2 where that could not be found out.

    Whoever is pinned to another revision is compared with the template all the same, and the first line says so.
    """
    try:
        return asyncio.run(_differences(app, customer, values, options.kubeconfig))
    except (CannotRender, KubeError) as error:
        sys.stderr.write(f"talkdesk-operator: {error}\n")
        return _TROUBLE


async def _differences(
    app: CompiledApp, customer: TalkdeskInstallation, values: Mapping[str, Any], kubeconfig: Path | None
) -> int:
    metadata, found, trouble = app.resource.metadata, False, False
    name = tenant_name(metadata.name, customer.spec.account_id)
    agent = f"talkdesk-operator/{installed_version()} (diff)"
    async with await Kube.connect(user_agent=agent, kubeconfig=kubeconfig) as kube:
        tenant = await read_tenant(kube, metadata.namespace, name)
        sys.stdout.write(_pinned(app, tenant))
        mark = Mark(metadata.name, metadata.namespace, name, _uid(tenant), customer.spec.account_id)
        first, second = (
            rendering(app, customer, values, tenant=tenant, credentials=sample_credentials(kind), services=False)
            for kind in ("one", "another")
        )
        live = LiveTenant(kube, app.identity, mark)
        async for each in live.findings(first.tenant, second.tenant, tenant):
            found, trouble = found or bool(each.difference), trouble or bool(each.trouble)
            sys.stdout.write(colored(each.difference) if _in_color() else each.difference)
            sys.stderr.write(f"talkdesk-operator: {each.trouble}\n" if each.trouble else "")
    return _TROUBLE if trouble else _DIFFERENT if found else _SAME


def _pinned(app: CompiledApp, tenant: TalkdeskTenant | None) -> str:
    """Return a line that says which revision the customer is pinned to, where that is not the template of the file."""
    rollout, own = app.resource.spec.template_rollout, revision_name(app.resource)
    if tenant is not None and tenant.spec.revision is not None:
        if tenant.spec.revision == own:
            return ""
        by = f"TalkdeskTenant {tenant.metadata.name}: spec.revision is {tenant.spec.revision}"
    elif rollout.policy is RolloutPolicy.PINNED and (rollout.revision or app.resource.status.current_revision) != own:
        by = f"TalkdeskApp {app.resource.metadata.name}: spec.templateRollout has the policy Pinned"
    else:
        return ""
    return f"# {by}, so this template changes nothing for the customer; without that it would change what follows\n"


def _uid(tenant: TalkdeskTenant | None) -> str:
    return tenant.metadata.uid if tenant is not None else ""


def _in_color() -> bool:
    """Return whether the output is a terminal whose user wants colors (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
