import pytest

from talkdesk_sandbox.simulator.lifecycle import (
    Effect,
    State,
    Transition,
    Verb,
    answer,
    credentials_work,
    expire,
    wire_state,
)
from talkdesk_sandbox.simulator.settings import Behaviour

RULES = Behaviour()
QUIET = [State.COMPLETED, State.REJECTED, State.TIMEOUT, State.SUSPENDED, State.UNINSTALLED]


@pytest.mark.parametrize(
    ("state", "verb", "expected"),
    [
        (State.INSTALLING, Verb.APPROVE, Transition(State.COMPLETED, (Effect.APPLY_CHANGE, Effect.START_TRIAL))),
        (State.INSTALLING, Verb.REJECT, Transition(State.REJECTED, (Effect.DROP_CHANGE,))),
        (State.UPDATING, Verb.APPROVE, Transition(State.COMPLETED, (Effect.APPLY_CHANGE,))),
        (State.UPDATING, Verb.REJECT, Transition(State.COMPLETED, (Effect.DROP_CHANGE,))),
        (State.UNINSTALLING, Verb.APPROVE, Transition(State.UNINSTALLED)),
        (State.UNINSTALLING, Verb.REJECT, Transition(State.COMPLETED)),
    ],
)
def test_an_answer_moves_what_is_pending(state: State, verb: Verb, expected: Transition) -> None:
    assert answer(state, verb, RULES) == expected


@pytest.mark.parametrize("state", QUIET)
@pytest.mark.parametrize("verb", list(Verb))
def test_an_answer_to_nothing_moves_nothing(state: State, verb: Verb) -> None:
    assert answer(state, verb, RULES) is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.INSTALLING, Transition(State.TIMEOUT, (Effect.DROP_CHANGE,))),
        (State.UPDATING, Transition(State.COMPLETED, (Effect.DROP_CHANGE,))),
        (State.UNINSTALLING, Transition(State.UNINSTALLED)),
        *[(state, None) for state in QUIET],
    ],
)
def test_silence_fails_an_install_drops_an_update_and_lets_an_uninstall_happen(
    state: State, expected: Transition | None
) -> None:
    assert expire(state, RULES) == expected


def test_a_rejected_or_forgotten_update_can_show_its_own_state() -> None:
    rules = Behaviour(update_rejected_state="rejected", update_timeout_state="timeout")
    dropped = (Effect.DROP_CHANGE,)
    assert answer(State.UPDATING, Verb.REJECT, rules) == Transition(State.REJECTED, dropped)
    assert expire(State.UPDATING, rules) == Transition(State.TIMEOUT, dropped)


def test_reject_can_be_no_answer_to_an_uninstall() -> None:
    assert answer(State.UNINSTALLING, Verb.REJECT, Behaviour(reject_uninstall="refuse")) is None


def test_a_failed_install_can_be_followed_by_an_uninstall_event() -> None:
    rules = Behaviour(uninstall_after_failed_install=True)
    effects = (Effect.DROP_CHANGE, Effect.SEND_UNINSTALLED)
    assert answer(State.INSTALLING, Verb.REJECT, rules) == Transition(State.REJECTED, effects)
    assert expire(State.INSTALLING, rules) == Transition(State.TIMEOUT, effects)


@pytest.mark.parametrize(
    ("state", "default", "field", "other"),
    [
        (State.UPDATING, "pending", "updating_state", "updating"),
        (State.UNINSTALLING, "pending", "uninstalling_state", "uninstalling"),
        (State.UNINSTALLED, "revoked", "uninstalled_state", "uninstalled"),
    ],
)
def test_doubtful_state_names_are_a_setting(state: State, default: str, field: str, other: str) -> None:
    assert wire_state(state, RULES) == default
    assert wire_state(state, Behaviour(**{field: other})) == other


@pytest.mark.parametrize("state", [State.INSTALLING, State.COMPLETED, State.REJECTED, State.TIMEOUT, State.SUSPENDED])
def test_documented_state_names_are_used_as_they_are(state: State) -> None:
    assert wire_state(state, RULES) == state.value


def test_credentials_end_with_the_uninstall_alone_unless_told_otherwise() -> None:
    assert [state for state in State if not credentials_work(state, RULES)] == [State.UNINSTALLED]
    assert credentials_work(State.UNINSTALLED, Behaviour(after_uninstall_status=200))
    rules = Behaviour(credentials_die_when=frozenset({"rejected", "timeout", "suspended"}))
    dead = [state for state in State if not credentials_work(state, rules)]
    assert dead == [State.REJECTED, State.TIMEOUT, State.SUSPENDED, State.UNINSTALLED]
