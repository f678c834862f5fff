"""When Talkdesk must have our answer, and what has passed by then."""

from datetime import datetime, timedelta

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.fields import parse_duration
from talkdesk_crds.installation import TalkdeskInstallation

__all__ = ["deadline", "end_of_grace", "is_answered", "is_ended", "waits_for_answer"]


def is_answered(installation: TalkdeskInstallation) -> bool:
    """Tell whether Talkdesk has our answer to the present request."""
    request, answer = installation.spec.request, installation.status.answer
    return request is not None and answer is not None and answer.event_id == request.event_id and answer.at is not None


def is_ended(installation: TalkdeskInstallation) -> bool:
    """Tell whether the present request was the installation's last."""
    request, ending = installation.spec.request, installation.status.ending
    return request is not None and ending is not None and ending.event_id == request.event_id


def waits_for_answer(installation: TalkdeskInstallation) -> bool:
    """Tell whether Talkdesk waits for us."""
    return installation.spec.request is not None and not is_answered(installation) and not is_ended(installation)


def deadline(installation: TalkdeskInstallation, app: TalkdeskApp) -> datetime | None:
    """Give the moment until which Talkdesk waits for the answer, from the event's own time; None without a request."""
    request = installation.spec.request
    if request is None:
        return None
    return _later(request.requested_at, parse_duration(app.spec.deadline.answer_within))


def end_of_grace(installation: TalkdeskInstallation, app: TalkdeskApp) -> datetime | None:
    """Give the moment from which the tenant of an unanswered installation is offboarded; None unless it ended."""
    ending = installation.status.ending
    return _later(ending.at, parse_duration(app.spec.deadline.grace)) if ending is not None else None


def _later(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment + span
    except OverflowError:
        return datetime.max.replace(tzinfo=moment.tzinfo)
