"""One request and its response, with as much of the body as is allowed.

Belongs here: sending. Does not belong here: meaning of a response.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

__all__ = ["HttpResponse", "send"]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response as it came."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    """None when it was longer than allowed."""


async def send(transport: httpx.AsyncBaseTransport, request: httpx.Request, *, max_body: int) -> HttpResponse:
    """Send it once and read `max_body` bytes of the response at most; raise one of TRANSPORT_ERRORS."""
    response = await transport.handle_async_request(request)
    try:
        body = await _bounded(response, max_body)
    finally:
        await response.aclose()
    return HttpResponse(response.status_code, response.headers, body)


async def _bounded(response: httpx.Response, max_body: int) -> bytes | None:
    body = bytearray()
    # Raw: nothing is ever unpacked, so nothing can be a bomb.
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_body:
            return None
    return bytes(body)
