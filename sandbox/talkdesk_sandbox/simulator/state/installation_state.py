"""The states of an installation: what they are called in the Apps API, and what they imply.

Belongs here: pure questions about one state. Does not belong here: how a state changes (`lifecycle.transitions`).
"""

from enum import StrEnum

from talkdesk_sandbox.simulator.settings import Behavior


class InstallationState(StrEnum):
    """Where an installation is in its life. The Apps API has other names for some: see `wire_state`."""

    INSTALLING = "installing"
    COMPLETED = "completed"
    UPDATING = "updating"
    UNINSTALLING = "uninstalling"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    SUSPENDED = "suspended"
    UNINSTALLED = "uninstalled"


PENDING = frozenset({InstallationState.INSTALLING, InstallationState.UPDATING, InstallationState.UNINSTALLING})
"""States in which the partner's answer is awaited."""
LIVE = PENDING | {InstallationState.COMPLETED, InstallationState.SUSPENDED}
"""States of an installation that a customer could still uninstall."""


def wire_state(state: InstallationState, behavior: Behavior) -> str:
    """Return the Apps API's name of a state."""
    match state:
        case InstallationState.UPDATING:
            return behavior.updating_state
        case InstallationState.UNINSTALLING:
            return behavior.uninstalling_state
        case InstallationState.UNINSTALLED:
            return behavior.uninstalled_state
        case _:
            return state.value


def credentials_work(state: InstallationState, behavior: Behavior) -> bool:
    """Return whether an installation in that state still gets tokens."""
    if state is InstallationState.UNINSTALLED:
        return behavior.after_uninstall_status == 200
    return state.value not in behavior.credentials_die_when
