"""Bodies of other people's responses, of which no more is read than is wanted.

Belongs here: the bound. Does not belong here: what becomes of a body that is larger, and what a body means.
"""

import httpx

__all__ = ["read_at_most"]


async def read_at_most(response: httpx.Response, most: int) -> bytes | None:
    """Return the body as it was sent; None as soon as it has more than `most` bytes.

    Raw: what is compressed is unpacked by whoever reads it, within the same bound, so nothing can be a bomb.
    """
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
