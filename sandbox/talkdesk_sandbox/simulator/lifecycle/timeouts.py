"""What happens because time passes: answers time out, trials expire.

Belongs here: `apply_due` and when it is next needed. Does not belong here: clocks, sleeping, retries of deliveries.
Grace periods, tokens and signing keys need no step because they are compared with `now` where they are used.
"""

from collections.abc import Iterator
from datetime import datetime

from talkdesk_sandbox.simulator.lifecycle import installations, trials
from talkdesk_sandbox.simulator.state.entities import Installation
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState


def apply_due(state: TalkdeskState, now: datetime) -> None:
    """Apply every timeout that is due at `now`; a second call changes nothing."""
    for installation in list(state.installations.values()):
        installations.time_out(state, installation, now)
        trials.expire(state, installation, now)


def next_due(state: TalkdeskState) -> datetime | None:
    """Return when `apply_due` will have work next; None for never."""
    return min((at for each in state.installations.values() for at in _due_times(state, each)), default=None)


def _due_times(state: TalkdeskState, installation: Installation) -> Iterator[datetime]:
    if installation.pending_since is not None:
        yield installation.pending_since + state.behavior.answer_within
    if installation.trial and trials.running(installation):
        yield installation.trial.expires_at
