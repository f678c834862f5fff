"""One Kubernetes Event for a change that is worth telling, none for a repetition."""

import pytest

from builders.objects import NOON, condition, retry
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import CredentialsStatus, InstallationPhase, InstallationStatus
from talkdesk_crds.notifications import EndpointStatus, NotificationsStatus
from talkdesk_operator.domain.installation.kube_events import events_for
from talkdesk_operator.domain.ports.kube_event import EventDraft


def event(before: InstallationStatus, after: InstallationStatus) -> EventDraft | None:
    """The only thing to tell."""
    emitted = tuple(events_for(before, after))
    assert len(emitted) <= 1
    return emitted[0] if emitted else None


def status(
    phase: InstallationPhase | None, reason: Reason = Reason.SUCCEEDED, *, failing: bool = False, stalled: bool = False
) -> InstallationStatus:
    conditions = (
        condition(ConditionType.READY, "False", reason),
        condition(ConditionType.STALLED, "True" if stalled else "False", reason),
    )
    return InstallationStatus(phase=phase, conditions=conditions, retry=retry(reason, NOON) if failing else None)


ACTIVE = status(InstallationPhase.ACTIVE)


def test_an_unchanged_status_gives_no_event() -> None:
    assert event(ACTIVE, ACTIVE) is None


@pytest.mark.parametrize("after", [InstallationStatus(phase=InstallationPhase.ACTIVE), status(None)])
def test_a_status_without_phase_or_conditions_gives_no_event(after: InstallationStatus) -> None:
    assert event(InstallationStatus(), after) is None


def test_a_new_phase_gives_an_event_named_after_it() -> None:
    emitted = event(status(InstallationPhase.PROVISIONING), ACTIVE)
    assert emitted is not None
    assert (emitted.warning, emitted.reason, emitted.action) == (False, "Active", "Active")


@pytest.mark.case(32)
@pytest.mark.parametrize("phase", [InstallationPhase.TIMED_OUT, InstallationPhase.REJECTED, InstallationPhase.GONE])
def test_a_failed_end_gives_a_warning_event(phase: InstallationPhase) -> None:
    emitted = event(ACTIVE, status(phase))
    assert emitted is not None
    assert emitted.warning


@pytest.mark.case(25)
def test_a_failure_gives_one_warning_event_with_its_reason() -> None:
    failing = status(InstallationPhase.ACTIVE, Reason.FORBIDDEN, failing=True)
    emitted = event(ACTIVE, failing)
    assert emitted is not None
    assert (emitted.warning, emitted.reason) == (True, "Forbidden")
    assert event(failing, failing.model_copy(update={"retry": retry(Reason.FORBIDDEN, NOON, 2)})) is None


@pytest.mark.case(54)
def test_a_stalled_installation_gives_a_warning_event() -> None:
    emitted = event(ACTIVE, status(InstallationPhase.ACTIVE, Reason.RENDER_FAILED, stalled=True))
    assert emitted is not None
    assert (emitted.warning, emitted.reason) == (True, "RenderFailed")


def test_a_new_reason_without_a_failure_gives_no_event() -> None:
    assert event(ACTIVE, status(InstallationPhase.ACTIVE, Reason.PROGRESSING)) is None


def test_a_first_status_without_a_stalled_condition_gives_an_event() -> None:
    first = InstallationStatus(
        phase=InstallationPhase.PENDING, conditions=(condition(ConditionType.READY, "False", Reason.NO_REQUEST),)
    )
    emitted = event(InstallationStatus(), first)
    assert emitted is not None
    assert emitted.reason == "Pending"


@pytest.mark.case(34)
def test_every_warning_before_the_deadline_gives_one_event() -> None:
    near = ACTIVE.model_copy(update={"time_left": "under 1d"})
    emitted = event(ACTIVE, near)
    assert emitted is not None
    assert (emitted.warning, emitted.reason) == (True, "DeadlineNear")
    assert emitted.message.startswith("under 1d")
    assert event(near, near) is None
    assert event(near, ACTIVE.model_copy(update={"time_left": "overdue"})) is not None
    assert event(near, ACTIVE) is None


def compared(word: str | None) -> InstallationStatus:
    more = () if word is None else (condition(ConditionType.IN_SYNC, word, Reason.DIVERGED),)
    return ACTIVE.model_copy(update={"conditions": (*ACTIVE.conditions, *more)})


@pytest.mark.case(31)
@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        (None, "False", True),
        ("True", "False", True),
        ("False", "False", False),
        ("False", "True", False),
        (None, "True", False),
        ("False", None, False),
    ],
)
def test_a_divergence_gives_one_warning_event_when_it_begins(
    before: str | None, after: str | None, *, warned: bool
) -> None:
    emitted = event(compared(before), compared(after))
    assert (emitted is not None) is warned
    assert emitted is None or (emitted.warning, emitted.reason, emitted.action) == (True, "Diverged", "Compare")


def synced(
    word: str | None, reason: Reason = Reason.USERS_FAILED, base: InstallationStatus = ACTIVE
) -> InstallationStatus:
    more = () if word is None else (condition(ConditionType.USERS_SYNCED, word, reason),)
    return base.model_copy(update={"conditions": (*base.conditions, *more)})


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        (synced(None), synced("False"), True),
        (synced("True"), synced("False"), True),
        (synced("False", Reason.USERS_SYNCING), synced("False"), True),
        (synced("False"), synced("False"), False),
        (synced("True"), synced("False", Reason.USERS_SYNCING), False),
        (synced("False"), synced("True"), False),
        (synced("False"), synced(None), False),
    ],
)
def test_users_whom_the_service_refuses_give_one_warning_event(
    before: InstallationStatus, after: InstallationStatus, *, warned: bool
) -> None:
    emitted = event(before, after)
    assert (emitted is not None) is warned
    assert emitted is None or (emitted.warning, emitted.reason, emitted.action) == (True, "UsersFailed", "SyncUsers")


@pytest.mark.case(74)
def test_a_service_that_holds_up_everything_is_told_once() -> None:
    failing = status(InstallationPhase.ACTIVE, Reason.USERS_FAILED, failing=True)
    emitted = event(ACTIVE, synced("False", base=failing))
    assert emitted is not None
    assert emitted.action == "Active"


@pytest.mark.case(20)
def test_an_acknowledgement_gives_one_event() -> None:
    def with_credentials(acknowledged: str | None) -> InstallationStatus:
        known = CredentialsStatus(key_id="k", acknowledged_event_id=acknowledged)
        return ACTIVE.model_copy(update={"credentials": known})

    emitted = event(ACTIVE, with_credentials("e1"))
    assert emitted is not None
    assert (emitted.warning, emitted.reason) == (False, "CredentialsRotated")
    assert event(with_credentials("e1"), with_credentials("e2")) is not None
    assert event(with_credentials("e1"), with_credentials("e1")) is None
    assert event(ACTIVE, with_credentials(None)) is None
    assert event(with_credentials("e1"), ACTIVE) is None


def test_notifications_that_are_overdue_or_given_up_are_told_once() -> None:
    overdue = condition(ConditionType.NOTIFICATIONS_OVERDUE, "True", Reason.NOTIFICATION_REFUSED)
    late = ACTIVE.model_copy(update={"conditions": (*ACTIVE.conditions, overdue)})
    told = event(ACTIVE, late)
    assert told is not None
    assert (told.warning, told.reason) == (True, "NotificationRefused")
    assert event(late, late) is None
    assert event(late, ACTIVE) is None

    def given_up(number: int) -> InstallationStatus:
        states = (EndpointStatus(name="crm", given_up=number), EndpointStatus(name="other", given_up=1))
        return ACTIVE.model_copy(update={"notifications": NotificationsStatus(endpoints=states)})

    lost = event(given_up(1), given_up(2))
    assert lost is not None
    assert (lost.warning, lost.reason, "crm" in lost.message, "other" in lost.message) == (
        True,
        "NotificationGivenUp",
        True,
        False,
    )
    assert event(given_up(2), given_up(2)) is None
