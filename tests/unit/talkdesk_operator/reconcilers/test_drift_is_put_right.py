"""A drift that was seen is put right, however often a reconcile breaks off before; a fight is damped and named."""

from datetime import timedelta
from typing import Any

import pytest

from builders.operator_in_memory import KEY, SPACE, TENANT, OperatorInMemory
from talkdesk_crds.conditions import ConditionType, find
from talkdesk_crds.names import FIELD_MANAGER
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.tenant.drift import Change, Sighting, Target
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeOverloaded

TARGET = Target("team", "sentiment", "user", "", "v1", "ConfigMap")
APPLY = f"APPLY configmaps/{SPACE}/account"


def entry(manager: str, *keys: str) -> dict[str, Any]:
    operation = "Apply" if manager == FIELD_MANAGER else "Update"
    fields: dict[str, Any] = {"f:data": {f"f:{key}": {} for key in keys}}
    return {"manager": manager, "operation": operation, "fieldsV1": fields, "time": "2026-03-01T12:00:00Z"}


async def active() -> OperatorInMemory:
    operator = OperatorInMemory()
    await operator.converge()
    operator.journal.clear()
    return operator


def edit(operator: OperatorInMemory, value: str = "by hand") -> None:
    """Let somebody change an object of the tenant, as the watch sees it."""
    operator.server.edit("ConfigMap", "account", {"data": {"company": value}}, SPACE)
    fields = (entry("kubectl-edit", "company"),)
    operator.ledger.seen(Sighting(TARGET, Change.DRIFTED, TENANT, SPACE, "account", fields), operator.now)


def company(operator: OperatorInMemory) -> str:
    return str(operator.server.get("ConfigMap", "account", SPACE)["data"]["company"])


@pytest.mark.case(88)
@pytest.mark.parametrize("cause", [Cause.WATCH, Cause.RETRY, Cause.RESYNC, Cause.FAULT])
async def test_a_drift_is_put_right_whatever_causes_the_next_reconcile(cause: Cause) -> None:
    operator = await active()
    edit(operator)
    await operator.converge(cause)
    assert company(operator) != "by hand"
    operator.journal.clear()
    await operator.converge()
    assert APPLY not in operator.journal.lines


@pytest.mark.case(88)
async def test_a_drift_outlives_a_reconcile_that_broke_off() -> None:
    operator = await active()
    edit(operator)
    operator.journal.fail(APPLY, LookupError("a fault of ours"))
    with pytest.raises(LookupError):
        await operator.reconcile(Cause.DRIFT)
    await operator.converge(Cause.FAULT)
    assert company(operator) != "by hand"


@pytest.mark.case(88)
async def test_a_drift_outlives_a_failure_of_the_api_server() -> None:
    operator = await active()
    edit(operator)
    operator.journal.fail(APPLY, KubeOverloaded("busy"))
    await operator.reconcile(Cause.DRIFT)
    assert company(operator) == "by hand"
    operator.now += timedelta(minutes=1)
    await operator.converge(Cause.RETRY)
    assert company(operator) != "by hand"


@pytest.mark.case(88)
async def test_a_drift_outlives_a_pause() -> None:
    operator = await active()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"paused": True}})
    edit(operator)
    await operator.converge(Cause.DRIFT)
    assert company(operator) == "by hand"
    operator.change("TalkdeskTenant", TENANT, {"spec": {"paused": False}})
    await operator.converge(Cause.WATCH)
    assert company(operator) != "by hand"


async def fight(operator: OperatorInMemory, rounds: int) -> None:
    for _ in range(rounds):
        edit(operator)
        when = operator.ledger.next_time("team", TENANT)
        assert when is not None
        operator.now = max(operator.now, when)
        await operator.converge(Cause.DRIFT)


@pytest.mark.case(87)
async def test_a_fight_is_told_in_a_condition_and_an_event_with_the_other_field_manager_and_the_fields() -> None:
    operator = await active()
    await fight(operator, 2)
    assert find(operator.tenant.status.conditions, ConditionType.CONTESTED) is None
    await fight(operator, 3)
    contested = find(operator.tenant.status.conditions, ConditionType.CONTESTED)
    assert contested is not None
    assert (contested.status, contested.reason) == ("True", "FieldManagerConflict")
    assert f"ConfigMap {SPACE}/account" in contested.message
    assert operator.tenant_reason() == "True/Applied"
    assert operator.journal.lines.count("POST events/FieldManagerConflict") == 1


@pytest.mark.case(87)
async def test_a_drift_in_a_fight_waits_for_its_back_off_and_is_not_lost_by_a_reconcile_before() -> None:
    operator = await active()
    await fight(operator, 3)
    edit(operator)
    result = await operator.reconcile(Cause.WATCH)
    assert company(operator) == "by hand"
    (requeue,) = [each for each in result.next if each.priority is Priority.CHANGED]
    assert timedelta() < requeue.after <= timedelta(seconds=4)
    operator.now += requeue.after
    await operator.converge(Cause.RETRY)
    assert company(operator) != "by hand"


@pytest.mark.case(87)
async def test_a_fight_that_has_ended_is_not_told_any_more() -> None:
    operator = await active()
    await fight(operator, 4)
    when = operator.ledger.next_time("team", TENANT)
    assert when is not None
    operator.now = when
    await operator.converge(Cause.RETRY)
    assert find(operator.tenant.status.conditions, ConditionType.CONTESTED) is None
    assert operator.ledger.next_time("team", TENANT) is None


async def test_a_tenant_whose_objects_are_not_ready_is_noted_as_waiting_until_they_are() -> None:
    operator = OperatorInMemory()
    operator.server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    await operator.reconcile()
    assert operator.waiting.changed("team", TENANT, operator.now) is None
    operator.server.edit("Namespace", SPACE, {"status": {"phase": "Unknown"}})
    await operator.accounts.reconcile(KEY, frozenset({Cause.DRIFT}))
    assert operator.waiting.changed("team", TENANT, operator.now) is not None
    operator.server.edit("Namespace", SPACE, {"status": {"phase": "Active"}})
    await operator.converge()
    assert operator.waiting.changed("team", TENANT, operator.now) is None
