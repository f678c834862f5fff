"""The transition table of an installation: which answer or missing answer leads where, and with what effects.

Belongs here: pure rules over states, verbs and `Behavior`. Does not belong here: changing an
installation (`installations`).
Talkdesk publishes no transition table; this one is inferred, and each doubtful cell is a `Behavior` field.
"""

from dataclasses import dataclass
from enum import StrEnum

from talkdesk_sandbox.simulator.settings import Behavior
from talkdesk_sandbox.simulator.state.installation_state import InstallationState


class Verb(StrEnum):
    """What a partner may answer."""

    APPROVE = "approve"
    REJECT = "reject"


class Effect(StrEnum):
    """What happens together with a transition."""

    APPLY_CHANGE = "apply-change"
    DROP_CHANGE = "drop-change"
    START_TRIAL = "start-trial"
    SEND_UNINSTALLED = "send-uninstalled"


@dataclass(frozen=True, slots=True)
class Transition:
    """A new state and the effects that come with it."""

    state: InstallationState
    effects: tuple[Effect, ...] = ()


def answer(state: InstallationState, verb: Verb, behavior: Behavior) -> Transition | None:
    """Return where an answer leads; None when that answer is not awaited."""
    match state, verb:
        case InstallationState.INSTALLING, Verb.APPROVE:
            return Transition(InstallationState.COMPLETED, (Effect.APPLY_CHANGE, Effect.START_TRIAL))
        case InstallationState.INSTALLING, Verb.REJECT:
            return Transition(InstallationState.REJECTED, _failed_install(behavior))
        case InstallationState.UPDATING, Verb.APPROVE:
            return Transition(InstallationState.COMPLETED, (Effect.APPLY_CHANGE,))
        case InstallationState.UPDATING, Verb.REJECT:
            return Transition(InstallationState(behavior.update_rejected_state), (Effect.DROP_CHANGE,))
        case InstallationState.UNINSTALLING, Verb.APPROVE:
            return Transition(InstallationState.UNINSTALLED)
        case InstallationState.UNINSTALLING, Verb.REJECT if behavior.reject_uninstall == "keep":
            return Transition(InstallationState.COMPLETED)
        case _:
            return None


def expire(state: InstallationState, behavior: Behavior) -> Transition | None:
    """Return where it leads when nobody has answered in time; None when no answer is awaited."""
    match state:
        case InstallationState.INSTALLING:
            return Transition(InstallationState.TIMEOUT, _failed_install(behavior))
        case InstallationState.UPDATING:
            return Transition(InstallationState(behavior.update_timeout_state), (Effect.DROP_CHANGE,))
        case InstallationState.UNINSTALLING:
            return Transition(InstallationState.UNINSTALLED)
        case _:
            return None


def _failed_install(behavior: Behavior) -> tuple[Effect, ...]:
    return (Effect.DROP_CHANGE, *((Effect.SEND_UNINSTALLED,) if behavior.uninstall_after_failed_install else ()))
