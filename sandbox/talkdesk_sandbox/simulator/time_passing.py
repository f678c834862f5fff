"""What time alone does: answers that never came, trials that run out.

Belongs here: `advance` and when it is next due. Does not belong here: clocks, sleeping, retries of deliveries.
Grace periods, tokens and signing keys need no step: they are compared with `now` where they are used.
"""

from collections.abc import Iterator
from datetime import datetime

from talkdesk_sandbox.simulator import installations, trials
from talkdesk_sandbox.simulator.model import Installation
from talkdesk_sandbox.simulator.world import World


def advance(world: World, now: datetime) -> None:
    """Let everything happen that is due at `now`; a second call changes nothing."""
    for installation in list(world.installations.values()):
        installations.time_out(world, installation, now)
        trials.expire(world, installation, now)


def next_due(world: World) -> datetime | None:
    """When `advance` has work next; None for never."""
    return min((at for each in world.installations.values() for at in _marks(world, each)), default=None)


def _marks(world: World, installation: Installation) -> Iterator[datetime]:
    if installation.pending_since is not None:
        yield installation.pending_since + world.rules.answer_within
    if installation.trial and trials.running(installation):
        yield installation.trial.expires_at
