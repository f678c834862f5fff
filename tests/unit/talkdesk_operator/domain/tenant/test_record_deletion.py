"""A record that somebody deleted: whether it is held, and why."""

from typing import Any

import pytest

from builders.objects import DAY, NOON, tenant_object
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import TENANT_FINALIZER
from talkdesk_crds.tenant import InventoryItem, TalkdeskTenant, TenantStatus
from talkdesk_operator.domain.tenant.record_deletion import held_status, is_given_up, is_held

PLANNED = [{"step": "base", "version": "v1", "kind": "ConfigMap", "name": "x"}]
MADE = InventoryItem(step="base", version="v1", kind="ConfigMap", name="x", uid="made")


def record(*, deleted: bool = True, held: bool = True, status: TenantStatus | None = None, **spec: Any) -> Any:
    moment = {"deletionTimestamp": to_wire_time(NOON)} if deleted else {}
    meta = moment | {"finalizers": [TENANT_FINALIZER] if held else []}
    read = TalkdeskTenant.read(tenant_object(meta=meta, **spec))
    return read.model_copy(update={"status": status or TenantStatus()})


@pytest.mark.parametrize(("deleted", "held"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_record_is_held_when_somebody_deleted_it_and_our_finalizer_is_there(*, deleted: bool, held: bool) -> None:
    assert is_held(record(deleted=deleted, held=held)) is (deleted and held)


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [
        (record(), True),
        (record(deleted=False), False),
        (record(objects=PLANNED), False),
        (record(status=TenantStatus(inventory=(MADE,))), False),
    ],
)
def test_a_deleted_record_that_speaks_of_no_object_is_given_up(tenant: TalkdeskTenant, *, expected: bool) -> None:
    assert is_given_up(tenant) is expected


@pytest.mark.parametrize(
    ("spec", "in_use", "reason"),
    [
        ({}, True, Reason.IN_USE),
        ({"deletionProtection": True}, True, Reason.IN_USE),
        ({"deletionProtection": True}, False, Reason.PROTECTED),
        ({"state": "Offboarded", "deletionProtection": True}, False, Reason.PROTECTED),
        ({"state": "Offboarded"}, False, Reason.RETAINED),
        ({}, False, Reason.INSTALLATION_DELETED),
    ],
)
def test_the_condition_says_what_holds_the_record(spec: dict[str, Any], reason: Reason, *, in_use: bool) -> None:
    status = held_status(record(**spec), in_use=in_use, now=NOON)
    assert status is not None
    condition = find(status.conditions, ConditionType.DELETION_BLOCKED)
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", reason)
    assert TENANT_FINALIZER in condition.message
    assert held_status(record(status=status, **spec), in_use=in_use, now=NOON + DAY) is None


def test_another_reason_is_said_since_the_same_moment() -> None:
    first = held_status(record(), in_use=True, now=NOON)
    second = held_status(record(status=first, state="Offboarded"), in_use=False, now=NOON + DAY)
    assert second is not None
    (condition,) = second.conditions
    assert (condition.reason, condition.last_transition_time) == (Reason.RETAINED, NOON)
