"""What a tenant should be, and whether it is so already."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from talkdesk_crds.conditions import ConditionType, Reason, find, is_true
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import AccountFacts, SubscriptionFacts
from talkdesk_crds.names import digest
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.deadlines import later
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Scope, Tenancy
from talkdesk_operator.domain.tenant.entitlement import trial_of, wanted_state
from talkdesk_runtime.durations import parse_duration

__all__ = [
    "held_up",
    "inputs_digest",
    "is_current",
    "is_protected",
    "next_read",
    "purge_after",
    "purge_due",
    "retention_ends",
    "template_context",
    "unclaimed_until",
]

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_SHORTEST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(seconds=30)


def template_context(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    """Return everything that a template can see, but for the credentials: plain JSON, with a key for every fact.

    Facts that are not known are null, not missing, so that a template can say `has` or compare with null.
    """
    facts, spec, tenant = scope.known_facts, scope.installation.spec, scope.tenant
    trial = trial_of(scope.installation, scope.trial, now=scope.now)
    state = wanted_state(scope)
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
            "appVersion": spec.request.app_version if spec.request is not None else None,
            "createdBy": facts.created_by,
        },
        "subscription": _all_keys(facts.subscription),
        "trial": {
            "state": trial.state.value if trial is not None else None,
            "expiresAt": to_wire_time(trial.expires_at) if trial is not None and trial.expires_at else None,
        },
        "tenant": {
            "name": tenant.spec.name if tenant is not None else "",
            "state": state.value,
            "suspended": state is TenantState.SUSPENDED,
            "values": values,
        },
        "sso": _single_sign_on(scope, app),
    }


def _single_sign_on(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    """Return what the tenant's sign-on needs, but for the client id, which comes with the credentials."""
    endpoints = scope.installation.spec.endpoints
    token_url = endpoints.token if endpoints is not None else None
    authorization = endpoints.authorization if endpoints is not None else None
    scopes = app.resource.spec.auth.scopes
    return {
        "authorizationUrl": authorization,
        "tokenUrl": token_url,
        "issuer": _origin_of(authorization or token_url),
        "scopes": list(dict.fromkeys(("openid", *scopes))),
    }


def _origin_of(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _all_keys(facts: AccountFacts | SubscriptionFacts) -> dict[str, Any]:
    return facts.model_dump(by_alias=True, mode="json")


def inputs_digest(scope: Scope, app: CompiledApp) -> str:
    """Fingerprint everything the rendered objects depend on, without rendering.

    The credentials are in it by the name of their Secret, which derives from their content; so no secret is hashed
    into a status.
    """
    context = template_context(scope, app)
    del context["tenant"]["name"]
    credentials = scope.installation.spec.credentials
    named = credentials.secret_name if credentials is not None else ""
    secret = scope.secret_name or named
    revision = f"{app.resource.metadata.uid}/{app.resource.metadata.generation}"
    return digest(orjson.dumps(context, option=orjson.OPT_SORT_KEYS).decode(), secret, revision, length=32)


def is_current(scope: Scope) -> bool:
    """Return whether the tenant is ready, this installation's, and made from what is known now."""
    tenant = scope.tenant
    wanted = wanted_state(scope) if scope.app is not None else None
    if wanted is TenantState.OFFBOARDED:
        return _is_offboarded(scope)
    if tenant is None or scope.app is None or tenant.spec.state is not wanted:
        return False
    ref = tenant.spec.installation_ref
    return (
        ref is not None
        and ref.name == scope.installation.metadata.name
        and is_true(tenant.status.conditions, ConditionType.READY)
        and tenant.status.observed_generation == tenant.metadata.generation
        and tenant.status.applied_inputs == inputs_digest(scope, scope.app)
    )


def _is_offboarded(scope: Scope) -> bool:
    """Return whether nothing is left of the tenant that an uninstall would delete, and nothing to purge yet."""
    tenant = scope.tenant
    if tenant is None:
        return True
    ready = find(tenant.status.conditions, ConditionType.READY)
    away = ready is not None and ready.reason == Reason.RETAINED and tenant.spec.state is TenantState.OFFBOARDED
    return away and not (purge_due(scope) and not is_protected(scope))


def purge_after(ended_at: datetime, app: CompiledApp) -> datetime:
    """Return the moment from which what is retained gets deleted."""
    return later(ended_at, parse_duration(app.resource.spec.retention.keep_for))


def retention_ends(tenant: TalkdeskTenant) -> datetime | None:
    """Return when the tenant's retention ends, long ago if a person asked for the purge; None while none runs."""
    if tenant.spec.state is not TenantState.OFFBOARDED:
        return None
    return _LONG_AGO if tenant.spec.purge is not None else tenant.status.purge_after


def unclaimed_until(app: CompiledApp, tenant: TalkdeskTenant) -> datetime | None:
    """Return when a tenant without any installation is purged; None when a person wants it to stay, or left alone."""
    paused = app.resource.spec.paused or tenant.spec.paused
    return None if paused or tenant.spec.deletion_protection else retention_ends(tenant)


def purge_due(scope: Scope) -> bool:
    """Return whether the retention is over, though `deletionProtection` may still forbid the purge."""
    after = retention_ends(scope.tenant) if scope.tenant is not None else None
    return after is not None and scope.now >= after


def is_protected(scope: Scope) -> bool:
    """Return whether a person forbade to purge the tenant."""
    return scope.tenant is not None and scope.tenant.spec.deletion_protection


def held_up(scope: Scope) -> bool:
    """Return whether objects that don't go away have delayed the uninstall's answer for as long as they may."""
    since = scope.tenant.spec.uninstalled_at if scope.tenant is not None else None
    span = parse_duration(scope.policy.resource.spec.uninstall.offboard_timeout)
    return since is not None and scope.now >= later(since, span)


def next_read(tenancy: Tenancy, now: datetime) -> datetime:
    """Return when to look again at something that goes on: soon at first, then ever less often."""
    age = now - tenancy.since if tenancy.since is not None else timedelta()
    return now + min(max(age / 4, _SHORTEST_WAIT), _LONGEST_WAIT)
