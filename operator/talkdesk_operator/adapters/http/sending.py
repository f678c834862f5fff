"""One request and its response, with as much of the body as is allowed.

Belongs here: sending. Does not belong here: meaning of a response.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from talkdesk_runtime.bounded_body import read_at_most
from talkdesk_runtime.lenient_json import UnreadableError, unpacked

__all__ = ["HttpResponse", "send"]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response as it came."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    """Unpacked, if a server compressed it although it was asked not to."""
    problem: str = ""
    """Why there is no body that can be used, continuing "the answer …"."""


async def send(transport: httpx.AsyncBaseTransport, request: httpx.Request, *, max_body: int) -> HttpResponse:
    """Send it once and read `max_body` bytes of the response at most; raise one of TRANSPORT_ERRORS."""
    response = await transport.handle_async_request(request)
    try:
        raw = await read_at_most(response, max_body)
    finally:
        await response.aclose()
    if raw is None:
        return HttpResponse(response.status_code, response.headers, b"", "is too big")
    try:
        return HttpResponse(response.status_code, response.headers, unpacked(raw, max_body))
    except UnreadableError as error:
        return HttpResponse(response.status_code, response.headers, b"", str(error))
