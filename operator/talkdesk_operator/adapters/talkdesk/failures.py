"""What it means when no answer of Talkdesk's came.

Belongs here: the one place where errors of the HTTP libraries become errors of the port, each with its own words.
Does not belong here: answers, however bad.
"""

import aiohttp

from talkdesk_operator.adapters.http.failures import before_sending, cause_of
from talkdesk_operator.adapters.talkdesk.answers import unusable
from talkdesk_operator.adapters.talkdesk.calls import Call, Purpose
from talkdesk_operator.domain.ports.talkdesk import TalkdeskError, TalkdeskOutcomeUnknown, TalkdeskUnavailable


def interpret_failure(call: Call, failure: BaseException) -> TalkdeskError:
    """Return the port's error for one of FOREIGN, without a word of a library that could quote a header or a URL."""
    cause = cause_of(failure)
    before = before_sending(cause)
    if before is not None:
        return TalkdeskUnavailable(f"{call.words}: {before}")
    if isinstance(cause, aiohttp.ClientResponseError):
        return unusable(call, "is not HTTP as it should be", None)
    words = "no answer in time" if isinstance(cause, TimeoutError) else "the connection was cut"
    if call.purpose is Purpose.CHANGE:
        return TalkdeskOutcomeUnknown(f"{call.words}: {words}; it may have happened or not")
    return TalkdeskUnavailable(f"{call.words}: {words}")
