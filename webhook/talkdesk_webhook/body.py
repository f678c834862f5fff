"""Reading a request's body within bounds of size, time and form.

Belongs here: everything that is refused before the sender is verified, and strict JSON. Does not belong here: what the
JSON means.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import orjson
from starlette.datastructures import Headers
from starlette.types import Receive

__all__ = ["BodyError", "BodyFault", "BodyLimits", "decode", "read"]

_MAX_DEPTH: Final = 64
"""Levels of arrays and objects; real events have four."""


class BodyFault(StrEnum):
    """Why a body is refused; also a metric's label."""

    TOO_LARGE = "body_too_large"
    """More bytes than allowed, in Content-Length or in fact."""
    TOO_SLOW = "body_too_slow"
    """Not complete in time."""
    INCOMPLETE = "body_incomplete"
    """The sender disconnected before the end."""
    ENCODED = "body_encoded"
    """Compressed: never expanded, so a bomb can't go off."""
    NOT_JSON_TYPE = "content_type"
    """Another content type than JSON."""
    NOT_JSON = "not_json"
    """Not JSON: syntax, NaN, invalid UTF-8, lone surrogates, too deep."""
    DUPLICATE_NAME = "duplicate_name"
    """An object has a name twice: two readers could see two different events."""


_RESPONSES: Final = {
    BodyFault.TOO_LARGE: (413, "the body is too large"),
    BodyFault.TOO_SLOW: (408, "the body did not arrive in time"),
    BodyFault.INCOMPLETE: (400, "the body is incomplete"),
    BodyFault.ENCODED: (415, "the body must not be compressed"),
    BodyFault.NOT_JSON_TYPE: (415, "the content type must be application/json"),
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


async def read(headers: Headers, receive: Receive, limits: BodyLimits) -> bytes:
    """Return the raw body; raise BodyError as soon as it is known to be unacceptable."""
    _check_headers(headers, limits.size)
    try:
        async with asyncio.timeout(limits.time.total_seconds()):
            return await _collect(receive, limits.size)
    except TimeoutError:
        raise BodyError(BodyFault.TOO_SLOW) from None


def _check_headers(headers: Headers, size: int) -> None:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    if not is_json:
        raise BodyError(BodyFault.NOT_JSON_TYPE)
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise BodyError(BodyFault.ENCODED)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > size:
        raise BodyError(BodyFault.TOO_LARGE)


async def _collect(receive: Receive, size: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyError(BodyFault.INCOMPLETE)
        body += message.get("body", b"")
        if len(body) > size:
            raise BodyError(BodyFault.TOO_LARGE)
        if not message.get("more_body", False):
            return bytes(body)


def decode(body: bytes) -> Any:
    """Decode strict JSON (RFC 8259, names unique within each object); raise BodyError."""
    # orjson refuses what the standard library accepts (NaN, lone surrogates) but keeps the last of two equal names; the
    # second parse only finds those. How deep that one can go differs with Python's versions.
    try:
        value = orjson.loads(body)
        if _is_deep(value):
            raise BodyError(BodyFault.NOT_JSON)
        json.loads(body, object_pairs_hook=_unique_names, parse_int=str, parse_float=str)
    except ValueError:
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


def _unique_names(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BodyError(BodyFault.DUPLICATE_NAME)
        found[name] = value
    return found
