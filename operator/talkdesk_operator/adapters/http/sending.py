"""One request and its answer, with as much of the body as is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

__all__ = ["Answer", "send"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    """None when it was longer than allowed."""


async def send(transport: httpx.AsyncBaseTransport, request: httpx.Request, *, max_body: int) -> Answer:
    """Send it once and read `max_body` bytes of the answer at most. Raises what the HTTP libraries do."""
    response = await transport.handle_async_request(request)
    try:
        body = await _bounded(response, max_body)
    finally:
        await response.aclose()
    return Answer(response.status_code, response.headers, body)


async def _bounded(response: httpx.Response, max_body: int) -> bytes | None:
    body = bytearray()
    # Raw: nothing is ever unpacked, so nothing can be a bomb.
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_body:
            return None
    return bytes(body)
