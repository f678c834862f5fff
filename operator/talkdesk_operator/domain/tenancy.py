"""What a tenant should be, and whether it is so already."""

from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from talkdesk_crds.conditions import ConditionType, is_true
from talkdesk_crds.fields import parse_duration, to_wire_time
from talkdesk_crds.installation import AccountFacts, SubscriptionFacts
from talkdesk_crds.names import digest
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.deadlines import later
from talkdesk_operator.domain.scope import AppView, Facts, Scope, Tenancy

__all__ = [
    "facts_of",
    "held_up",
    "inputs_digest",
    "is_current",
    "is_protected",
    "next_look",
    "purge_after",
    "purge_due",
    "retention_ends",
    "template_context",
]

_SHORTEST_LOOK: Final = timedelta(seconds=1)
_LONGEST_LOOK: Final = timedelta(seconds=30)


def facts_of(scope: Scope) -> Facts:
    """Give the facts as just read, else as last written down, else what the events told."""
    if scope.facts is not None:
        return scope.facts
    spec, status = scope.installation.spec, scope.installation.status
    account = status.account or AccountFacts(id=spec.account_id, name=spec.account_name)
    return Facts(account, status.subscription or SubscriptionFacts())


def template_context(scope: Scope, app: AppView) -> dict[str, Any]:
    """Give everything that a template can see, but for the credentials: plain JSON, with a key for every fact.

    Facts that are not known are null, not missing, so that a template can say `has` or compare with null.
    """
    facts, spec, tenant = facts_of(scope), scope.installation.spec, scope.tenant
    request, trial = spec.request, spec.trial
    values = app.resource.spec.tenant.values | (tenant.spec.values if tenant is not None else {})
    return {
        "app": {
            "id": app.resource.spec.app_id,
            "name": app.resource.metadata.name,
            "namespace": app.resource.metadata.namespace,
            "region": app.resource.spec.region,
        },
        "account": _all_keys(facts.account) | {"id": spec.account_id},
        "installation": {
            "id": spec.installation_id,
            "name": scope.installation.metadata.name,
            "appVersion": request.app_version if request is not None else None,
        },
        "subscription": _all_keys(facts.subscription),
        "trial": {
            "state": trial.state.value if trial is not None else None,
            "expiresAt": to_wire_time(trial.expires_at) if trial is not None and trial.expires_at else None,
        },
        "tenant": {
            "name": tenant.spec.name if tenant is not None else "",
            "state": TenantState.ACTIVE.value,
            "suspended": False,
            "values": values,
        },
    }


def _all_keys(facts: AccountFacts | SubscriptionFacts) -> dict[str, Any]:
    return facts.model_dump(by_alias=True, mode="json")


def inputs_digest(scope: Scope, app: AppView) -> str:
    """Fingerprint everything the rendered objects depend on, without rendering.

    The credentials are in it by the name of their Secret, which derives from their content; so no secret is hashed
    into a status.
    """
    context = template_context(scope, app)
    del context["tenant"]["name"]
    credentials = scope.installation.spec.credentials
    secret = credentials.secret_name if credentials is not None else ""
    revision = f"{app.resource.metadata.uid}/{app.resource.metadata.generation}"
    return digest(orjson.dumps(context, option=orjson.OPT_SORT_KEYS).decode(), secret, revision, length=32)


def is_current(scope: Scope) -> bool:
    """Tell whether the tenant is ready, this installation's, and made from what is known now."""
    tenant = scope.tenant
    if tenant is None or scope.app is None or tenant.spec.state is not TenantState.ACTIVE:
        return False
    ref = tenant.spec.installation_ref
    return (
        ref is not None
        and ref.name == scope.installation.metadata.name
        and is_true(tenant.status.conditions, ConditionType.READY)
        and tenant.status.observed_generation == tenant.metadata.generation
        and tenant.status.applied_inputs == inputs_digest(scope, scope.app)
    )


def purge_after(ended_at: datetime, app: AppView) -> datetime:
    """Give the moment from which what is retained gets deleted."""
    return later(ended_at, parse_duration(app.resource.spec.retention.keep_for))


def retention_ends(tenant: TalkdeskTenant) -> datetime | None:
    """Give when the tenant's retention ends; None while none runs."""
    return tenant.status.purge_after if tenant.spec.state is TenantState.OFFBOARDED else None


def purge_due(scope: Scope) -> bool:
    """Tell whether the retention is over, though `deletionProtection` may still forbid the purge."""
    after = retention_ends(scope.tenant) if scope.tenant is not None else None
    return after is not None and scope.now >= after


def is_protected(scope: Scope) -> bool:
    """Tell whether a person forbade to purge the tenant."""
    return scope.tenant is not None and scope.tenant.spec.deletion_protection


def held_up(scope: Scope) -> bool:
    """Tell whether objects that don't go away have delayed the uninstall's answer for as long as they may."""
    since = scope.tenant.spec.uninstalled_at if scope.tenant is not None else None
    span = parse_duration(scope.policy.resource.spec.uninstall.offboard_timeout)
    return since is not None and scope.now >= later(since, span)


def next_look(tenancy: Tenancy, now: datetime) -> datetime:
    """Give when to look again at something that goes on: soon at first, then ever less often."""
    age = now - tenancy.since if tenancy.since is not None else timedelta()
    return now + min(max(age / 4, _SHORTEST_LOOK), _LONGEST_LOOK)
