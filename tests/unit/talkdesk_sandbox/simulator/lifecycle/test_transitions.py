"""The transition table: what an answer or a missing answer leads to."""

import pytest

from talkdesk_sandbox.simulator.lifecycle.transitions import Effect, Transition, Verb, answer, expire
from talkdesk_sandbox.simulator.settings import Behavior
from talkdesk_sandbox.simulator.state.installation_state import InstallationState

BEHAVIOR = Behavior()
QUIET = [
    InstallationState.COMPLETED,
    InstallationState.REJECTED,
    InstallationState.TIMEOUT,
    InstallationState.SUSPENDED,
    InstallationState.UNINSTALLED,
]


@pytest.mark.parametrize(
    ("state", "verb", "expected"),
    [
        (
            InstallationState.INSTALLING,
            Verb.APPROVE,
            Transition(InstallationState.COMPLETED, (Effect.APPLY_CHANGE, Effect.START_TRIAL)),
        ),
        (InstallationState.INSTALLING, Verb.REJECT, Transition(InstallationState.REJECTED, (Effect.DROP_CHANGE,))),
        (InstallationState.UPDATING, Verb.APPROVE, Transition(InstallationState.COMPLETED, (Effect.APPLY_CHANGE,))),
        (InstallationState.UPDATING, Verb.REJECT, Transition(InstallationState.COMPLETED, (Effect.DROP_CHANGE,))),
        (InstallationState.UNINSTALLING, Verb.APPROVE, Transition(InstallationState.UNINSTALLED)),
        (InstallationState.UNINSTALLING, Verb.REJECT, Transition(InstallationState.COMPLETED)),
    ],
)
def test_an_answer_to_a_pending_request_changes_the_state(
    state: InstallationState, verb: Verb, expected: Transition
) -> None:
    assert answer(state, verb, BEHAVIOR) == expected


@pytest.mark.parametrize("state", QUIET)
@pytest.mark.parametrize("verb", list(Verb))
def test_an_answer_with_nothing_pending_changes_nothing(state: InstallationState, verb: Verb) -> None:
    assert answer(state, verb, BEHAVIOR) is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (InstallationState.INSTALLING, Transition(InstallationState.TIMEOUT, (Effect.DROP_CHANGE,))),
        (InstallationState.UPDATING, Transition(InstallationState.COMPLETED, (Effect.DROP_CHANGE,))),
        (InstallationState.UNINSTALLING, Transition(InstallationState.UNINSTALLED)),
        *[(state, None) for state in QUIET],
    ],
)
def test_without_an_answer_an_install_fails_an_update_is_dropped_and_an_uninstall_completes(
    state: InstallationState, expected: Transition | None
) -> None:
    assert expire(state, BEHAVIOR) == expected


def test_a_rejected_or_timed_out_update_can_have_a_state_of_its_own() -> None:
    behavior = Behavior(update_rejected_state="rejected", update_timeout_state="timeout")
    dropped = (Effect.DROP_CHANGE,)
    assert answer(InstallationState.UPDATING, Verb.REJECT, behavior) == Transition(InstallationState.REJECTED, dropped)
    assert expire(InstallationState.UPDATING, behavior) == Transition(InstallationState.TIMEOUT, dropped)


def test_reject_can_be_refused_for_an_uninstall() -> None:
    assert answer(InstallationState.UNINSTALLING, Verb.REJECT, Behavior(reject_uninstall="refuse")) is None


def test_a_failed_install_can_be_followed_by_an_uninstall_event() -> None:
    behavior = Behavior(uninstall_after_failed_install=True)
    effects = (Effect.DROP_CHANGE, Effect.SEND_UNINSTALLED)
    assert answer(InstallationState.INSTALLING, Verb.REJECT, behavior) == Transition(
        InstallationState.REJECTED, effects
    )
    assert expire(InstallationState.INSTALLING, behavior) == Transition(InstallationState.TIMEOUT, effects)
