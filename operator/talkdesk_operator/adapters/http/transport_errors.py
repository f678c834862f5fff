"""Why no response came: errors of the HTTP libraries, told apart by what they mean and not by their classes.

Belongs here: words for what happened before a request could be sent. Does not belong here: errors of a port.

httpx' own classes don't suffice: its aiohttp transport gives `ConnectTimeout` for a connection that was cut after the
request was sent, as if nothing had been. What aiohttp raised is still there, as the cause.
"""

import os
from typing import Final

import aiohttp
import httpx

from talkdesk_runtime.fence import FencedOff
from talkdesk_runtime.networks import DeniedAddress

__all__ = ["TRANSPORT_ERRORS", "cause_of", "not_sent_because"]

TRANSPORT_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, TimeoutError)
"""Everything that the HTTP libraries raise when a request fails."""


def cause_of(failure: BaseException) -> BaseException:
    """Return what aiohttp raised, where httpx put its own error around it."""
    return failure.__cause__ if isinstance(failure, httpx.HTTPError) and failure.__cause__ else failure


def not_sent_because(cause: BaseException) -> str | None:
    """Return why no connection was made, or None if the request may have been sent."""
    match cause:
        case FencedOff():
            return str(cause)
        case aiohttp.ClientConnectorCertificateError():
            problem = getattr(cause.certificate_error, "verify_message", "") or "it names another host"
            return f"TLS: the server's certificate is not trusted: {problem}"
        case aiohttp.ClientConnectorSSLError():
            problem = getattr(cause.os_error, "reason", None) or "no common ground"
            return f"TLS: the handshake failed: {problem}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy can't be reached: {_system_message(cause.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused the connection with status {cause.status}"
        case aiohttp.ClientConnectorDNSError():
            return "DNS: the host name can't be resolved"
        case aiohttp.ClientConnectorError(os_error=DeniedAddress() as denied):
            return str(denied.strerror)
        case aiohttp.ClientConnectorError():
            return f"no connection: {_system_message(cause.os_error)}"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case _:
            return None


def _system_message(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "none of the host's addresses answers"
