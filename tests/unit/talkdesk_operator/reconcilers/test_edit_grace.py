"""An edit of an app's policies that deletes something is told an hour before it does, and can be taken back."""

from datetime import timedelta
from typing import Any

import pytest

from builders.objects import DAY, HOUR, INSTALLATION, trial_object
from builders.operator_in_memory import (
    SPACE,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.talkdesk import Subscription
from talkdesk_operator.workqueue.contract import Cause

pytestmark = pytest.mark.case(40, 71)
APP = AccountKey.of_app("team", "sentiment")
AT_ONCE = {"spec": {"retention": {"keepFor": "0s"}}}
OFFBOARDS: dict[str, Any] = {"spec": {"trial": {"onEnd": "Offboard"}}}


async def look(operator: OperatorInMemory, *causes: Cause) -> timedelta | None:
    """Reconcile app and account; return when the app is looked at again."""
    result = await operator.reconcile(*causes, key=APP)
    await operator.converge(*causes)
    return result.next[0].after if result.next else None


def pending(operator: OperatorInMemory) -> str:
    found = operator.server.get("TalkdeskApp", "sentiment").get("status", {}).get("conditions", [])
    return next((each["message"] for each in found if each["type"] == "DeletionPending"), "")


def told(operator: OperatorInMemory) -> int:
    return [raw["reason"] for raw in operator.server.all("Event")].count(Reason.APP_EDITED)


async def retained(**spec: Any) -> OperatorInMemory:
    operator = OperatorInMemory(sentiment(), installed(), credentials_secret())
    await look(operator)
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await look(operator)
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    operator.change("TalkdeskTenant", TENANT, {"spec": spec})
    operator.now += DAY
    return operator


async def on_ended_trial(policy: str) -> OperatorInMemory:
    app = sentiment(trial={"onEnd": policy})
    operator = OperatorInMemory(app, installed(), credentials_secret())
    operator.talkdesk.plan = Subscription("trial", "universal", "Gold", 5)
    await look(operator)
    operator.now += DAY
    trial = {"spec": {"trial": trial_object(at=operator.now)}}
    operator.change("TalkdeskInstallation", INSTALLATION, trial)
    await look(operator)
    operator.now += DAY
    return operator


async def test_a_retention_that_an_edit_ends_is_told_and_waits_an_hour() -> None:
    operator = await retained()
    assert pending(operator) == ""
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    until = operator.now + HOUR
    assert await look(operator) == timedelta(minutes=5)
    assert f"1 retained tenants are purged at {to_wire_time(until)}" in pending(operator)
    assert told(operator) == 1
    for cause in (Cause.WATCH, Cause.RESYNC, Cause.STARTUP):
        operator.restart()
        await look(operator, cause)
        assert operator.server.find("Namespace", SPACE) is not None
    assert told(operator) == 1
    operator.now = until - timedelta(seconds=1)
    await look(operator)
    assert operator.server.find("Namespace", SPACE) is not None
    operator.now = until
    assert await look(operator) is None
    assert operator.server.find("Namespace", SPACE) is None
    assert pending(operator) == ""


async def test_the_account_wakes_up_when_the_hour_is_over() -> None:
    operator = await retained()
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    await look(operator)
    result = await operator.reconcile()
    assert min(each.after for each in result.next) == HOUR


async def test_an_edit_that_is_not_recorded_yet_waits_as_well() -> None:
    operator = await retained()
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    await operator.converge()
    assert operator.server.find("Namespace", SPACE) is not None


async def test_an_edit_that_is_taken_back_deletes_nothing() -> None:
    operator = await retained()
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    await look(operator)
    operator.change("TalkdeskApp", "sentiment", {"spec": {"retention": None}})
    await look(operator)
    assert pending(operator) == ""
    operator.now += 2 * HOUR
    await look(operator)
    assert operator.server.find("Namespace", SPACE) is not None


@pytest.mark.parametrize("generation", ["same", "other"])
async def test_a_person_has_it_done_at_once_for_this_very_edit(generation: str) -> None:
    operator = await retained()
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    await look(operator)
    app = operator.server.get("TalkdeskApp", "sentiment")
    word = str(app["metadata"]["generation"] - (generation == "other"))
    operator.change("TalkdeskApp", "sentiment", {"metadata": {"annotations": {ANNOTATION_CONFIRM_DELETION: word}}})
    await look(operator)
    assert (operator.server.find("Namespace", SPACE) is None) == (generation == "same")


async def test_a_purge_that_a_person_asked_for_does_not_wait() -> None:
    operator = await retained()
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "me"}}})
    await look(operator)
    assert operator.server.find("Namespace", SPACE) is None


@pytest.mark.parametrize("spec", [{"deletionProtection": True}, {"paused": True}])
async def test_a_tenant_that_is_kept_is_not_counted(spec: dict[str, Any]) -> None:
    operator = await retained(**spec)
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    await look(operator)
    assert pending(operator) == ""


async def test_a_tenant_whose_installation_is_gone_waits_as_well() -> None:
    operator = await retained()
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    operator.watch()
    operator.change("TalkdeskApp", "sentiment", AT_ONCE)
    operator.now += 89 * DAY
    await look(operator)
    assert operator.server.find("Namespace", SPACE) is not None
    operator.now += HOUR
    await look(operator)
    assert operator.server.find("Namespace", SPACE) is None


@pytest.mark.case(21)
@pytest.mark.parametrize("before", ["Keep", "Suspend"])
async def test_an_edit_that_offboards_customers_is_told_and_leaves_them_as_they_are_for_an_hour(before: str) -> None:
    operator = await on_ended_trial(before)
    state, phase = operator.tenant.spec.state, operator.installation.status.phase
    operator.change("TalkdeskApp", "sentiment", OFFBOARDS)
    await look(operator)
    assert "1 tenants in use are offboarded" in pending(operator)
    assert operator.tenant.spec.state is state
    assert operator.server.find("Secret", "keys", SPACE) is not None
    assert (phase is InstallationPhase.ACTIVE) == (before == "Keep")
    result = await operator.reconcile()
    assert HOUR in [each.after for each in result.next]
    operator.now += HOUR
    await look(operator)
    assert operator.server.find("Secret", "keys", SPACE) is None
    assert operator.tenant.spec.state == "Offboarded"


async def test_an_uninstall_waits_for_no_grace() -> None:
    operator = OperatorInMemory(sentiment(), installed(), credentials_secret())
    await look(operator)
    operator.now += DAY
    operator.change("TalkdeskApp", "sentiment", OFFBOARDS)
    await look(operator)
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await look(operator)
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    assert operator.server.find("Secret", "keys", SPACE) is None


async def test_other_edits_and_a_new_app_hold_nothing() -> None:
    operator = await retained()
    operator.change("TalkdeskApp", "sentiment", {"spec": {"resyncPeriod": "20m"}})
    assert await look(operator) is None
    operator.now += 90 * DAY
    await look(operator)
    assert operator.server.find("Namespace", SPACE) is None
