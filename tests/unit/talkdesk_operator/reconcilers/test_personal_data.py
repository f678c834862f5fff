"""Personal data: where each kind can hold any, and that all of it is gone after the retention, whatever happened."""

from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel

from builders.journal import Crashed, When
from builders.objects import DAY, HOUR, INSTALLATION, NOON, decided, endpoint_object, request_object
from builders.operator_in_memory import SPACE, TENANT, OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_crds.app import AppSpec, AppStatus
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationSpec, InstallationStatus
from talkdesk_crds.names import ANNOTATION_LAST_APPLIED, USERS_TYPE
from talkdesk_crds.tenant import TenantSpec, TenantStatus
from talkdesk_operator.workqueue.contract import Cause

pytestmark = pytest.mark.case(80)

PERSONAL: Final = {
    "TalkdeskInstallation": {
        "spec.accountName",
        "spec.endpoints.api",
        "spec.endpoints.token",
        "spec.endpoints.authorization",
        "spec.request.reason",
        "spec.approval.reason",
        "spec.approval.decidedBy",
        "status.account.id",
        "status.account.name",
        "status.account.companyName",
        "status.account.timezone",
        "status.subscription.type",
        "status.subscription.name",
        "status.subscription.licenses",
        "status.createdBy",
        "status.users.licensed",
        "status.users.synced",
        "status.users.failed",
        "status.users.complete",
        "status.credentials.keyId",
        "status.credentials.secretName",
        "status.credentials.replacementTime",
        "status.credentials.acknowledgementTime",
        "status.credentials.acknowledgedEventId",
        "status.credentials.refusalTime",
        "status.answer.reason",
        *(f"status.notifications.pending[].{e}" for e in ("message", "accountName", "companyName", "plan")),
        "status.conditions[].message",
        "status.history[].message",
    },
    # The whole object goes, so every field of it does.
    "TalkdeskTenant": {
        "spec.values",
        "spec.name",
        "spec.purge.requestedBy",
        "status.name",
        "status.conditions[].message",
    }
    | {f"spec.objects[].{each}" for each in ("namespace", "name")}
    | {f"status.inventory[].{each}" for each in ("namespace", "name")}
    | {f"status.orphanedObjects[].{each}" for each in ("namespace", "name", "remove")}
    | {"status.steps[].message"},
    # It is the partner's own, and knows no customer.
    "TalkdeskApp": set[str](),
}
"""The fields that may hold something of a customer, or free words of people; all others are in NOT_PERSONAL."""
NOT_PERSONAL: Final = {
    "TalkdeskInstallation": {
        "spec.appRef.name",
        "spec.installationId",
        "spec.accountId",
        "spec.paused",
        "spec.deletionPolicy",
        *(f"spec.request.{each}" for each in ("type", "eventId", "eventTime", "appVersion", "changes")),
        *(f"spec.trial.{each}" for each in ("state", "eventId", "eventTime", "expirationTime", "endedReason")),
        *(f"spec.credentials.{each}" for each in ("secretName", "eventId", "eventTime", "origin")),
        *(f"spec.approval.{each}" for each in ("eventId", "decision")),
        *(f"status.answer.{e}" for e in ("eventId", "decision", "sendTime", "deliveryTime", "verificationTime")),
        *(f"status.answer.{e}" for e in ("observedState", "observedStateTime", "resultTime")),
        *(f"status.ending.{each}" for each in ("reason", "eventId", "time")),
        *(f"status.retry.{each}" for each in ("attempts", "nextAttemptTime", "reason")),
        *(f"status.trial.{e}" for e in ("state", "lastTransitionTime", "expirationTime", "endedReason")),
        *(f"status.history[].{each}" for each in ("time", "reason")),
        "status.notifications.sequence",
        *(f"status.notifications.told.{e}" for e in ("requestId", "requestType", "answerId", "endingId", "purged")),
        *(f"status.notifications.told.{e}" for e in ("endingReason", "suspended", "stuck", "timeLeft")),
        *(f"status.notifications.pending[].{e}" for e in ("id", "sequence", "type", "time", "queueTime", "endpoints")),
        *(f"status.notifications.pending[].{e}" for e in ("phase", "reason", "requestType", "requestId", "deadline")),
        # What an endpoint of the partner's answers with is not quoted.
        *(f"status.notifications.endpoints[].{e}" for e in ("name", "attempts", "nextAttemptTime", "reason")),
        *(f"status.notifications.endpoints[].{e}" for e in ("message", "givenUp")),
        "status.phase",
        "status.installTime",
        "status.deadline",
        "status.timeLeft",
        "status.talkdeskState",
        "status.tenantRef.name",
        "status.verifiedAccess",
    },
    "TalkdeskTenant": {
        "spec.appRef.name",
        "spec.accountId",
        "spec.installationRef.name",
        "spec.state",
        "spec.deletionProtection",
        "spec.paused",
        "spec.uninstallTime",
        *(f"spec.objects[].{each}" for each in ("step", "group", "version", "kind", "onOffboard", "onRemove")),
        *(f"status.inventory[].{e}" for e in ("step", "group", "version", "kind", "onOffboard", "onRemove", "uid")),
        "status.inventory[].appliedFields",
        "status.inventory[].completedInputs",
        *(f"status.orphanedObjects[].{each}" for each in ("group", "version", "kind", "reason", "orphanedTime")),
        *(f"status.steps[].{each}" for each in ("name", "state", "waitingSince")),
        "status.appliedInputs",
        "status.services",
        "spec.revision",
        "status.revision",
        "status.revisionTime",
        "status.purgeTime",
    },
}
OF_EACH: Final = {
    "status.observedGeneration",
    "status.lastHandledReconcileAt",
    *(f"status.conditions[].{e}" for e in ("type", "status", "reason", "lastTransitionTime", "observedGeneration")),
}
KINDS: Final[dict[str, tuple[type[BaseModel], type[BaseModel]]]] = {
    "TalkdeskInstallation": (InstallationSpec, InstallationStatus),
    "TalkdeskTenant": (TenantSpec, TenantStatus),
    "TalkdeskApp": (AppSpec, AppStatus),
}
CANARY: Final = "canary"
NOBODY_LISTENS: Final = endpoint_object(giveUpAfter="1000d")


def leaves(model: type[BaseModel], path: str) -> Iterator[str]:
    """Yield the path of each field that is no object itself, as on the wire."""
    for name, field in model.model_fields.items():
        models = [each for each in _flat(field.annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
        many = "[]" if "tuple" in str(field.annotation) and models else ""
        here = f"{path}.{field.alias or name}{many}"
        if models:
            yield from leaves(models[0], here)
        else:
            yield here


def _flat(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for each in inner:
        yield from _flat(each)


@pytest.mark.parametrize("kind", ["TalkdeskInstallation", "TalkdeskTenant"])
def test_every_field_is_said_to_be_personal_or_not(kind: str) -> None:
    spec, status = KINDS[kind]
    fields = {*leaves(spec, "spec"), *leaves(status, "status")}
    said = PERSONAL[kind] | NOT_PERSONAL[kind] | OF_EACH
    assert fields - said == set(), "say of a new field whether it may hold personal data, and erase it if so"
    assert PERSONAL[kind] & (NOT_PERSONAL[kind] | OF_EACH) == set()
    assert said - fields - OF_EACH == set()


async def with_canaries() -> OperatorInMemory:
    """A customer whose every personal fact is a canary, and who uninstalled when the retention ends now."""
    endpoints = {"api": "https://api.talkdeskapp.com", "token": "https://canary.talkdeskid.com/oauth/token"}
    annotations = {"annotations": {ANNOTATION_LAST_APPLIED: "canary", "mine": "kept"}}
    request = request_object(reason="canary")
    known = installed(accountName="canary", endpoints=endpoints, request=request, meta=annotations)
    approval = decided("Approve", reason="canary", decidedBy="canary")
    app = sentiment(users={}, notifications=[NOBODY_LISTENS])
    operator = OperatorInMemory(app, known | {"spec": known["spec"] | {"approval": approval}}, credentials_secret())
    operator.talkdesk.company = "canary"
    await operator.converge()
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2", reason="canary")
    await operator.converge()
    operator.now += 90 * DAY
    return operator


def remains(operator: OperatorInMemory) -> list[str]:
    """Return where a canary sings."""
    found = [place for place, raw in operator.server.objects.items() if CANARY in str(raw)]
    return found + [f"Event {raw['reason']}" for raw in operator.server.all("Event") if CANARY in str(raw)]


async def test_there_are_canaries_before_the_erasure() -> None:
    operator = await with_canaries()
    status = operator.installation.status
    assert status.account is not None
    assert remains(operator) != []


@pytest.mark.case(40, 50)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_nothing_personal_is_left_whatever_write_the_process_ends_at(when: When) -> None:
    beginning, crashes = await with_canaries(), 0
    while True:
        operator = beginning.fork()
        operator.journal.crash_at(crashes + 1, when)
        try:
            await operator.converge()
        except Crashed:
            crashes += 1
            operator.journal.crash = None
            operator.restart()
            await operator.converge(Cause.STARTUP)
            assert remains(operator) == [], operator.journal.lines
            continue
        break
    assert crashes > 5
    assert remains(operator) == []
    assert operator.installation.metadata.annotations == {"mine": "kept"}


BROUGHT_BACK: Final[dict[str, dict[str, Any]]] = {
    "a replay of an event": {"spec": {"accountName": "canary"}},
    "a person's kubectl apply": {"metadata": {"annotations": {ANNOTATION_LAST_APPLIED: "canary"}}},
    "facts": {"status": {"account": {"id": "canary", "name": "canary"}}},
    "a subscription": {"status": {"subscription": {"name": "canary"}}},
    "who installed": {"status": {"createdBy": "canary"}},
    "a reason that was sent": {"status": {"answer": {"reason": "canary"}}},
    "credentials": {"status": {"credentials": {"keyId": "canary"}}},
    "numbers of users": {"status": {"users": {"licensed": 1}}},
    "words of the past": {
        "status": {"history": [{"time": to_wire_time(NOON), "reason": "Active", "message": "canary"}]}
    },
    "words of a condition": {
        "status": {
            "conditions": [
                {
                    "type": "TenantReady",
                    "status": "False",
                    "reason": "RenderFailed",
                    "message": "canary",
                    "lastTransitionTime": to_wire_time(NOON),
                }
            ]
        }
    },
}
"""What a lost write, a former leader, an event or a person may leave after the erasure."""


@pytest.mark.parametrize("change", BROUGHT_BACK.values(), ids=BROUGHT_BACK)
async def test_what_comes_back_after_the_erasure_is_erased_at_the_next_look(change: dict[str, Any]) -> None:
    operator = await with_canaries()
    await operator.converge()
    operator.change("TalkdeskInstallation", INSTALLATION, change)
    operator.now += HOUR
    await operator.converge(Cause.RESYNC)
    assert remains(operator) == []
    assert operator.installation.status.users is None
    operator.journal.clear()
    await operator.converge()
    assert operator.journal.writes == []


async def test_users_whose_tenant_somebody_deleted_are_forgotten_with_the_installation() -> None:
    operator = await with_canaries()
    record = credentials_secret(f"{TENANT}-users-0") | {"type": USERS_TYPE}
    record["metadata"]["labels"] = {
        "app.kubernetes.io/managed-by": "talkdesk-operator",
        "app.kubernetes.io/component": "users",
        "appconnect.talkdesk.dev/tenant": TENANT,
    }
    operator.server.put(record)
    operator.server.remove("TalkdeskTenant", TENANT)
    operator.server.remove("Namespace", SPACE)
    await operator.converge()
    assert operator.server.find("Secret", f"{TENANT}-users-0") is None
