"""Reading a request's body within bounds of size, time and memory, and its JSON once the sender is verified.

Belongs here: what is refused before the sender is verified, and which JSON of a verified sender is refused. Does not
belong here: what the JSON means.

The signature covers the bytes alone, so no header decides whether an event is taken: neither Content-Type nor
Content-Encoding is looked at (talkdesk_runtime.lenient_json).
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import Receive

from talkdesk_runtime.lenient_json import DuplicateNameError, UnreadableError, check_names, read_lenient
from talkdesk_runtime.lenient_json import unpacked as unpacked_json

__all__ = ["Bodies", "BodyError", "BodyFault", "BodyLimits", "decode", "unpacked"]

_MAX_DEPTH: Final = 64
"""Levels of arrays and objects; real events have four."""


class BodyFault(StrEnum):
    """Why a body is refused; also a metric's label."""

    TOO_LARGE = "body_too_large"
    """More bytes than allowed, in Content-Length or in fact."""
    TOO_SLOW = "body_too_slow"
    """Not complete in time."""
    CUT_OFF = "body_cut_off"
    """Of all bodies that were being read, which took too much memory together, it was the one that was begun first."""
    INCOMPLETE = "body_incomplete"
    """The sender disconnected before the end."""
    ENCODED = "body_encoded"
    """Compressed, and it can't be unpacked within the limit: no more is ever made of it, so a bomb can't go off."""
    NOT_JSON = "not_json"
    """Not JSON, or with too many levels."""
    DUPLICATE_NAME = "duplicate_name"
    """An object has a name twice: two readers could see two different events."""


_RESPONSES: Final = {
    BodyFault.TOO_LARGE: (413, "the body is too large"),
    BodyFault.TOO_SLOW: (408, "the body did not arrive in time"),
    BodyFault.CUT_OFF: (503, "the body did not arrive before others needed its place"),
    BodyFault.INCOMPLETE: (400, "the body is incomplete"),
    BodyFault.ENCODED: (415, "the body is compressed and can't be unpacked within the limit"),
    BodyFault.NOT_JSON: (400, "the body is not JSON"),
    BodyFault.DUPLICATE_NAME: (400, "a JSON object in the body has the same name twice"),
}


class BodyError(Exception):
    """The body is refused; `str()` is fit for a response and holds nothing of the body."""

    def __init__(self, fault: BodyFault) -> None:
        self.status, message = _RESPONSES[fault]
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True)
class BodyLimits:
    """How much, and how long."""

    size: int
    """Bytes."""
    time: timedelta
    """From the beginning of the read to its last byte."""
    together: int = 16 * 1024 * 1024
    """Bytes of all bodies that are being read."""


class _Body:
    """One that is being read."""

    def __init__(self, time: timedelta) -> None:
        self.timeout = asyncio.timeout(time.total_seconds())
        self.size = 0
        self.is_cut = False


class Bodies:
    """All bodies that are being read. One that is slow keeps no other out: it goes first when memory is short."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._read: dict[_Body, None] = {}
        """The one that was begun first, first."""
        self._size = 0

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """Return the raw body; raise BodyError as soon as it is known to be unacceptable."""
        _check_length(headers, self._limits.size)
        body = _Body(self._limits.time)
        self._read[body] = None
        try:
            async with body.timeout:
                return await self._collect(body, receive)
        except TimeoutError:
            raise BodyError(BodyFault.CUT_OFF if body.is_cut else BodyFault.TOO_SLOW) from None
        finally:
            self._drop(body)

    async def _collect(self, body: _Body, receive: Receive) -> bytes:
        content = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise BodyError(BodyFault.INCOMPLETE)
            content += message.get("body", b"")
            if len(content) > self._limits.size:
                raise BodyError(BodyFault.TOO_LARGE)
            if not message.get("more_body", False):
                return bytes(content)
            self._grow(body, len(content))

    def _grow(self, body: _Body, size: int) -> None:
        if body.is_cut:
            return  # it is counted no more, and ends at its next wait
        self._size += size - body.size
        body.size = size
        while self._size > self._limits.together:
            first = next(iter(self._read))
            self._drop(first)
            first.is_cut = True
            first.timeout.reschedule(0)

    def _drop(self, body: _Body) -> None:
        if self._read.pop(body, body) is None:
            self._size -= body.size


def _check_length(headers: Headers, size: int) -> None:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > size:
        raise BodyError(BodyFault.TOO_LARGE)


def unpacked(body: bytes, limits: BodyLimits) -> bytes:
    """Return the body as it was before it was compressed, if it is; raise BodyError."""
    try:
        return unpacked_json(body, limits.size)
    except UnreadableError:
        raise BodyError(BodyFault.ENCODED) from None


def decode(body: bytes) -> Any:
    """Decode JSON leniently, but for equal names within an object and too many levels; raise BodyError."""
    try:
        value = read_lenient(body)
        if _is_deep(value):
            raise BodyError(BodyFault.NOT_JSON)
        # The reading above keeps the last of two equal names; this one only finds those.
        check_names(body)
    except DuplicateNameError:
        raise BodyError(BodyFault.DUPLICATE_NAME) from None
    except UnreadableError:
        raise BodyError(BodyFault.NOT_JSON) from None
    return value


def _is_deep(value: object) -> bool:
    """Return whether it has more levels than any event; each value is visited once."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        nested = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [child for children in nested for child in children]
        if not level:
            return False
    return True
