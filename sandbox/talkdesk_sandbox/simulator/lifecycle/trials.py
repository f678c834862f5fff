"""What happens to trials: started, extended, ended, expired.

Belongs here: operations that change a trial and create its events. Does not belong here: plans and prices.
"""

from datetime import datetime, timedelta

from talkdesk_sandbox.simulator.events import bodies
from talkdesk_sandbox.simulator.events.create import choose_time_form, create_event
from talkdesk_sandbox.simulator.state.entities import Installation, Trial, TrialEnd
from talkdesk_sandbox.simulator.state.errors import ConflictError
from talkdesk_sandbox.simulator.state.links import Links
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState


def running(installation: Installation) -> bool:
    """Return whether a trial is running."""
    return installation.trial is not None and installation.trial.ended_at is None


def start(state: TalkdeskState, installation: Installation, now: datetime, length: timedelta | None = None) -> None:
    """Start a trial: create app.trial_started. Raises ConflictError when one is running."""
    if running(installation):
        raise ConflictError(f"installation {installation.id!r} has a trial already")
    length = state.behavior.trial_length if length is None else length
    installation.trial = Trial(now, now + length, installation.subscription.name)
    content = bodies.trial_running(
        installation, installation.trial, _links(state, installation), choose_time_form(state)
    )
    create_event(state, "app.trial_started", installation, content, now)


def extend(state: TalkdeskState, installation: Installation, by: timedelta, now: datetime) -> None:
    """Extend a trial: create app.trial_extended. Raises ConflictError when none is running."""
    trial = _current(installation)
    trial.expires_at += by
    content = bodies.trial_running(installation, trial, _links(state, installation), choose_time_form(state))
    create_event(state, "app.trial_extended", installation, content, now)


def end(state: TalkdeskState, installation: Installation, reason: TrialEnd, now: datetime) -> None:
    """End a trial: create app.trial_ended. Raises ConflictError when none is running."""
    trial = _current(installation)
    trial.ended_at, trial.ended_reason = now, reason
    content = bodies.trial_ended(installation, trial, _links(state, installation), choose_time_form(state))
    create_event(state, "app.trial_ended", installation, content, now)


def expire(state: TalkdeskState, installation: Installation, now: datetime) -> None:
    """End a trial whose time is over."""
    if installation.trial and running(installation) and now >= installation.trial.expires_at:
        end(state, installation, "trial_expired", now)


def _current(installation: Installation) -> Trial:
    if installation.trial is None or installation.trial.ended_at is not None:
        raise ConflictError(f"installation {installation.id!r} has no running trial")
    return installation.trial


def _links(state: TalkdeskState, installation: Installation) -> Links:
    return state.links_of(state.account_of(installation))
