"""Objects of our kinds as the API server returns them, and scopes; small by default, keywords replace what matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason
from talkdesk_crds.fields import LocalRef, to_wire_time
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_crds.installation import (
    AccountFacts,
    Answer,
    Decision,
    Ending,
    EndingReason,
    InstallationStatus,
    RequestType,
    Retry,
    SubscriptionFacts,
    TalkdeskInstallation,
)
from talkdesk_crds.names import API_VERSION, APP_FINALIZER, FINALIZER, TENANT_FINALIZER
from talkdesk_crds.shard_slots import slot_label
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.notifications.endpoints import compile_endpoint
from talkdesk_operator.domain.ports.talkdesk import Credentials, RemoteInstallation
from talkdesk_operator.domain.reconcile.scope import CompiledApp, CompiledRule, Facts, Failure, RetryClass, Role, Scope
from talkdesk_operator.domain.tenant.desired import inputs_digest
from talkdesk_operator.templates.cel import compile_expression

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
EVENT = "event-1"
INSTALLATION = "sentiment-i1"
_SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "${tenant.name}"}}
STEPS = [{"name": "base", "manifests": [_SPACE]}]


def metadata(name: str, **overrides: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": "team",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": to_wire_time(NOON),
    } | overrides


def labeled(meta: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Metadata with the label of the account's slot, unless they have labels or the account makes no sense."""
    match spec:
        case {"appRef": {"name": str(app)}, "accountId": str(account_id)}:
            return {"labels": slot_label(meta["namespace"], app, account_id)} | meta
        case _:
            return meta


def app_object(name: str = "sentiment", *, meta: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A TalkdeskApp as JSON; keywords replace fields of the spec, None removes one."""
    tenant = {"serviceAccountName": "provisioner", "steps": STEPS}
    whole = {"appId": "app-1", "region": "US", "tenant": tenant} | spec
    return {
        "apiVersion": API_VERSION,
        "kind": "TalkdeskApp",
        "metadata": metadata(name, **({"finalizers": [APP_FINALIZER]} | (meta or {}))),
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def installation_object(name: str = INSTALLATION, *, meta: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A TalkdeskInstallation as JSON; keywords replace fields of the spec, None removes one."""
    whole = {
        "appRef": {"name": "sentiment"},
        "installationId": "i1",
        "accountId": "acc-1",
        "accountName": "acme",
        "request": request_object(),
        "credentials": {"secretName": "keys-1", "eventId": EVENT, "eventTime": to_wire_time(NOON)},
    } | spec
    return {
        "apiVersion": API_VERSION,
        "kind": "TalkdeskInstallation",
        "metadata": labeled(metadata(name, **({"finalizers": [FINALIZER]} | (meta or {}))), whole),
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def tenant_object(name: str = "sentiment-acc", *, meta: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A TalkdeskTenant as JSON; keywords replace fields of the spec, None removes one."""
    whole = {
        "appRef": {"name": "sentiment"},
        "accountId": "acc-1",
        "installationRef": {"name": INSTALLATION},
        "state": "Active",
        "name": "td-acc-1",
    } | spec
    return {
        "apiVersion": API_VERSION,
        "kind": "TalkdeskTenant",
        "metadata": labeled(metadata(name, **({"finalizers": [TENANT_FINALIZER]} | (meta or {}))), whole),
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def request_object(kind: str = "Install", *, at: datetime = NOON, event: str = EVENT, **more: Any) -> dict[str, Any]:
    return {"type": kind, "eventId": event, "eventTime": to_wire_time(at)} | more


def app(name: str = "sentiment", **spec: Any) -> TalkdeskApp:
    return TalkdeskApp.read(app_object(name, **spec))


def view(**spec: Any) -> CompiledApp:
    """An app with compiled hosts and rules; its template is not compiled because no decision reads it."""
    resource = app(**spec)
    rules = tuple(CompiledRule(compile_expression(r.expression), r.reason) for r in resource.spec.approval.reject_when)
    endpoints = tuple(compile_endpoint(each, allow_insecure=False) for each in resource.spec.notifications)
    return CompiledApp(resource, HostAllowList.for_region(Region.US), None, reject_rules=rules, endpoints=endpoints)


def endpoint_object(name: str = "default", **more: Any) -> dict[str, Any]:
    """One of an app's `notifications` as JSON."""
    key = {"name": "keys", "key": "key"}
    return {"name": name, "url": f"https://{name}.example.com/events", "secretRef": key} | more


def installation(
    name: str = INSTALLATION,
    *,
    request: RequestType | dict[str, Any] | None = RequestType.INSTALL,
    at: datetime = NOON,
    event: str = EVENT,
    status: InstallationStatus | None = None,
    meta: dict[str, Any] | None = None,
    **spec: Any,
) -> TalkdeskInstallation:
    """An installation with a request of that kind, or that very request; other keywords replace members of the spec."""
    asked = request_object(request.value, at=at, event=event) if isinstance(request, RequestType) else request
    read = TalkdeskInstallation.read(installation_object(name, meta=meta, request=asked, **spec))
    return read.model_copy(update={"status": status or InstallationStatus()})


def deleted(name: str = INSTALLATION, **keywords: Any) -> TalkdeskInstallation:
    """An installation that a person deleted, and that our finalizer still holds."""
    return installation(name, meta={"deletionTimestamp": to_wire_time(NOON)}, **keywords)


def tenant(
    state: TenantState = TenantState.ACTIVE,
    *,
    owner: str | None = INSTALLATION,
    status: TenantStatus | None = None,
    **spec: Any,
) -> TalkdeskTenant:
    ref = {"name": owner} if owner is not None else None
    read = TalkdeskTenant.read(tenant_object(state=state.value, installationRef=ref, **spec))
    return read.model_copy(update={"status": status or TenantStatus()})


def condition(kind: ConditionType, status: str = "True", reason: str = Reason.SUCCEEDED) -> Condition:
    return Condition.model_validate(
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "last_transition_time": NOON,
            "message": "",
            "observed_generation": 1,
        }
    )


def answer(
    *,
    event: str = EVENT,
    sent: bool = True,
    delivered: bool = True,
    verified: bool = False,
    decision: Decision = Decision.APPROVE,
) -> Answer:
    return Answer(
        event_id=event,
        decision=decision,
        send_time=NOON if sent else None,
        delivery_time=NOON if delivered else None,
        verification_time=NOON if verified else None,
    )


def answered(event: str = EVENT, **status: Any) -> InstallationStatus:
    """The status of an installation whose request was answered, facts known."""
    facts = AccountFacts(id="acc-1", name="acme")
    known = InstallationStatus(observed_generation=1, answer=answer(event=event), account=facts)
    return known.model_copy(update=status)


def ended(kind: EndingReason = EndingReason.UNINSTALLED, *, at: datetime = NOON, **status: Any) -> InstallationStatus:
    """The status of an installation that ended, its credentials deleted."""
    gone = condition(ConditionType.CREDENTIALS_VALID, "False", Reason.CREDENTIALS_DELETED)
    ending = Ending(reason=kind, event_id=EVENT, time=at)
    ref = LocalRef(name="sentiment-acc")
    known = InstallationStatus(observed_generation=1, ending=ending, conditions=(gone,), tenant_ref=ref)
    return known.model_copy(update=status)


def retry(reason: Reason, at: datetime, attempts: int = 1) -> Retry:
    return Retry(attempts=attempts, next_attempt_time=at, reason=reason)


def failure(
    reason: Reason = Reason.UNAVAILABLE, retry_class: RetryClass = RetryClass.TRANSIENT, **more: Any
) -> Failure:
    return Failure(reason, "it did not work", retry_class, **more)


def credentials() -> Credentials:
    return Credentials("client-1", SecretStr("made-up-secret"), SecretStr("made-up-key"), "key-1", "ES256")


def facts(*, subscription: str | None = None, **account: Any) -> Facts:
    """Facts of the account, and a subscription of that type."""
    known = AccountFacts(**({"id": "acc-1", "name": "acme"} | account))
    return Facts(known, SubscriptionFacts(type=subscription, name="Gold"))


def trial_object(state: str = "Ended", *, at: datetime = NOON, **more: Any) -> dict[str, Any]:
    return {"state": state, "eventId": "trial-1", "eventTime": to_wire_time(at)} | more


def credentials_object(
    secret: str = "keys-2", *, origin: str | None = "Rotation", event: str = "rotation-1", at: datetime = NOON
) -> dict[str, Any]:
    """The credentials register; of a rotation by default."""
    known = {"secretName": secret, "eventId": event, "eventTime": to_wire_time(at)}
    return known if origin is None else known | {"origin": origin}


def decided(decision: str = "Reject", *, event: str = EVENT, **more: Any) -> dict[str, Any]:
    """A person's decision in `spec.approval`."""
    return {"eventId": event, "decision": decision} | more


def remote(state: str = "installing", **more: Any) -> RemoteInstallation:
    return RemoteInstallation("i1", state, **more)


def scope(**fields: Any) -> Scope:
    """A scope at noon of an owner whose tenant does not exist yet; keywords replace fields."""
    known: dict[str, Any] = {
        "now": NOON,
        "app": view(),
        "installation": installation(),
        "role": Role.OWNER,
        "tenant": None,
    }
    return Scope(**(known | fields))


def current_tenant(of: Scope, **spec: Any) -> TalkdeskTenant:
    """The tenant that is ready and rendered from exactly what the scope knows."""
    made = tenant(owner=of.installation.metadata.name, **spec)
    inputs = inputs_digest(replace(of, tenant=made), of.required_app)
    ready = condition(ConditionType.READY, "True", Reason.APPLIED)
    status = TenantStatus(observed_generation=1, conditions=(ready,), applied_inputs=inputs)
    return made.model_copy(update={"status": status})
