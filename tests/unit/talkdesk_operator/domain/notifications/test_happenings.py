"""What happened is told once, in order, whoever wrote the status and however often it is looked at."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.objects import NOON, answer, condition, installation
from talkdesk_crds.app_notifications import NotificationType
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import (
    Decision,
    Ending,
    EndingReason,
    InstallationPhase,
    InstallationStatus,
    Request,
    RequestType,
    Retry,
)
from talkdesk_crds.notifications import Told
from talkdesk_operator.domain.notifications.happenings import Happening, baseline, happened, requested

INSTALL = RequestType.INSTALL
UPDATE = RequestType.UPDATE
UNINSTALL = RequestType.UNINSTALL


def request(kind: RequestType = INSTALL, event: str = "e1") -> Request:
    found = installation(request=kind, event=event).spec.request
    assert found is not None
    return found


def status(phase: InstallationPhase | None = None, **fields: Any) -> InstallationStatus:
    return InstallationStatus(phase=phase).model_copy(update=fields)


def ending(reason: EndingReason, event: str = "e1") -> Ending:
    return Ending(reason=reason, event_id=event, time=NOON)


def tell(asked: Request | None, now: InstallationStatus, told: Told | None = None) -> tuple[list[str], Told]:
    found, after = happened(asked, now, told or Told(), NOON)
    return [each.type.value for each in found], after


RETRY = Retry(attempts=8, next_attempt_time=NOON, reason="TalkdeskUnavailable")


def test_an_install_that_is_approved_at_once_is_told_as_both() -> None:
    found, told = happened(request(), status(answer=answer(event="e1")), Told(), NOON)
    assert [(each.type, each.request_type) for each in found] == [
        (NotificationType.INSTALLED, "Install"),
        (NotificationType.APPROVED, "Install"),
    ]
    assert tell(request(), status(answer=answer(event="e1")), told)[0] == []


def test_an_answer_that_talkdesk_does_not_have_is_not_told() -> None:
    assert tell(request(), status(answer=answer(event="e1", delivered=False)))[0] == ["Installed"]


def test_the_answer_to_a_request_that_was_replaced_meanwhile_is_told_before_the_new_one() -> None:
    _, told = tell(request(), status())
    found, _ = happened(request(UPDATE, "e2"), status(answer=answer(event="e1")), told, NOON)
    assert [(each.type.value, each.request_id) for each in found] == [("Approved", "e1"), ("Updated", "e2")]


def test_an_uninstall_is_told_when_it_is_over() -> None:
    _, told = tell(request(), status(answer=answer(event="e1")))
    asked = request(UNINSTALL, "e2")
    nothing, told = tell(asked, status(answer=answer(event="e2")), told)
    assert nothing == []
    over = status(answer=answer(event="e2"), ending=ending(EndingReason.UNINSTALLED, "e2"))
    assert tell(asked, over, told)[0] == ["Uninstalled"]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (EndingReason.UNINSTALLED, "Uninstalled"),
        (EndingReason.GONE, "Uninstalled"),
        (EndingReason.TIMED_OUT, "TimedOut"),
        (EndingReason.REJECTED, "Rejected"),
    ],
)
def test_each_end_is_told(reason: EndingReason, kind: str) -> None:
    assert tell(request(), status(ending=ending(reason)))[0] == ["Installed", kind]


def test_our_own_rejection_is_told_once() -> None:
    rejected = answer(event="e1", decision=Decision.REJECT)
    found, told = tell(request(), status(answer=rejected))
    assert found == ["Installed", "Rejected"]
    assert tell(request(), status(answer=rejected, ending=ending(EndingReason.REJECTED)), told)[0] == []


def test_a_rejection_by_talkdesk_after_our_approval_is_told() -> None:
    _, told = tell(request(), status(answer=answer(event="e1")))
    assert tell(request(), status(answer=answer(event="e1"), ending=ending(EndingReason.REJECTED)), told)[0] == [
        "Rejected"
    ]


def test_an_end_of_the_installation_after_that_of_its_update_is_told() -> None:
    _, told = tell(request(UPDATE), status(ending=ending(EndingReason.TIMED_OUT)))
    found, told = tell(request(UPDATE), status(ending=ending(EndingReason.GONE)), told)
    assert found == ["Uninstalled"]
    assert tell(request(UPDATE), status(ending=ending(EndingReason.GONE)), told)[0] == []


def test_of_a_request_alone_nothing_is_told_that_the_status_says_of_an_earlier_one() -> None:
    _, told = tell(request(), status(answer=answer(event="e1", delivered=False)))
    before = status(InstallationPhase.PURGED, answer=answer(event="e1"), time_left="overdue", retry=RETRY)
    found, after = requested(request(INSTALL, "e2"), before, told, NOON)
    assert [(each.type.value, each.cause) for each in found] == [("Approved", "e1"), ("Installed", "e2")]
    assert requested(request(INSTALL, "e2"), before, after, NOON) == ((), after)


def test_each_request_that_is_stuck_is_told() -> None:
    _, told = tell(request(UPDATE), STUCK["a person must decide"])
    assert tell(request(UPDATE, "e2"), STUCK["a person must decide"], told)[0] == ["Updated", "Stuck"]


def test_a_suspension_and_its_end_are_told_each_time() -> None:
    found, told = list[Happening](), Told(request_id="e1")
    phases = ["SUSPENDED", "PAUSED", "SUSPENDED", "PROVISIONING", "ACTIVE", "ACTIVE", "SUSPENDED", "ACTIVE"]
    for moment, phase in enumerate(phases):
        news, told = happened(request(), status(InstallationPhase[phase]), told, NOON + timedelta(minutes=moment))
        found += news
    assert [each.type.value for each in found] == ["Suspended", "Resumed", "Suspended", "Resumed"]
    assert len({(each.type, each.cause) for each in found}) == 4


def test_a_purge_is_told_also_where_the_deletion_of_the_object_asked_for_it() -> None:
    ready = condition(ConditionType.READY, "False", Reason.PURGED)
    for phase in (InstallationPhase.PURGED, InstallationPhase.DELETING):
        found, told = tell(None, status(phase, conditions=(ready,)))
        assert found == ["Purged"]
        assert tell(None, status(phase, conditions=(ready,)), told)[0] == []
    other = condition(ConditionType.READY, "False", Reason.DELETING)
    assert tell(None, status(InstallationPhase.DELETING, conditions=(other,)))[0] == []


def test_a_reinstall_can_be_purged_and_suspended_again() -> None:
    _, told = tell(request(), status(InstallationPhase.PURGED))
    again = request(INSTALL, "e2")
    _, told = tell(again, status(InstallationPhase.PROVISIONING), told)
    assert tell(again, status(InstallationPhase.PURGED), told)[0] == ["Purged"]


def test_each_mark_before_the_deadline_is_told_once() -> None:
    found, told = tell(request(), status(time_left="under 3d"))
    assert found == ["Installed", "DeadlineNear"]
    assert tell(request(), status(time_left="under 3d"), told)[0] == []
    assert tell(request(), status(time_left="overdue"), told)[0] == ["DeadlineNear"]
    assert tell(request(UPDATE, "e2"), status(time_left="under 3d"), told)[0] == ["Updated", "DeadlineNear"]


STUCK = {
    "stalled": status(conditions=(condition(ConditionType.STALLED),)),
    "many attempts": status(retry=RETRY),
    "a person must decide": status(InstallationPhase.AWAITING_DECISION),
}


@pytest.mark.parametrize("name", STUCK)
def test_what_is_stuck_is_told_once_until_it_goes_on(name: str) -> None:
    told = Told(request_id="e1")
    found, told = tell(request(), STUCK[name], told)
    assert found == ["Stuck"]
    fewer = RETRY.model_copy(update={"attempts": 1})
    assert tell(request(), status(retry=fewer), told) == ([], told), "another reason is no end"
    _, told = tell(request(), status(InstallationPhase.ACTIVE), told)
    assert tell(request(), STUCK[name], told)[0] == ["Stuck"]


def test_seven_failures_are_not_stuck() -> None:
    assert tell(request(), status(retry=RETRY.model_copy(update={"attempts": 7})))[0] == ["Installed"]


def test_of_an_installation_that_is_there_already_nothing_of_the_past_is_told() -> None:
    before = status(InstallationPhase.SUSPENDED, answer=answer(event="e1"), time_left="under 3d", observed_generation=3)
    told = baseline(request(), before, 3, NOON)
    assert tell(request(), before, told)[0] == []
    assert tell(request(), status(InstallationPhase.ACTIVE, answer=answer(event="e1")), told)[0] == ["Resumed"]


def test_a_request_that_came_with_the_first_reconcile_that_tells_is_told() -> None:
    before = status(InstallationPhase.ACTIVE, answer=answer(event="e1"), observed_generation=3)
    told = baseline(request(UPDATE, "e2"), before, 4, NOON)
    assert tell(request(UPDATE, "e2"), before, told)[0] == ["Updated"]
    seen = baseline(request(UPDATE, "e2"), before, 3, NOON)
    assert tell(request(UPDATE, "e2"), before, seen)[0] == []


def test_of_a_new_installation_everything_is_told() -> None:
    assert baseline(request(), status(answer=answer(event="e1", delivered=False)), 1, NOON) == Told()


PHASES = st.none() | st.sampled_from(InstallationPhase)
ANSWERS = st.none() | st.builds(
    answer,
    event=st.sampled_from(["e1", "e2"]),
    delivered=st.booleans(),
    decision=st.sampled_from(Decision),
)
ENDINGS = st.none() | st.builds(ending, st.sampled_from(EndingReason), st.sampled_from(["e1", "e2"]))
STATUSES = st.builds(
    status,
    PHASES,
    answer=ANSWERS,
    ending=ENDINGS,
    time_left=st.sampled_from([None, "under 1d", "overdue"]),
    retry=st.sampled_from([None, RETRY]),
)
REQUESTS = st.none() | st.builds(request, st.sampled_from(RequestType), st.sampled_from(["e1", "e2"]))


@given(st.lists(st.tuples(REQUESTS, STATUSES), max_size=8))
def test_the_same_status_is_told_once(course: list[tuple[Request | None, InstallationStatus]]) -> None:
    told = Told()
    for moment, (asked, now) in enumerate(course):
        _, told = happened(asked, now, told, NOON + timedelta(minutes=moment))
        assert happened(asked, now, told, NOON + timedelta(minutes=moment, seconds=30)) == ((), told)
