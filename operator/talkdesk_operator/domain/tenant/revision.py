"""Revisions of an app's template: what one consists of, what it is called, and which one a tenant is held to.

A revision is what the template means: the tenant's name, values and steps. Its name derives from that, so that equal
templates are one revision, whoever looks, and a revision whose content is not what its name says is none. What else is
in an app, its service account and policies among it, counts for all tenants at once.

Belongs here: content, names, and the choice for one tenant. Does not belong here: how many tenants move at once
(`rollout`), where revisions are kept (`adapters.kubernetes.revisions`).
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import ValidationError

from talkdesk_crds.app import TalkdeskApp, TenantTemplate
from talkdesk_crds.app_rollout import RolloutPolicy
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.names import digest
from talkdesk_crds.tenant import TalkdeskTenant, TenantState

__all__ = ["NOT_IN_REVISIONS", "assigned", "content_of", "is_complete", "revision_name", "target", "with_content"]

NOT_IN_REVISIONS: Final = ("service_account_name", "object_scope")
"""Fields of a template that count for all tenants at once."""
_DIGITS: Final = 16
"""Of a hash: as nobody can make another template of the same name, none can be slipped in."""


def content_of(app: TalkdeskApp) -> dict[str, Any]:
    """Return what the app's template means, as JSON; members with the value that they have anyway are left out.

    So a new version of the operator, with more members, finds the same content.
    """
    return app.spec.tenant.model_dump(mode="json", by_alias=True, exclude=set(NOT_IN_REVISIONS), exclude_defaults=True)


def revision_name(app: TalkdeskApp) -> str:
    """Return the name of the revision that the app's template is."""
    return _name(app.metadata.name, content_of(app))


def _name(app: str, content: Mapping[str, Any]) -> str:
    return f"{app}-{digest(orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode(), length=_DIGITS)}"


def with_content(app: TalkdeskApp, name: str, content: Mapping[str, Any]) -> TalkdeskApp | None:
    """Return the app with the template of a revision; None where that is not what its name says, or can't be read."""
    known = app.spec.tenant
    kept = {"serviceAccountName": known.service_account_name, "objectScope": known.object_scope}
    try:
        template = TenantTemplate.model_validate({**content, **kept})
    except ValidationError:
        return None
    found = app.model_copy(update={"spec": app.spec.model_copy(update={"tenant": template})})
    return found if revision_name(found) == name else None


def target(app: TalkdeskApp, own: str) -> str:
    """Return the revision that tenants are to have; `own` is that of the app's template as it is now."""
    rollout = app.spec.template_rollout
    if rollout.policy is RolloutPolicy.AUTOMATIC:
        return own
    return rollout.revision or app.status.current_revision or own


def is_complete(app: TalkdeskApp, wanted: str) -> bool:
    """Return whether all tenants that a rollout may move have had this revision."""
    return app.status.current_revision == app.status.updated_revision == wanted


def assigned(app: TalkdeskApp, tenant: TalkdeskTenant | None, own: str, *, usable: bool) -> str:
    """Return the revision that a tenant is held to; `usable` says whether the app's own template can be used.

    Whatever was decided is in the objects: so any process finds the same, at any time.
    """
    if tenant is not None and tenant.spec.revision is not None:
        return tenant.spec.revision
    wanted = target(app, own)
    held = tenant is not None and tenant.spec.state is not TenantState.OFFBOARDED
    known = tenant.status.revision if tenant is not None and held else None
    if known is None:
        return _for_new_tenants(app, wanted, usable=usable or wanted != own)
    if known == wanted or is_complete(app, wanted) or _is_in_wave(app, wanted, tenant):
        return wanted
    return known


def _is_in_wave(app: TalkdeskApp, wanted: str, tenant: TalkdeskTenant | None) -> bool:
    status = app.status
    wave = status.rollout.wave if status.rollout is not None and status.updated_revision == wanted else ()
    return tenant is not None and tenant.metadata.name in wave


def _for_new_tenants(app: TalkdeskApp, wanted: str, *, usable: bool) -> str:
    """Return the newest revision, unless it is known to be broken: then the last one that all tenants had."""
    status = app.status
    rolled_out = find(status.conditions, ConditionType.ROLLED_OUT)
    fails = rolled_out is not None and rolled_out.reason == Reason.TENANTS_FAILING and status.updated_revision == wanted
    return status.current_revision or wanted if fails or not usable else wanted
