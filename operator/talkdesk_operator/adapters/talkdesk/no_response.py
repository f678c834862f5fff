"""What it means when no response of Talkdesk's came.

Belongs here: the one place where errors of the HTTP libraries become errors of the port, each with its own message.
Does not belong here: responses, however bad (responses).
"""

import aiohttp

from talkdesk_operator.adapters.http.transport_errors import cause_of, not_sent_because
from talkdesk_operator.adapters.talkdesk.calls import Call, Purpose
from talkdesk_operator.adapters.talkdesk.responses import unusable
from talkdesk_operator.domain.ports.talkdesk import TalkdeskError, TalkdeskOutcomeUnknown, TalkdeskUnavailable


def interpret_no_response(call: Call, failure: BaseException) -> TalkdeskError:
    """Return the port's error for one of TRANSPORT_ERRORS; a library's words could quote a header, so none are kept."""
    cause = cause_of(failure)
    before = not_sent_because(cause)
    if before is not None:
        return TalkdeskUnavailable(f"{call.words}: {before}")
    if isinstance(cause, aiohttp.ClientResponseError):
        return unusable(call, "is not HTTP as it should be", None)
    words = "no answer in time" if isinstance(cause, TimeoutError) else "the connection was cut"
    if call.purpose is Purpose.CHANGE:
        return TalkdeskOutcomeUnknown(f"{call.words}: {words}; it may have happened or not")
    return TalkdeskUnavailable(f"{call.words}: {words}")
