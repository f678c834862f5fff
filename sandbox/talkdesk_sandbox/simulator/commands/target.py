"""Which installation a command means.

Belongs here: finding it. Does not belong here: what is done to it (`customers`, `staff`).
"""

from talkdesk_sandbox.simulator.commands import models
from talkdesk_sandbox.simulator.state.entities import Installation
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState


def find(state: TalkdeskState, which: models.Which) -> Installation:
    """Return the installation that a command names. Raises NotFoundError."""
    if which.installation is not None:
        return state.installation(which.installation)
    return state.newest(which.account or "", which.app_id)
