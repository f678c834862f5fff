"""What the states are called in the Apps API, and whether credentials work in them."""

import pytest

from talkdesk_sandbox.simulator.settings import Behavior
from talkdesk_sandbox.simulator.state.installation_state import InstallationState, credentials_work, wire_state

BEHAVIOR = Behavior()


@pytest.mark.parametrize(
    ("state", "default", "field", "other"),
    [
        (InstallationState.UPDATING, "pending", "updating_state", "updating"),
        (InstallationState.UNINSTALLING, "pending", "uninstalling_state", "uninstalling"),
        (InstallationState.UNINSTALLED, "revoked", "uninstalled_state", "uninstalled"),
    ],
)
def test_a_state_name_with_conflicting_sources_is_configurable(
    state: InstallationState, default: str, field: str, other: str
) -> None:
    assert wire_state(state, BEHAVIOR) == default
    assert wire_state(state, Behavior(**{field: other})) == other


@pytest.mark.parametrize(
    "state",
    [
        InstallationState.INSTALLING,
        InstallationState.COMPLETED,
        InstallationState.REJECTED,
        InstallationState.TIMEOUT,
        InstallationState.SUSPENDED,
    ],
)
def test_documented_state_names_are_used_as_they_are(state: InstallationState) -> None:
    assert wire_state(state, BEHAVIOR) == state.value


def test_credentials_end_only_with_the_uninstall_unless_configured() -> None:
    assert [state for state in InstallationState if not credentials_work(state, BEHAVIOR)] == [
        InstallationState.UNINSTALLED
    ]
    assert credentials_work(InstallationState.UNINSTALLED, Behavior(after_uninstall_status=200))
    behavior = Behavior(credentials_die_when=frozenset({"rejected", "timeout", "suspended"}))
    dead = [state for state in InstallationState if not credentials_work(state, behavior)]
    assert dead == [
        InstallationState.REJECTED,
        InstallationState.TIMEOUT,
        InstallationState.SUSPENDED,
        InstallationState.UNINSTALLED,
    ]
