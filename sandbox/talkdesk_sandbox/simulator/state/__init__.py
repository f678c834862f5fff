"""The state: everything that the simulated Talkdesk knows, in memory.

Belongs here: entities, finding them, and what an installation's state is called and implies. Does not belong here:
what changes them (`lifecycle`), input and output, clocks: each call gets `now`.
"""

from talkdesk_sandbox.simulator.state.entities import (
    Account,
    App,
    Change,
    Credentials,
    Event,
    Installation,
    Subscription,
    Trial,
    User,
)
from talkdesk_sandbox.simulator.state.errors import ConflictError, NotFoundError, StateError
from talkdesk_sandbox.simulator.state.installation_state import LIVE, PENDING, InstallationState
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState

__all__ = [
    "LIVE",
    "PENDING",
    "Account",
    "App",
    "Change",
    "ConflictError",
    "Credentials",
    "Event",
    "Installation",
    "InstallationState",
    "NotFoundError",
    "StateError",
    "Subscription",
    "TalkdeskState",
    "Trial",
    "User",
]
