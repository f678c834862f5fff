"""What a tenant should be, and whether it is that already.

Belongs here: the inputs of the template, the fingerprint that shows whether they changed, the times of offboarding and
retention. Does not belong here: applying and deleting objects (`reconcilers`), rendering them (`templates`).
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason, find, is_true
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import AccountFacts, SubscriptionFacts
from talkdesk_crds.names import digest
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.deadlines import saturating_add
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Scope, TenantOutcome
from talkdesk_operator.domain.tenant.edit_grace import held_until
from talkdesk_operator.domain.tenant.entitlement import desired_state, trial_of
from talkdesk_operator.domain.tenant.record_deletion import is_given_up
from talkdesk_operator.domain.tenant.revision import revision_name
from talkdesk_runtime.durations import parse_duration

__all__ = [
    "inputs_digest",
    "is_current",
    "is_protected",
    "is_purge_due",
    "next_poll",
    "offboard_timed_out",
    "orphan_purge_at",
    "purge_at",
    "purge_time",
    "retention_ends",
    "settled_name",
    "template_context",
    "unclaimed_context",
]

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_MIN_POLL: Final = timedelta(seconds=1)
_MAX_POLL: Final = timedelta(seconds=30)


def app_variables(app: TalkdeskApp) -> dict[str, Any]:
    """Return what a template sees of its app."""
    spec, metadata = app.spec, app.metadata
    return {"id": spec.app_id, "name": metadata.name, "namespace": metadata.namespace, "region": spec.region}


def template_context(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    """Return the variables of a template, except `credentials`: plain JSON, with a key for every fact.

    Unknown facts are null instead of missing, so that a template can use `has` or compare with null.
    """
    facts, spec = scope.best_known_facts, scope.installation.spec
    trial = trial_of(scope.installation, scope.trial, now=scope.now)
    return {
        "app": app_variables(app.resource),
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
            "expirationTime": to_wire_time(trial.expiration_time)
            if trial is not None and trial.expiration_time
            else None,
        },
        "tenant": _tenant_variables(scope, app),
        "sso": _single_sign_on(scope, app),
    }


def unclaimed_context(tenant: TalkdeskTenant, app: CompiledApp) -> dict[str, Any]:
    """Return the variables for a tenant of which no installation is left: what its record says, and null otherwise."""
    spec, metadata = app.resource.spec, app.resource.metadata
    return {
        "app": {"id": spec.app_id, "name": metadata.name, "namespace": metadata.namespace, "region": spec.region},
        "account": _all_keys(AccountFacts(id=tenant.spec.account_id)),
        "installation": dict.fromkeys(("id", "name", "appVersion", "createdBy")),
        "subscription": _all_keys(SubscriptionFacts()),
        "trial": dict.fromkeys(("state", "expirationTime")),
        "tenant": {
            "name": tenant.spec.name,
            "state": tenant.spec.state.value,
            "suspended": False,
            "values": spec.tenant.values | tenant.spec.values,
        },
        "sso": dict.fromkeys(("authorizationUrl", "tokenUrl", "jwksUrl", "userinfoUrl", "issuer")) | {"scopes": []},
    }


def _tenant_variables(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    tenant, state = scope.tenant, desired_state(scope)
    return {
        "name": settled_name(tenant) if tenant is not None else "",
        "state": state.value,
        "suspended": state is TenantState.SUSPENDED,
        "values": app.resource.spec.tenant.values | (tenant.spec.values if tenant is not None else {}),
    }


def settled_name(tenant: TalkdeskTenant) -> str:
    """Return the name that the tenant keeps whatever the template says; empty until an object was applied."""
    if tenant.status.name:
        return tenant.status.name
    return tenant.spec.name if any(item.uid for item in tenant.status.inventory) else ""


def _single_sign_on(scope: Scope, app: CompiledApp) -> dict[str, Any]:
    """Return what the tenant's single sign-on needs, except the client id, which is one of the credentials."""
    endpoints = scope.installation.spec.endpoints
    token_url = endpoints.token if endpoints is not None else None
    authorization = endpoints.authorization if endpoints is not None else None
    scopes = app.resource.spec.auth.scopes
    return {
        "authorizationUrl": authorization,
        "tokenUrl": token_url,
        "jwksUrl": _keys_beside(authorization or token_url),
        "userinfoUrl": f"{endpoints.api.rstrip('/')}/users/me" if endpoints is not None else None,
        "issuer": _origin_of(authorization or token_url),
        "scopes": list(dict.fromkeys(("openid", *scopes))),
    }


def _keys_beside(url: str | None) -> str | None:
    """Return where the keys of ID tokens are: at Talkdesk, /oauth/certs is beside /oauth/authorize and /oauth/token."""
    for name in ("authorize", "token"):
        if url is not None and url.endswith(f"/oauth/{name}"):
            return f"{url.removesuffix(name)}certs"
    return None


def _origin_of(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:  # such as http://[::1
        return None
    return f"{parts.scheme}://{parts.netloc}"


def _all_keys(facts: AccountFacts | SubscriptionFacts) -> dict[str, Any]:
    return facts.model_dump(by_alias=True, mode="json")


def inputs_digest(scope: Scope, app: CompiledApp) -> str:
    """Return a fingerprint of everything that the rendered objects depend on, without rendering them.

    The credentials are represented by the name of their Secret, which is derived from their content. So no digest of a
    secret gets into a status.
    """
    context = template_context(scope, app)
    del context["tenant"]["name"]
    credentials = scope.installation.spec.credentials
    named = credentials.secret_name if credentials is not None else ""
    secret = scope.secret_name or named
    template = app.resource.spec.tenant
    parts = (
        orjson.dumps(context, option=orjson.OPT_SORT_KEYS).decode(),
        secret,
        app.revision or revision_name(app.resource),
        template.service_account_name,
        template.object_scope,
        app.resource.metadata.uid,
    )
    return digest(*parts, length=32)


def is_current(scope: Scope) -> bool:
    """Return whether the tenant is ready, owned by this installation, and rendered from what is known now."""
    tenant = scope.tenant
    wanted = desired_state(scope) if scope.app is not None else None
    if wanted is TenantState.OFFBOARDED:
        return _is_offboarded(scope)
    if tenant is None or scope.app is None or tenant.spec.state is not wanted:
        return False
    ref = tenant.spec.installation_ref
    return (
        ref is not None
        and ref.name == scope.installation.metadata.name
        and is_true(tenant.status.conditions, ConditionType.READY)
        and not is_true(tenant.status.conditions, ConditionType.ORPHANED)
        and tenant.status.observed_generation == tenant.metadata.generation
        and tenant.status.applied_inputs == inputs_digest(scope, scope.app)
    )


def _is_offboarded(scope: Scope) -> bool:
    """Return whether the tenant is offboarded completely, and its purge is not due."""
    tenant = scope.tenant
    if tenant is None:
        return True
    ready = find(tenant.status.conditions, ConditionType.READY)
    retained = ready is not None and ready.reason == Reason.RETAINED and tenant.spec.state is TenantState.OFFBOARDED
    return retained and not (is_purge_due(scope) and not is_protected(scope))


def purge_time(ended_at: datetime, app: CompiledApp) -> datetime:
    """Return when the retained objects are to be deleted."""
    return saturating_add(ended_at, parse_duration(app.resource.spec.retention.keep_for))


def retention_ends(tenant: TalkdeskTenant) -> datetime | None:
    """Return when the tenant's retention ends, in the past if a person requested a purge; None without retention.

    A record that somebody deleted, and that speaks of no object, needs none.
    """
    if is_given_up(tenant):
        return _LONG_AGO
    if tenant.spec.state is not TenantState.OFFBOARDED:
        return None
    return _LONG_AGO if tenant.spec.purge is not None else tenant.status.purge_time


def orphan_purge_at(app: CompiledApp, tenant: TalkdeskTenant, now: datetime) -> datetime | None:
    """Return when a tenant without any installation is to be purged; None when it is protected or paused."""
    paused = app.resource.spec.paused or tenant.spec.paused
    return None if paused or tenant.spec.deletion_protection else purge_at(app, tenant, now)


def purge_at(app: CompiledApp | None, tenant: TalkdeskTenant, now: datetime) -> datetime | None:
    """Return when the tenant is to be purged: at the end of its retention, and not within an edit's grace."""
    ends = retention_ends(tenant)
    ready = find(tenant.status.conditions, ConditionType.READY)
    begun = ready is not None and ready.reason == Reason.PURGING
    if ends is None or app is None or tenant.spec.purge is not None or begun:
        return ends
    held = held_until(app.resource, now)
    return ends if held is None else max(ends, held)


def is_purge_due(scope: Scope) -> bool:
    """Return whether the retention is over, though `deletionProtection` may still forbid the purge."""
    after = purge_at(scope.app, scope.tenant, scope.now) if scope.tenant is not None else None
    return after is not None and scope.now >= after


def is_protected(scope: Scope) -> bool:
    """Return whether a person forbade the purge of the tenant."""
    return scope.tenant is not None and scope.tenant.spec.deletion_protection


def offboard_timed_out(scope: Scope) -> bool:
    """Return whether the offboarding has delayed the uninstall's answer for `uninstall.offboardTimeout`."""
    started_at = scope.tenant.spec.uninstall_time if scope.tenant is not None else None
    timeout = parse_duration(scope.required_app.resource.spec.uninstall.offboard_timeout)
    return started_at is not None and scope.now >= saturating_add(started_at, timeout)


def next_poll(outcome: TenantOutcome, now: datetime) -> datetime:
    """Return when to read again objects that are not ready or being deleted: the longer it takes, the less often."""
    age = now - outcome.started_at if outcome.started_at is not None else timedelta()
    pace = min(max(age / 4, _MIN_POLL), _MAX_POLL)
    return now + (pace if outcome.wait is None else max(pace, outcome.wait))
