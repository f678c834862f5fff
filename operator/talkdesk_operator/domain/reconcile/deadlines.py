"""When Talkdesk must have the answer to a request, and whether a request still waits for one.

Belongs here: the times of a request and of its end, and how Talkdesk's times compare with ours.
Does not belong here: what is done when a deadline passes.
"""

from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import Ending, EndingReason, Request, RequestType, TalkdeskInstallation
from talkdesk_runtime.durations import parse_duration

__all__ = [
    "LAST_ATTEMPT",
    "deadline",
    "grace_period_end",
    "is_answered",
    "is_before",
    "is_closed",
    "is_ended",
    "next_warning",
    "saturating_add",
    "time_left",
    "time_left_message",
    "waits_for_answer",
]

LAST_ATTEMPT: Final = timedelta(seconds=30)
"""How long before the deadline the last attempt is made."""
_ENDS_REQUEST_ONLY: Final = frozenset({EndingReason.TIMED_OUT, EndingReason.REJECTED})
"""Endings that close an Update without ending the installation."""
_SHOWN_BY_TALKDESK: Final = frozenset({EndingReason.UNINSTALLED, EndingReason.GONE})
"""Endings after which Talkdesk waits for nothing, whatever event of the uninstall still comes."""
_OVERDUE: Final = "overdue"


def is_answered(installation: TalkdeskInstallation) -> bool:
    """Return whether Talkdesk has the answer to the current request."""
    request, answer = installation.spec.request, installation.status.answer
    return (
        request is not None
        and answer is not None
        and answer.event_id == request.event_id
        and answer.delivery_time is not None
    )


def is_closed(installation: TalkdeskInstallation) -> bool:
    """Return whether the current request ended, so that Talkdesk no longer waits for an answer to it."""
    request, ending = installation.spec.request, installation.status.ending
    if request is None or ending is None:
        return False
    return ending.event_id == request.event_id or _is_late_event(installation, request, ending)


def _is_late_event(installation: TalkdeskInstallation, request: Request, ending: Ending) -> bool:
    """Return whether an uninstall's event came after the end that Talkdesk's state had shown before.

    A new installation under the same id brings credentials that are newer than the end.
    """
    credentials = installation.spec.credentials
    if request.type is not RequestType.UNINSTALL or ending.reason not in _SHOWN_BY_TALKDESK:
        return False
    return credentials is None or credentials.event_time <= ending.time


def is_ended(installation: TalkdeskInstallation) -> bool:
    """Return whether the installation ended with the current request.

    An Update that was rejected or not answered in time leaves the customer with what was installed before.
    """
    request, ending = installation.spec.request, installation.status.ending
    if request is None or ending is None or not is_closed(installation):
        return False
    return request.type is not RequestType.UPDATE or ending.reason not in _ENDS_REQUEST_ONLY


def waits_for_answer(installation: TalkdeskInstallation) -> bool:
    """Return whether Talkdesk waits for the answer to the current request."""
    return installation.spec.request is not None and not is_answered(installation) and not is_closed(installation)


def deadline(request: Request, app: TalkdeskApp) -> datetime:
    """Return until when Talkdesk waits for the answer, counted from the event's own time."""
    return saturating_add(request.event_time, parse_duration(app.spec.deadline.answer_within))


def grace_period_end(ending: Ending, app: TalkdeskApp) -> datetime:
    """Return until when the tenant of an installation that was not answered in time is kept unchanged."""
    return saturating_add(ending.time, parse_duration(app.spec.deadline.grace_period))


def time_left(request: Request, app: TalkdeskApp, now: datetime) -> str | None:
    """Return how little time is left, by the smallest `warnBefore` reached, as `under 1d`; None while there is plenty.

    After the deadline it is `overdue`. The text changes only when a threshold is passed, not with every reconcile.
    """
    left = deadline(request, app) - now
    if left <= timedelta():
        return _OVERDUE
    passed = [threshold for threshold in app.spec.deadline.warn_before if left <= parse_duration(threshold)]
    return f"under {min(passed, key=parse_duration)}" if passed else None


def time_left_message(left: str) -> str:
    """Return the sentence for a condition or an Event on what `time_left` returned."""
    fact = (
        "the deadline for the answer to Talkdesk has passed" if left == _OVERDUE else f"{left} left to answer Talkdesk"
    )
    return f"{fact}; the Ready condition says what the answer waits for"


def next_warning(request: Request, app: TalkdeskApp, now: datetime) -> datetime | None:
    """Return when the next threshold in `warnBefore` is reached; None when all have been."""
    limit = deadline(request, app)
    moments = (saturating_add(limit, -parse_duration(threshold)) for threshold in app.spec.deadline.warn_before)
    return min((moment for moment in moments if moment > now), default=None)


def is_before(talkdesk_time: datetime, moment: datetime) -> bool:
    """Return whether a time that Talkdesk wrote lies before a moment.

    Talkdesk may write whole seconds: such a time does not lie before a moment within the same second.
    """
    return talkdesk_time < (moment if talkdesk_time.microsecond else moment.replace(microsecond=0))


def saturating_add(moment: datetime, span: timedelta) -> datetime:
    """Return `moment + span`, or the first or last moment of the calendar where that is out of range."""
    try:
        return moment + span
    except OverflowError:
        if span > timedelta():
            return datetime.max.replace(tzinfo=moment.tzinfo)
        return datetime.min.replace(tzinfo=moment.tzinfo)
