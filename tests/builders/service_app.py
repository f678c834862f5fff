"""An app whose tenants have an account at a partner's service, on the whole stack."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from builders.partner_service import KEY, PartnerService, partner_service
from builders.platform import Platform
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["app_with_service", "becomes_without_backoff", "http", "release_key"]

_PLACE = {"namespace": "${tenant.name}"}
_CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "account", **_PLACE},
    "data": {"endpoint": "${outputs.account.endpoint}"},
}
_LOGIN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "login", **_PLACE},
    "stringData": {"password": "${outputs.account.secrets.password}", "client": "${credentials.clientId}"},
}


def http(url: str, **fields: Any) -> dict[str, Any]:
    """Return the `http` of a step that calls the service at a URL, impatiently; keywords replace its fields."""
    return {
        "url": f"{url}/v1/tenants",
        "secretRef": {"name": "hook", "key": "key"},
        "allowInsecure": True,
        "timeout": "2s",
        **fields,
    }


@asynccontextmanager
async def app_with_service(
    stacks: Stacks, programs: Platform, *, step: dict[str, Any] | None = None, **fields: Any
) -> AsyncIterator[tuple[Stack, PartnerService]]:
    """Make the app: the account comes before the other objects, which use what the service answers."""
    async with partner_service() as service:
        await release_key(programs, service.url)
        steps = (
            {"name": "base", "manifests": [NAMESPACE]},
            {"name": "account", "http": http(service.url, **fields), **(step or {})},
            {"name": "objects", "manifests": [_CONFIG, _LOGIN]},
        )
        async with stacks(steps=steps) as stack:
            yield stack, service


async def release_key(programs: Platform, url: str) -> None:
    """Make the signing key, for the host of this URL."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hook", "annotations": {ANNOTATION_FOR_HOSTS: host_of(url)}},
        "stringData": {"key": KEY},
    }
    await programs.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(secret))


async def becomes_without_backoff(customer: Customer, phase: str) -> None:
    """Wait until a customer is so, and for no back-off."""
    becoming = asyncio.create_task(customer.becomes(phase))
    while not becoming.done():
        await asyncio.sleep(1)
        with suppress(AssertionError, KubeError):
            await customer.skip_backoff()
    await becoming
