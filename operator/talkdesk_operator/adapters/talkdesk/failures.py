"""What it means when no answer came.

Belongs here: the one place where errors of the HTTP libraries become errors of the port, each with its own words.
Does not belong here: answers, however bad.

httpx' own classes don't do: its aiohttp transport gives `ConnectTimeout` for a connection that was cut after the
request was sent, as if nothing had been. What aiohttp raised is still there, as the cause.
"""

import os
from typing import Final

import aiohttp
import httpx

from talkdesk_operator.adapters.talkdesk.answers import unusable
from talkdesk_operator.adapters.talkdesk.calls import Call, Purpose
from talkdesk_operator.domain.talkdesk import OutcomeUnknown, TalkdeskError, Unavailable

FOREIGN: Final = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, TimeoutError)
"""Everything that the HTTP libraries raise when a request fails."""


def interpret_failure(call: Call, failure: BaseException) -> TalkdeskError:
    """Give the port's error for one of FOREIGN, without a word of a library that could quote a header or a URL."""
    cause = failure.__cause__ if isinstance(failure, httpx.HTTPError) and failure.__cause__ else failure
    before = before_sending(cause)
    if before is not None:
        return Unavailable(f"{call.words}: {before}")
    if isinstance(cause, aiohttp.ClientResponseError):
        return unusable(call, "is not HTTP as it should be", None)
    words = "no answer in time" if isinstance(cause, TimeoutError) else "the connection was cut"
    if call.purpose is Purpose.CHANGE:
        return OutcomeUnknown(f"{call.words}: {words}; it may have happened or not")
    return Unavailable(f"{call.words}: {words}")


def before_sending(cause: BaseException) -> str | None:
    """Say why no connection came about, or None if the request may have been sent."""
    match cause:
        case aiohttp.ClientConnectorCertificateError():
            problem = getattr(cause.certificate_error, "verify_message", "") or "it names another host"
            return f"TLS: the server's certificate is not trusted: {problem}"
        case aiohttp.ClientConnectorSSLError():
            problem = getattr(cause.os_error, "reason", None) or "no common ground"
            return f"TLS: the handshake failed: {problem}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy can't be reached: {_system_words(cause.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused the connection with status {cause.status}"
        case aiohttp.ClientConnectorDNSError():
            return "DNS: the host name can't be resolved"
        case aiohttp.ClientConnectorError():
            return f"no connection: {_system_words(cause.os_error)}"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case _:
            return None


def _system_words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "none of the host's addresses answers"
