"""What happens to trials: started, extended, ended, expired.

Belongs here: operations on a `World` that change a trial and raise its events. Does not belong here: plans and prices.
"""

from datetime import datetime, timedelta

from talkdesk_sandbox.simulator import events
from talkdesk_sandbox.simulator.links import Links
from talkdesk_sandbox.simulator.model import Installation, Trial, TrialEnd
from talkdesk_sandbox.simulator.world import ConflictError, World


def running(installation: Installation) -> bool:
    """Whether a trial is on."""
    return installation.trial is not None and installation.trial.ended_at is None


def start(world: World, installation: Installation, now: datetime, length: timedelta | None = None) -> None:
    """Start a trial: raises app.trial_started. Raises ConflictError when one is on."""
    if running(installation):
        raise ConflictError(f"installation {installation.id!r} has a trial already")
    length = world.rules.trial_length if length is None else length
    installation.trial = Trial(now, now + length, installation.subscription.name)
    content = events.trial_running(installation, installation.trial, _links(world, installation), world.time_form())
    world.raise_event("app.trial_started", installation, content, now)


def extend(world: World, installation: Installation, by: timedelta, now: datetime) -> None:
    """Extend a trial: raises app.trial_extended. Raises ConflictError when none is on."""
    trial = _current(installation)
    trial.expires_at += by
    content = events.trial_running(installation, trial, _links(world, installation), world.time_form())
    world.raise_event("app.trial_extended", installation, content, now)


def end(world: World, installation: Installation, reason: TrialEnd, now: datetime) -> None:
    """End a trial: raises app.trial_ended. Raises ConflictError when none is on."""
    trial = _current(installation)
    trial.ended_at, trial.ended_reason = now, reason
    content = events.trial_ended(installation, trial, _links(world, installation), world.time_form())
    world.raise_event("app.trial_ended", installation, content, now)


def expire(world: World, installation: Installation, now: datetime) -> None:
    """End a trial whose time is over."""
    if installation.trial and running(installation) and now >= installation.trial.expires_at:
        end(world, installation, "trial_expired", now)


def _current(installation: Installation) -> Trial:
    if installation.trial is None or installation.trial.ended_at is not None:
        raise ConflictError(f"installation {installation.id!r} has no trial that is on")
    return installation.trial


def _links(world: World, installation: Installation) -> Links:
    return world.links_of(world.account_of(installation))
