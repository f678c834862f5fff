"""One account as the unit of work: who goes first, what is left alone, and when to come back."""

from datetime import timedelta
from typing import Any

import pytest

from builders.errors import trees
from builders.journal import Journal
from builders.objects import (
    DAY,
    HOUR,
    INSTALLATION,
    NOON,
    WEEK,
    condition,
    request_object,
    tenant_object,
)
from builders.operator_in_memory import (
    ACCOUNT,
    KEY,
    SPACE,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.names import ANNOTATION_RECONCILE, FINALIZER
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.ports.talkdesk import TalkdeskUnavailable
from talkdesk_operator.workqueue.contract import Cause, Requeue, Result
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeNoPath, KubeNotFound, KubeUnreachable

STATUS = f"PATCH talkdeskinstallations/{INSTALLATION}/status"
OLDER = "sentiment-i0"


def delays(result: Result, priority: Priority) -> list[timedelta]:
    return [each.after for each in result.next if each.priority is priority]


def with_status(status: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return installed(**fields) | {"status": status}


# The app itself.


async def test_an_apps_status_is_written_and_those_who_follow_apps_are_called() -> None:
    operator = OperatorInMemory()
    key = AccountKey.of_app("team", "sentiment")
    assert await operator.reconcile(key=key) == Result()
    assert operator.journal.writes == ["PATCH talkdeskapps/sentiment/status"]
    assert operator.followed == 1


async def test_an_app_that_is_gone_is_not_written_to_and_those_who_follow_apps_are_called() -> None:
    operator = OperatorInMemory(installed())
    assert await operator.reconcile(key=AccountKey.of_app("team", "sentiment")) == Result()
    assert operator.journal.lines == []
    assert operator.followed == 1


async def test_work_on_an_account_does_not_touch_the_app() -> None:
    operator = OperatorInMemory()
    await operator.reconcile()
    assert operator.followed == 0
    assert "PATCH talkdeskapps/sentiment/status" not in operator.journal.lines


async def test_an_installation_without_its_app_says_so_and_waits() -> None:
    operator = OperatorInMemory(installed(), credentials_secret())
    result = await operator.reconcile()
    assert operator.reason() == "False/AppNotFound"
    assert operator.reason("Stalled") == "True/AppNotFound"
    assert result.next == ()


# Order and roles.


def two_installations() -> OperatorInMemory:
    """The customer has installed anew before the old installation's uninstall came; the older one's name is first."""
    older = installed(name=OLDER, request=request_object(at=NOON - DAY, event="e0"), meta={"uid": "older"})
    older["spec"]["installationId"] = "i0"
    older["spec"]["credentials"]["secretName"] = "keys-0"
    keys = credentials_secret(), credentials_secret("keys-0", installation=OLDER)
    return OperatorInMemory(sentiment(), older, installed(), *keys)


@pytest.mark.case(59)
async def test_a_second_object_for_one_installation_makes_nothing_and_says_which_one_counts() -> None:
    other = installed(name="imported", meta={"uid": "imported"})
    operator = OperatorInMemory(sentiment(), other, installed(), credentials_secret())
    await operator.converge()
    assert operator.tenant.spec.installation_ref is not None
    assert operator.tenant.spec.installation_ref.name == INSTALLATION
    conditions = operator.server.get("TalkdeskInstallation", "imported")["status"]["conditions"]
    assert {each["reason"] for each in conditions if each["type"] == "Stalled"} == {Reason.DUPLICATE}


async def test_the_owner_of_the_tenant_goes_first_whatever_its_name() -> None:
    operator = two_installations()
    await operator.reconcile()
    statuses = [line for line in operator.journal.writes if line.endswith("/status") and "installations" in line]
    assert statuses[:2] == [STATUS, f"PATCH talkdeskinstallations/{OLDER}/status"]


async def test_an_older_installation_does_not_touch_the_tenant() -> None:
    operator = two_installations()
    await operator.converge()
    assert operator.tenant.spec.installation_ref is not None
    assert operator.tenant.spec.installation_ref.name == INSTALLATION
    assert operator.journal.writes.count("POST talkdesktenants") == 1
    phase = operator.server.get("TalkdeskInstallation", OLDER)["status"]["phase"]
    assert phase == InstallationPhase.SUPERSEDED


# When to come back.


async def test_an_active_installation_is_read_again_after_the_apps_resync_time() -> None:
    operator = OperatorInMemory(sentiment(resyncPeriod="20m"), installed(), credentials_secret())
    result = await operator.reconcile()
    assert result.next == (Requeue(timedelta(minutes=20), Priority.RESYNC),)
    assert not result.failed


async def test_a_failure_comes_back_after_its_back_off_and_before_the_next_mark_of_the_deadline() -> None:
    operator = OperatorInMemory()
    operator.journal.fail("ANSWER Approve", TalkdeskUnavailable("down", retry_after=timedelta(minutes=2)))
    result = await operator.reconcile()
    assert delays(result, Priority.RETRY) == [timedelta(minutes=2)]
    at_deadline, at_mark = sorted(delays(result, Priority.CHANGED), reverse=True)
    assert at_deadline == NOON + WEEK - operator.now
    assert timedelta() < at_mark < at_deadline
    assert result.failed


async def test_after_the_last_mark_of_the_deadline_none_is_waited_for() -> None:
    operator = OperatorInMemory(now=NOON + WEEK + HOUR)
    operator.journal.fail("ASK installation", TalkdeskUnavailable("down"), count=9)
    result = await operator.reconcile()
    assert [each.after for each in result.next if each.after < timedelta()] == []
    assert len(delays(result, Priority.CHANGED)) == 1


async def test_an_ended_installation_is_looked_at_no_more_often_than_once_an_hour() -> None:
    operator = OperatorInMemory()
    await operator.converge()
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    result = await operator.converge()
    assert delays(result, Priority.RESYNC) == [HOUR]
    assert delays(result, Priority.CHANGED) == [90 * DAY]


def backing_off(**status: Any) -> OperatorInMemory:
    """An installation whose last failure is tried again in an hour."""
    retry = {"attempts": 3, "nextAttemptTime": to_wire_time(NOON + HOUR), "reason": "TalkdeskUnavailable"}
    held = with_status({"observedGeneration": 1, "retry": retry} | status)
    return OperatorInMemory(sentiment(), held, credentials_secret(), now=NOON)


async def test_a_restart_does_not_cut_a_back_off_short() -> None:
    operator = backing_off()
    result = await operator.reconcile(Cause.STARTUP)
    assert operator.journal.lines == []
    assert result == Result((Requeue(HOUR, Priority.RETRY),))


@pytest.mark.parametrize("causes", [{Cause.WATCH}, {Cause.STARTUP, Cause.WATCH}, {Cause.RETRY}, {Cause.RESYNC}])
async def test_anything_but_a_restart_ends_a_back_off(causes: set[Cause]) -> None:
    operator = backing_off()
    await operator.reconcile(*causes)
    assert operator.reason() == "True/Succeeded"


async def test_a_back_off_that_is_over_or_of_another_spec_does_not_hold_up_a_restart() -> None:
    over = backing_off()
    over.now += HOUR
    for operator in (over, backing_off(observedGeneration=0)):
        await operator.reconcile(Cause.STARTUP)
        assert operator.reason() == "True/Succeeded"


async def test_a_request_for_a_reconcile_at_the_tenant_is_carried_out_and_recorded_there() -> None:
    operator = OperatorInMemory()
    await operator.converge()
    operator.change("TalkdeskTenant", TENANT, {"metadata": {"annotations": {ANNOTATION_RECONCILE: "now"}}})
    operator.journal.clear()
    await operator.converge()
    assert f"APPLY configmaps/{SPACE}/account" in operator.journal.lines
    assert operator.tenant.status.last_handled_reconcile_at == "now"
    operator.journal.clear()
    await operator.converge()
    assert operator.journal.lines == []


# Objects that can't be read.


def unreadable(kind: str) -> OperatorInMemory:
    """An account one of whose objects has a field that this version does not understand."""
    operator = OperatorInMemory()
    raw = installed(name=OLDER) if kind == "TalkdeskInstallation" else tenant_object(TENANT, accountId=ACCOUNT)
    raw["spec"]["request" if kind == "TalkdeskInstallation" else "state"] = "of a newer version"
    operator.server.put_unchecked(raw)
    return operator


@pytest.mark.parametrize(("kind", "name"), [("TalkdeskInstallation", OLDER), ("TalkdeskTenant", TENANT)])
async def test_nothing_of_an_account_is_touched_while_one_of_its_objects_cannot_be_read(kind: str, name: str) -> None:
    operator = unreadable(kind)
    result = await operator.reconcile()
    assert operator.journal.writes == [
        f"PATCH {kind.lower()}s/{name}/status",
        STATUS,
        "POST events/InvalidSpec",
    ]
    assert operator.reason() == "False/InvalidSpec"
    conditions = operator.server.get(kind, name)["status"]["conditions"]
    assert {c["type"]: c["status"] for c in conditions if c["reason"] == "InvalidSpec"} == {
        "Ready": "False",
        "Reconciling": "False",
        "Stalled": "True",
    }
    assert result.failed


async def test_an_object_that_cannot_be_read_is_written_to_once() -> None:
    operator = unreadable("TalkdeskInstallation")
    await operator.reconcile()
    operator.journal.clear()
    await operator.reconcile()
    assert operator.journal.writes == []


# Faults of our own.


@pytest.mark.case(9)
@pytest.mark.parametrize(
    ("cause", "reason", "reported"),
    [
        (Cause.FAULT, "", True),
        (Cause.FAULT, "Succeeded", True),
        (Cause.FAULT, "InternalError", False),
        (Cause.WATCH, "", False),
    ],
)
async def test_a_fault_is_reported_once_and_before_the_work_is_tried_again(
    cause: Cause, reason: str, *, reported: bool
) -> None:
    conditions = [condition(ConditionType.READY, "False", reason).wire()] if reason else []
    operator = OperatorInMemory(sentiment(), with_status({"conditions": conditions}), credentials_secret())
    operator.journal.on("GET secrets/keys-1", _break)
    with pytest.raises(Unforeseen):
        await operator.reconcile(cause)
    assert operator.journal.writes == ([STATUS] if reported else [])
    if reported:
        assert operator.reason() == "False/InternalError"
        assert operator.reason("Stalled") == "True/InternalError"


class Unforeseen(Exception):
    """What nobody thought of."""


def _break() -> None:
    raise Unforeseen


async def test_work_that_succeeds_takes_the_report_of_a_fault_away() -> None:
    operator = OperatorInMemory()
    operator.journal.on("GET secrets/keys-1", _break)
    with pytest.raises(Unforeseen):
        await operator.reconcile()
    await operator.reconcile(Cause.FAULT)
    assert operator.reason() == "True/Succeeded"
    assert operator.reason("Stalled") == "False/Succeeded"


async def test_an_api_server_that_takes_not_even_a_status_fails_the_work() -> None:
    operator = OperatorInMemory()
    operator.journal.fail("(POST|PATCH|APPLY) .*", KubeUnreachable("away"), count=99)
    result = await operator.reconcile()
    assert (result.failed, result.error, result.conflict) == (True, "away", False)


FORESEEN = [error for error in trees(KubeError) if not issubclass(error, KubeNotFound)]


@pytest.mark.case(9, 70, 78)
@pytest.mark.parametrize("error", FORESEEN, ids=lambda error: error.__name__)
@pytest.mark.parametrize("line", ["PATCH talkdesk.*", "POST talkdesk.*", "DELETE talkdesk.*", "GET secrets/.*"])
async def test_no_error_of_the_api_server_is_a_fault_of_ours_or_takes_a_condition_away(
    line: str, error: type[KubeError]
) -> None:
    operator = OperatorInMemory()
    await operator.converge()
    known = {c.type: c for c in operator.installation.status.conditions}
    operator.now += DAY
    operator.talkdesk.company = "New Name"
    operator.journal.fail(line, error("on purpose"), count=2)
    for _ in range(3):
        await operator.reconcile(Cause.RESYNC, Cause.RETRY)
        found = {c.type: c for c in operator.installation.status.conditions}
        assert found["Answered"] == known["Answered"].model_copy(
            update={"observed_generation": found["Answered"].observed_generation}
        )
        assert Reason.INTERNAL_ERROR not in {c.reason for c in found.values()}
        assert found.keys() == known.keys()
        operator.now += HOUR
    assert operator.reason() == "True/Succeeded"


async def test_an_installation_whose_status_is_refused_keeps_no_other_from_being_reconciled() -> None:
    operator = two_installations()
    operator.journal.fail(STATUS, KubeForbidden("no"), count=99)
    result = await operator.reconcile()
    assert (result.failed, result.error, result.conflict) == (True, "no", False)
    older = operator.server.get("TalkdeskInstallation", OLDER)["status"]
    assert older["phase"] == InstallationPhase.SUPERSEDED


@pytest.mark.parametrize(
    ("error", "reason"),
    [(KubeForbidden("no"), "AccessMissing"), (KubeUnreachable("cut"), "ClusterUnavailable")],
)
async def test_a_finalizer_that_cannot_be_added_is_a_failure_like_any_other(error: KubeError, reason: str) -> None:
    operator = OperatorInMemory(sentiment(), installed(meta={"finalizers": []}), credentials_secret())
    operator.journal.fail(f"PATCH talkdeskinstallations/{INSTALLATION}", error)
    result = await operator.reconcile()
    assert operator.reason() == f"False/{reason}"
    assert operator.installation.status.retry is not None
    assert delays(result, Priority.RETRY) != []
    await operator.converge(Cause.RETRY)
    assert operator.reason() == "True/Succeeded"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(KubeForbidden("no"), "AccessMissing"), (KubeUnreachable("cut"), "ClusterUnavailable")],
)
async def test_a_finalizer_that_cannot_be_removed_is_a_failure_like_any_other(error: KubeError, reason: str) -> None:
    operator = OperatorInMemory()
    await operator.converge()
    moment = {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    operator.change("TalkdeskInstallation", INSTALLATION, moment)
    operator.journal.fail(f"PATCH talkdeskinstallations/{INSTALLATION}", error)
    await operator.reconcile()
    assert operator.reason() == f"False/{reason}"
    await operator.converge(Cause.RETRY)
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None


@pytest.mark.case(81)
async def test_a_conflict_at_the_finalizer_is_looked_at_anew() -> None:
    operator = OperatorInMemory(sentiment(), installed(meta={"finalizers": []}), credentials_secret())
    line = f"PATCH talkdeskinstallations/{INSTALLATION}"
    changes = {"metadata": {"finalizers": ["theirs"]}}
    operator.journal.on(line, lambda: operator.change("TalkdeskInstallation", INSTALLATION, changes))
    result = await operator.reconcile()
    assert (result.failed, result.conflict) == (True, True)
    await operator.converge(Cause.RETRY)
    assert operator.installation.metadata.finalizers == ("theirs", FINALIZER)


# A tenant whose installations are all gone.


async def unclaimed(**spec: Any) -> OperatorInMemory:
    """A tenant in its retention, whose installation a person deleted."""
    operator = OperatorInMemory()
    await operator.converge()
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await operator.converge()
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    operator.change("TalkdeskTenant", TENANT, {"spec": spec})
    operator.journal.clear()
    return operator


async def test_a_retention_without_an_installation_is_waited_for() -> None:
    operator = await unclaimed()
    assert await operator.reconcile() == Result((Requeue(90 * DAY, Priority.CHANGED),))
    assert operator.journal.lines == []


async def test_a_retention_without_an_installation_ends_with_the_purge() -> None:
    operator = await unclaimed()
    operator.now += 90 * DAY
    assert await operator.reconcile() == Result()
    assert operator.journal.writes == [
        f"PATCH talkdesktenants/{TENANT}/status",
        f"DELETE configmaps/{SPACE}/account",
        f"DELETE namespaces/{SPACE}",
        f"PATCH talkdesktenants/{TENANT}",
        f"DELETE talkdesktenants/{TENANT}",
    ]


async def test_a_purge_that_takes_time_is_looked_at_again() -> None:
    operator = await unclaimed()
    operator.now += 90 * DAY
    operator.server.edit("Namespace", SPACE, {"metadata": {"finalizers": ["kubernetes"]}})
    result = await operator.reconcile()
    (again,) = delays(result, Priority.RETRY)
    assert timedelta() < again <= timedelta(seconds=30)
    assert not result.failed


async def test_a_purge_that_fails_counts_as_an_error() -> None:
    operator = await unclaimed()
    operator.now += 90 * DAY
    operator.server.forbid("ConfigMap", "DELETE")
    assert (await operator.reconcile()).failed


@pytest.mark.parametrize("spec", [{"paused": True}, {"deletionProtection": True}])
async def test_a_tenant_that_a_person_keeps_is_left_alone_without_an_installation(spec: dict[str, Any]) -> None:
    operator = await unclaimed(**spec)
    operator.now += 900 * DAY
    assert await operator.reconcile() == Result()
    assert operator.journal.lines == []


async def test_a_tenant_in_use_whose_installation_is_gone_is_left_alone() -> None:
    operator = OperatorInMemory()
    await operator.converge()
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    operator.journal.clear()
    operator.now += 900 * DAY
    assert await operator.reconcile() == Result()
    assert operator.journal.lines == [f"PATCH talkdesktenants/{TENANT}/status", "POST events/Orphaned"]


async def test_a_tenant_without_its_app_is_left_alone() -> None:
    operator = await unclaimed()
    operator.server.remove("TalkdeskApp", "sentiment")
    operator.now += 900 * DAY
    assert await operator.reconcile() == Result()
    assert operator.journal.lines == []


async def test_an_account_of_which_nothing_is_left_is_nothing_to_do() -> None:
    operator = OperatorInMemory(sentiment())
    assert await operator.reconcile(key=KEY) == Result()
    assert operator.journal == Journal()


# What conditions say over the life of an account.


@pytest.mark.case(78)
async def test_a_purged_record_stays_as_it_is_and_is_not_announced_again_after_a_new_install() -> None:
    operator = OperatorInMemory()
    await operator.converge()
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await operator.converge()
    operator.now += 90 * DAY
    await operator.converge()
    assert operator.reason("TenantReady") == "False/Purged"
    request = request_object(at=operator.now, event="e3")
    newer = installed(name="sentiment-i2", request=request, meta={"uid": "i2"})
    newer["spec"]["installationId"] = "i2"
    operator.server.put(newer)
    operator.journal.clear()
    await operator.converge()
    assert operator.installation.status.phase is InstallationPhase.PURGED
    assert operator.reason("TenantReady") == "False/Purged"
    assert "POST events/Uninstalled" not in operator.journal.lines


@pytest.mark.case(78)
async def test_after_a_restart_the_report_of_a_fault_is_not_kept_for_a_back_off() -> None:
    operator = OperatorInMemory()
    operator.journal.fail("ANSWER Approve", TalkdeskUnavailable("down"))
    await operator.reconcile()
    operator.journal.on("GET secrets/keys-1", _break)
    with pytest.raises(Unforeseen):
        await operator.reconcile(Cause.FAULT)
    assert operator.reason() == "False/InternalError"
    operator.restart()
    await operator.reconcile(Cause.STARTUP)
    assert operator.reason() == "True/Succeeded"


@pytest.mark.case(85)
@pytest.mark.parametrize("kind", ["Install", "Update", "Uninstall"])
async def test_missing_credentials_are_a_standstill_with_a_warning(kind: str) -> None:
    raw = installed(request=request_object(kind, event="e9"))
    del raw["spec"]["credentials"]
    operator = OperatorInMemory(sentiment(), raw)
    await operator.converge()
    conditions = operator.server.get("TalkdeskInstallation", INSTALLATION)["status"]["conditions"]
    stalled = {each["type"]: (each["status"], each["reason"]) for each in conditions}["Stalled"]
    assert stalled == ("True", Reason.CREDENTIALS_MISSING)
    assert [(each["type"], each["reason"]) for each in operator.server.all("Event")] == [
        ("Warning", Reason.CREDENTIALS_MISSING)
    ]


@pytest.mark.case(79)
async def test_a_status_whose_path_leads_nowhere_for_a_moment_is_written_at_the_next_attempt() -> None:
    operator = OperatorInMemory()
    nowhere = KubeNoPath("404 page not found")
    operator.journal.fail(f"PATCH talkdeskinstallations/{INSTALLATION}/status", nowhere)
    assert (await operator.converge()).failed
    await operator.converge(Cause.RETRY)
    assert operator.reason() == "True/Succeeded"
    assert operator.installation.status.phase is InstallationPhase.ACTIVE
