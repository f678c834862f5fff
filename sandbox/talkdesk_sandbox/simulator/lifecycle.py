"""The installation's state machine: which answer or silence leads where, and with what consequences.

Belongs here: pure rules over states, verbs and `Behaviour`. Does not belong here: installations themselves.
Talkdesk publishes no transition table; this one is inferred, and each doubtful cell is a `Behaviour` field.
"""

from dataclasses import dataclass
from enum import StrEnum

from talkdesk_sandbox.simulator.settings import Behaviour


class State(StrEnum):
    """Where an installation is. Wire names differ: see `wire_state`."""

    INSTALLING = "installing"
    COMPLETED = "completed"
    UPDATING = "updating"
    UNINSTALLING = "uninstalling"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    SUSPENDED = "suspended"
    UNINSTALLED = "uninstalled"


PENDING = frozenset({State.INSTALLING, State.UPDATING, State.UNINSTALLING})
"""States that wait for the partner's answer."""
LIVE = frozenset({State.INSTALLING, State.COMPLETED, State.UPDATING, State.UNINSTALLING, State.SUSPENDED})
"""States of an installation that a customer could still uninstall."""


class Verb(StrEnum):
    """What a partner may answer."""

    APPROVE = "approve"
    REJECT = "reject"


class Effect(StrEnum):
    """What a transition brings along."""

    APPLY_CHANGE = "apply-change"
    DROP_CHANGE = "drop-change"
    START_TRIAL = "start-trial"
    SEND_UNINSTALLED = "send-uninstalled"


@dataclass(frozen=True, slots=True)
class Transition:
    """A new state and what comes with it."""

    state: State
    effects: tuple[Effect, ...] = ()


def answer(state: State, verb: Verb, rules: Behaviour) -> Transition | None:
    """Where an answer leads; None when nothing waits for that answer."""
    match state, verb:
        case State.INSTALLING, Verb.APPROVE:
            return Transition(State.COMPLETED, (Effect.APPLY_CHANGE, Effect.START_TRIAL))
        case State.INSTALLING, Verb.REJECT:
            return Transition(State.REJECTED, _failed_install(rules))
        case State.UPDATING, Verb.APPROVE:
            return Transition(State.COMPLETED, (Effect.APPLY_CHANGE,))
        case State.UPDATING, Verb.REJECT:
            return Transition(State(rules.update_rejected_state), (Effect.DROP_CHANGE,))
        case State.UNINSTALLING, Verb.APPROVE:
            return Transition(State.UNINSTALLED)
        case State.UNINSTALLING, Verb.REJECT if rules.reject_uninstall == "keep":
            return Transition(State.COMPLETED)
        case _:
            return None


def expire(state: State, rules: Behaviour) -> Transition | None:
    """Where silence leads when the time to answer has passed; None when nothing waits."""
    match state:
        case State.INSTALLING:
            return Transition(State.TIMEOUT, _failed_install(rules))
        case State.UPDATING:
            return Transition(State(rules.update_timeout_state), (Effect.DROP_CHANGE,))
        case State.UNINSTALLING:
            return Transition(State.UNINSTALLED)
        case _:
            return None


def wire_state(state: State, rules: Behaviour) -> str:
    """Name a state as the Apps API does."""
    match state:
        case State.UPDATING:
            return rules.updating_state
        case State.UNINSTALLING:
            return rules.uninstalling_state
        case State.UNINSTALLED:
            return rules.uninstalled_state
        case _:
            return state.value


def credentials_work(state: State, rules: Behaviour) -> bool:
    """Whether an installation in that state still gets tokens."""
    if state is State.UNINSTALLED:
        return rules.after_uninstall_status == 200
    return state.value not in rules.credentials_die_when


def _failed_install(rules: Behaviour) -> tuple[Effect, ...]:
    return (Effect.DROP_CHANGE, *((Effect.SEND_UNINSTALLED,) if rules.uninstall_after_failed_install else ()))
