"""One Kubernetes Event for a change that is worth telling, none for a repetition."""

import pytest

from builders.objects import NOON, condition, retry
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import CredentialsStatus, InstallationPhase, InstallationStatus
from talkdesk_operator.domain.installation.kube_events import events_for
from talkdesk_operator.domain.ports.kube_event import EventDraft


def event(before: InstallationStatus, after: InstallationStatus) -> EventDraft | None:
    """The only thing to tell."""
    told = tuple(events_for(before, after))
    assert len(told) <= 1
    return told[0] if told else None


def status(
    phase: InstallationPhase | None, reason: Reason = Reason.SUCCEEDED, *, failing: bool = False, stalled: bool = False
) -> InstallationStatus:
    conditions = (
        condition(ConditionType.READY, "False", reason),
        condition(ConditionType.STALLED, "True" if stalled else "False", reason),
    )
    return InstallationStatus(phase=phase, conditions=conditions, retry=retry(reason, NOON) if failing else None)


ACTIVE = status(InstallationPhase.ACTIVE)


def test_nothing_is_told_when_nothing_changed() -> None:
    assert event(ACTIVE, ACTIVE) is None


@pytest.mark.parametrize("after", [InstallationStatus(phase=InstallationPhase.ACTIVE), status(None)])
def test_nothing_is_told_of_a_status_that_says_nothing(after: InstallationStatus) -> None:
    assert event(InstallationStatus(), after) is None


def test_a_new_phase_is_told_under_its_own_name() -> None:
    told = event(status(InstallationPhase.PROVISIONING), ACTIVE)
    assert told is not None
    assert (told.warning, told.reason, told.action) == (False, "Active", "Active")


@pytest.mark.case(32)
@pytest.mark.parametrize("phase", [InstallationPhase.TIMED_OUT, InstallationPhase.REJECTED, InstallationPhase.GONE])
def test_a_bad_end_is_a_warning(phase: InstallationPhase) -> None:
    told = event(ACTIVE, status(phase))
    assert told is not None
    assert told.warning


@pytest.mark.case(25)
def test_a_failure_is_a_warning_with_its_reason_once() -> None:
    failing = status(InstallationPhase.ACTIVE, Reason.FORBIDDEN, failing=True)
    told = event(ACTIVE, failing)
    assert told is not None
    assert (told.warning, told.reason) == (True, "Forbidden")
    assert event(failing, failing.model_copy(update={"retry": retry(Reason.FORBIDDEN, NOON, 2)})) is None


@pytest.mark.case(54)
def test_what_is_stuck_is_a_warning_too() -> None:
    told = event(ACTIVE, status(InstallationPhase.ACTIVE, Reason.RENDER_FAILED, stalled=True))
    assert told is not None
    assert (told.warning, told.reason) == (True, "RenderFailed")


def test_another_reason_alone_is_not_told_while_all_goes_well() -> None:
    assert event(ACTIVE, status(InstallationPhase.ACTIVE, Reason.PROGRESSING)) is None


def test_a_first_status_without_stalled_condition_is_told() -> None:
    first = InstallationStatus(
        phase=InstallationPhase.PENDING, conditions=(condition(ConditionType.READY, "False", Reason.NO_REQUEST),)
    )
    told = event(InstallationStatus(), first)
    assert told is not None
    assert told.reason == "Pending"


@pytest.mark.case(34)
def test_every_mark_before_the_deadline_is_a_warning_once() -> None:
    near = ACTIVE.model_copy(update={"time_left": "under 1d"})
    told = event(ACTIVE, near)
    assert told is not None
    assert (told.warning, told.reason) == (True, "DeadlineNear")
    assert told.message.startswith("under 1d")
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
def test_a_divergence_is_a_warning_when_it_begins(before: str | None, after: str | None, *, warned: bool) -> None:
    told = event(compared(before), compared(after))
    assert (told is not None) is warned
    assert told is None or (told.warning, told.reason, told.action) == (True, "Diverged", "Compare")


@pytest.mark.case(20)
def test_an_acknowledgement_is_told_once() -> None:
    def with_credentials(acknowledged: str | None) -> InstallationStatus:
        known = CredentialsStatus(key_id="k", acknowledged=acknowledged)
        return ACTIVE.model_copy(update={"credentials": known})

    told = event(ACTIVE, with_credentials("e1"))
    assert told is not None
    assert (told.warning, told.reason) == (False, "CredentialsRotated")
    assert event(with_credentials("e1"), with_credentials("e2")) is not None
    assert event(with_credentials("e1"), with_credentials("e1")) is None
    assert event(ACTIVE, with_credentials(None)) is None
    assert event(with_credentials("e1"), ACTIVE) is None
