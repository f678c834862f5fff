"""When Talkdesk must have our answer, and what has passed by then."""

from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import Ending, EndingKind, Request, RequestType, TalkdeskInstallation
from talkdesk_runtime.durations import parse_duration

__all__ = [
    "deadline",
    "end_of_grace",
    "is_answered",
    "is_before",
    "is_closed",
    "is_ended",
    "later",
    "next_mark",
    "time_left",
    "waits_for_answer",
]

_OF_THE_REQUEST: Final = frozenset({EndingKind.TIMED_OUT, EndingKind.REJECTED})
"""Endings that say what became of a request, not that the customer has the app no more."""


def is_answered(installation: TalkdeskInstallation) -> bool:
    """Return whether Talkdesk has our answer to the present request."""
    request, answer = installation.spec.request, installation.status.answer
    return request is not None and answer is not None and answer.event_id == request.event_id and answer.at is not None


def is_closed(installation: TalkdeskInstallation) -> bool:
    """Return whether the present request ended without an answer that anybody still waits for."""
    request, ending = installation.spec.request, installation.status.ending
    return request is not None and ending is not None and ending.event_id == request.event_id


def is_ended(installation: TalkdeskInstallation) -> bool:
    """Return whether the installation ended with the present request.

    An Update that Talkdesk gave up waiting for or rejected leaves the customer with what was installed before.
    """
    request, ending = installation.spec.request, installation.status.ending
    if request is None or ending is None or not is_closed(installation):
        return False
    return request.type is not RequestType.UPDATE or ending.kind not in _OF_THE_REQUEST


def waits_for_answer(installation: TalkdeskInstallation) -> bool:
    """Return whether Talkdesk waits for us."""
    return installation.spec.request is not None and not is_answered(installation) and not is_closed(installation)


def deadline(request: Request, app: TalkdeskApp) -> datetime:
    """Return the moment until which Talkdesk waits for the answer, from the event's own time."""
    return later(request.requested_at, parse_duration(app.spec.deadline.answer_within))


def end_of_grace(ending: Ending, app: TalkdeskApp) -> datetime:
    """Return the moment from which the tenant of an unanswered installation is offboarded."""
    return later(ending.at, parse_duration(app.spec.deadline.grace))


def time_left(request: Request, app: TalkdeskApp, now: datetime) -> str | None:
    """Return the last mark before the deadline that has passed, as `under 1d`; `overdue` after it; None before all."""
    left = deadline(request, app) - now
    if left <= timedelta():
        return "overdue"
    passed = [mark for mark in app.spec.deadline.warn_before if left <= parse_duration(mark)]
    return f"under {min(passed, key=parse_duration)}" if passed else None


def next_mark(request: Request, app: TalkdeskApp, now: datetime) -> datetime | None:
    """Return when the next mark before the deadline passes; None when all have."""
    limit = deadline(request, app)
    marks = (later(limit, -parse_duration(mark)) for mark in app.spec.deadline.warn_before)
    return min((moment for moment in marks if moment > now), default=None)


def is_before(told: datetime, moment: datetime) -> bool:
    """Return whether what Talkdesk dates lies before a moment.

    It may write whole seconds: what it dates so is not before that which happened within the second.
    """
    return told < (moment if told.microsecond else moment.replace(microsecond=0))


def later(moment: datetime, span: timedelta) -> datetime:
    """Add up, but not past the ends of the calendar."""
    try:
        return moment + span
    except OverflowError:
        if span > timedelta():
            return datetime.max.replace(tzinfo=moment.tzinfo)
        return datetime.min.replace(tzinfo=moment.tzinfo)
