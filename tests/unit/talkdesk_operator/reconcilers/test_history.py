"""The record of a customer who left: kept for the app's `retention.historyTTL`, then deleted with its last traces."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from builders.journal import Crashed, When
from builders.objects import DAY, HOUR, INSTALLATION, NOON, request_object
from builders.operator_in_memory import (
    SPACE,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.conditions import EventReason, Reason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeForbidden

pytestmark = pytest.mark.case(40)
APP = AccountKey.of_app("team", "sentiment")
TTL = 365 * DAY
RECORD = f"talkdeskinstallations/{INSTALLATION}"
BLOCKER = "tests.example.com/blocker"


async def purged(**spec: Any) -> OperatorInMemory:
    """Return an operator at the moment at which the customer's tenant was purged."""
    operator = OperatorInMemory(sentiment(**spec), installed(), credentials_secret())
    await operator.reconcile(key=APP)
    await operator.converge()
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await operator.converge()
    operator.now += 90 * DAY
    await operator.converge()
    assert operator.installation.status.phase is InstallationPhase.PURGED
    operator.journal.clear()
    return operator


def is_there(operator: OperatorInMemory) -> bool:
    return operator.server.find("TalkdeskInstallation", INSTALLATION) is not None


def told(operator: OperatorInMemory) -> int:
    return [raw["reason"] for raw in operator.server.all("Event")].count(EventReason.HISTORY_ENDED)


async def test_the_record_is_deleted_at_the_end_of_its_time_and_said_before() -> None:
    operator = await purged()
    result = await operator.reconcile()
    assert TTL in [each.after for each in result.next]
    operator.now += TTL - timedelta(seconds=1)
    await operator.converge()
    assert operator.journal.writes == []
    operator.now += timedelta(seconds=1)
    result = await operator.converge()
    assert operator.journal.writes == ["POST events/HistoryEnded", f"DELETE {RECORD}", f"PATCH {RECORD}"]
    assert (is_there(operator), result.next, told(operator)) == (False, (), 1)
    assert await operator.reconcile() == type(result)()


async def test_credentials_that_an_event_of_old_brought_again_go_with_the_record() -> None:
    operator = await purged()
    operator.now += TTL
    operator.server.put(credentials_secret("keys-0", event_time=NOON - DAY))
    await operator.converge()
    assert not is_there(operator)
    assert operator.server.find("Secret", "keys-0") is None


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_write_leaves_neither_the_record_nor_its_credentials(when: When) -> None:
    beginning = await purged()
    beginning.now += TTL
    beginning.server.put(credentials_secret("keys-0", event_time=NOON - DAY))
    for write in range(1, 5):
        operator = beginning.fork()
        operator.journal.crash_at(write, when)
        with pytest.raises(Crashed):
            await operator.converge()
        operator.journal.crash = None
        operator.restart()
        await operator.converge(Cause.STARTUP)
        assert not is_there(operator)
        assert operator.server.find("Secret", "keys-0") is None
        assert told(operator) >= 1


def pauses(operator: OperatorInMemory) -> None:
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": {"paused": True}})


def is_installed_again(operator: OperatorInMemory) -> None:
    operator.asks("Install", event="e3")


@pytest.mark.parametrize("change", [pauses, is_installed_again])
async def test_a_record_that_somebody_has_just_changed_is_not_deleted(
    change: Callable[[OperatorInMemory], None],
) -> None:
    operator = await purged()
    operator.now += TTL
    operator.journal.on(f"DELETE {RECORD}", lambda: change(operator))
    result = await operator.reconcile()
    assert result.conflict
    assert operator.cache.current(operator.installation) == operator.installation
    await operator.converge()
    assert is_there(operator)
    assert operator.installation.metadata.deletion_timestamp is None


async def test_a_record_that_somebody_else_has_just_deleted_is_gone() -> None:
    operator = await purged()
    operator.now += TTL
    operator.journal.on(f"DELETE {RECORD}", lambda: operator.server.remove("TalkdeskInstallation", INSTALLATION))
    result = await operator.reconcile()
    assert not result.failed
    assert operator.journal.writes[-1] == f"DELETE {RECORD}"


async def test_without_the_right_to_delete_it_the_record_says_so() -> None:
    operator = await purged()
    operator.now += TTL
    operator.journal.fail(f"DELETE {RECORD}", KubeForbidden("no"))
    await operator.reconcile()
    assert operator.reason() == f"False/{Reason.ACCESS_MISSING}"
    assert operator.installation.status.phase is InstallationPhase.PURGED
    operator.now += DAY
    await operator.converge(Cause.RETRY)
    assert not is_there(operator)


async def test_others_finalizers_keep_the_record_that_is_being_deleted() -> None:
    operator = await purged()
    finalizers = [*operator.installation.metadata.finalizers, BLOCKER]
    operator.change("TalkdeskInstallation", INSTALLATION, {"metadata": {"finalizers": finalizers}})
    operator.now += TTL
    await operator.converge()
    assert operator.installation.metadata.finalizers == (BLOCKER,)
    assert operator.installation.metadata.deletion_timestamp is not None


def pending(operator: OperatorInMemory) -> str:
    found = operator.server.get("TalkdeskApp", "sentiment").get("status", {}).get("conditions", [])
    return next((each["message"] for each in found if each["type"] == "DeletionPending"), "")


async def test_an_edit_that_ends_the_time_is_told_and_waits_an_hour() -> None:
    operator = await purged()
    operator.now += DAY
    operator.change("TalkdeskApp", "sentiment", {"spec": {"retention": {"historyTTL": "1h"}}})
    await operator.reconcile(key=APP)
    assert "1 records of customers who left are deleted" in pending(operator)
    result = await operator.reconcile()
    assert HOUR in [each.after for each in result.next]
    operator.now += HOUR - timedelta(seconds=1)
    await operator.converge()
    assert is_there(operator)
    operator.now += timedelta(seconds=1)
    await operator.converge()
    assert not is_there(operator)
    await operator.reconcile(key=APP)
    assert pending(operator) == ""


async def test_an_edit_that_is_taken_back_deletes_nothing() -> None:
    operator = await purged()
    operator.now += DAY
    operator.change("TalkdeskApp", "sentiment", {"spec": {"retention": {"historyTTL": "0s"}}})
    await operator.reconcile(key=APP)
    operator.change("TalkdeskApp", "sentiment", {"spec": {"retention": None}})
    await operator.reconcile(key=APP)
    operator.now += 2 * HOUR
    await operator.converge()
    assert is_there(operator)


async def test_a_pause_keeps_the_record_and_begins_its_time_anew() -> None:
    operator = await purged()
    pauses(operator)
    await operator.converge()
    operator.now += 2 * TTL
    await operator.converge(Cause.RESYNC)
    assert operator.reason() == f"False/{Reason.PAUSED}"
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": {"paused": False}})
    await operator.converge()
    assert operator.installation.status.phase is InstallationPhase.PURGED
    operator.now += TTL
    await operator.converge()
    assert not is_there(operator)


async def test_without_the_app_the_record_is_kept() -> None:
    operator = await purged()
    operator.server.remove("TalkdeskApp", "sentiment")
    operator.now += 9 * TTL
    await operator.converge()
    assert is_there(operator)


async def test_the_record_of_before_a_reinstall_goes_and_the_new_tenant_stays() -> None:
    operator = await purged()
    request = request_object(at=operator.now, event="e3")
    newer = installed(name="sentiment-i2", request=request, meta={"uid": "i2"}, installationId="i2")
    keys = credentials_secret("keys-i2", installation="sentiment-i2", event_time=operator.now)
    newer["spec"]["credentials"] |= {"secretName": "keys-i2", "eventId": "e3"}
    operator.server.put(newer)
    operator.server.put(keys)
    operator.talkdesk.becomes("installing", operator.now)
    operator.talkdesk.clients.add("client-1")
    await operator.converge()
    uid = operator.server.get("Namespace", SPACE, "")["metadata"]["uid"]
    operator.now += TTL
    await operator.converge()
    assert not is_there(operator)
    assert operator.server.find("TalkdeskInstallation", "sentiment-i2") is not None
    assert operator.server.find("Secret", "keys-i2") is not None
    assert operator.server.get("Namespace", SPACE, "")["metadata"]["uid"] == uid
    assert operator.server.find("TalkdeskTenant", TENANT) is not None
