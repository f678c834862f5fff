"""Somebody deletes a TalkdeskTenant: the record stays as long as there are objects on it, and loses nothing."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from builders.objects import DAY, INSTALLATION, tenant_object
from builders.operator_in_memory import ACCOUNT, SPACE, TENANT, OperatorInMemory, credentials_secret, sentiment
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import TENANT_FINALIZER
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.workqueue.contract import Cause

Story: TypeAlias = Callable[[], Awaitable[OperatorInMemory]]
SET = {"values": {"plan": "big"}, "deletionProtection": True}


async def live() -> OperatorInMemory:
    operator = OperatorInMemory()
    await operator.converge()
    operator.now += DAY
    return operator


async def uninstalling() -> OperatorInMemory:
    operator = await live()
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    return operator


async def retained() -> OperatorInMemory:
    operator = await uninstalling()
    await operator.converge()
    return operator


def delete(operator: OperatorInMemory) -> None:
    """What `kubectl delete tdt` does."""
    if TENANT_FINALIZER in operator.tenant.metadata.finalizers:
        operator.change("TalkdeskTenant", TENANT, {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}})
    else:
        operator.server.remove("TalkdeskTenant", TENANT)


async def test_a_new_record_is_held_from_its_first_moment() -> None:
    operator = await live()
    assert operator.tenant.metadata.finalizers == (TENANT_FINALIZER,)


async def test_a_record_that_came_without_the_finalizer_gets_it_before_anything_is_applied() -> None:
    operator = OperatorInMemory()
    operator.server.put(tenant_object(TENANT, accountId=ACCOUNT, meta={"finalizers": ["example.com/x"]}))
    await operator.converge()
    assert operator.tenant.metadata.finalizers == ("example.com/x", TENANT_FINALIZER)
    writes = [line for line in operator.journal.writes if "talkdesktenants" in line or "APPLY" in line]
    assert writes[0] == f"PATCH talkdesktenants/{TENANT}"


@pytest.mark.case(44)
async def test_a_deleted_record_of_a_live_tenant_stays_with_its_values_and_goes_on() -> None:
    operator = await live()
    operator.change("TalkdeskTenant", TENANT, {"spec": SET})
    delete(operator)
    uid = operator.tenant.metadata.uid
    await operator.converge(Cause.RESYNC)
    assert (operator.tenant.metadata.uid, operator.tenant.spec.values) == (uid, {"plan": "big"})
    assert operator.tenant.spec.deletion_protection
    assert operator.tenant_reason("DeletionBlocked") == "True/InUse"
    assert operator.reason() == "True/Succeeded"
    assert "POST events/DeletionBlocked" in operator.journal.lines
    operator.journal.clear()
    operator.server.edit("ConfigMap", "account", {"data": {"company": "changed"}}, SPACE)
    await operator.converge(Cause.DRIFT)
    assert operator.server.get("ConfigMap", "account", SPACE)["data"] != {"company": "changed"}
    assert "POST events/DeletionBlocked" not in operator.journal.lines


@pytest.mark.case(44)
async def test_a_record_that_is_deleted_while_an_uninstall_waits_is_offboarded_retained_and_purged() -> None:
    operator = await uninstalling()
    delete(operator)
    await operator.converge()
    assert operator.server.find("Secret", "keys", SPACE) is None
    assert operator.tenant.spec.state is TenantState.OFFBOARDED
    assert operator.reason() == "False/Uninstalled"
    assert operator.tenant_reason("DeletionBlocked") == "True/Retained"
    operator.now += 91 * DAY
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is None
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert operator.reason() == "False/Purged"


@pytest.mark.case(44)
@pytest.mark.parametrize(("spec", "reason"), [({}, "Retained"), ({"deletionProtection": True}, "Protected")])
async def test_a_deleted_record_of_a_retained_tenant_waits_for_its_end(spec: dict[str, Any], reason: str) -> None:
    operator = await retained()
    operator.change("TalkdeskTenant", TENANT, {"spec": spec})
    delete(operator)
    await operator.converge()
    assert operator.tenant_reason("DeletionBlocked") == f"True/{reason}"
    assert operator.server.find("Namespace", SPACE) is not None
    operator.now += 91 * DAY
    await operator.converge()
    assert (operator.server.find("Namespace", SPACE) is None) is not spec.get("deletionProtection", False)
    assert (operator.server.find("TalkdeskTenant", TENANT) is None) is not spec.get("deletionProtection", False)


async def test_a_purge_that_a_person_asks_for_ends_a_deleted_record() -> None:
    operator = await retained()
    delete(operator)
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "sam"}}})
    await operator.converge()
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert operator.server.find("Namespace", SPACE) is None


@pytest.mark.case(36)
async def test_a_customer_who_comes_back_finds_a_deleted_record_as_it_was() -> None:
    operator = await retained()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"values": {"plan": "big"}}})
    delete(operator)
    operator.now += DAY
    operator.talkdesk.becomes("installing")
    operator.talkdesk.clients.add("client-1")
    operator.server.put(credentials_secret(event_time=operator.now))
    operator.asks("Install", event="e3")
    await operator.converge()
    assert operator.tenant.spec.state is TenantState.ACTIVE
    assert operator.tenant.spec.values == {"plan": "big"}


async def test_a_deleted_record_that_nobody_claims_says_what_to_do_and_stays() -> None:
    operator = await live()
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    delete(operator)
    await operator.reconcile()
    assert operator.tenant_reason("DeletionBlocked") == "True/InstallationDeleted"
    operator.now += 900 * DAY
    operator.journal.clear()
    await operator.reconcile()
    assert operator.journal.writes == []
    assert operator.server.find("Namespace", SPACE) is not None


async def test_a_record_does_not_hold_up_the_deletion_of_its_namespace_once_nobody_claims_it() -> None:
    operator = await retained()
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    delete(operator)
    operator.server.put(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "team", "finalizers": ["kubernetes"], "deletionTimestamp": to_wire_time(operator.now)},
        }
    )
    operator.journal.clear()
    await operator.reconcile()
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert operator.server.find("Namespace", SPACE) is not None
    assert "POST events/default/LeftBehind" in operator.journal.writes
    assert [line for line in operator.journal.writes if line.startswith("DELETE")] == []


async def test_a_deleted_record_that_speaks_of_no_object_goes_at_once() -> None:
    empty = tenant_object(TENANT, accountId=ACCOUNT)
    operator = OperatorInMemory(sentiment(), empty)
    delete(operator)
    await operator.converge()
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert "POST events/DeletionBlocked" not in operator.journal.lines


@pytest.mark.parametrize("story", [live, uninstalling, retained])
async def test_whoever_takes_the_finalizer_off_has_the_record_gone_and_the_objects_stay(story: Story) -> None:
    operator = await story()
    delete(operator)
    operator.change("TalkdeskTenant", TENANT, {"metadata": {"finalizers": []}})
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert operator.server.find("Namespace", SPACE) is not None


async def test_the_report_is_made_once_for_each_reason() -> None:
    operator = await live()
    delete(operator)
    await operator.converge()
    operator.journal.clear()
    operator.now += timedelta(hours=1)
    await operator.converge(Cause.RESYNC)
    assert "POST events/DeletionBlocked" not in operator.journal.lines
