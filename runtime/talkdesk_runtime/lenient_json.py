"""JSON of other people's services, read as long as there is no doubt about what it says.

Belongs here: what is forgiven in a document that was received. Does not belong here: what its members mean, and whether
the sender may be believed: whoever verifies a signature does so over the bytes as they came, before.

What a document is, its bytes decide, not its headers: a compressed one is unpacked (within a bound), a byte order mark
is skipped, UTF-16 and UTF-32 are recognized. Bytes that are no UTF-8, and halves of a character (lone surrogates),
become `UNREADABLE`, which no id may hold because it would be another one. Control characters in a text stay. NaN,
Infinity and numbers that nothing can hold become null. So every text can be written as UTF-8, and every number is
finite. A document that is strict JSON costs nothing more than with orjson.
"""

import json
import math
import re
import zlib
from collections.abc import Iterable
from typing import Any, Final

import orjson

__all__ = ["UNREADABLE", "DuplicateNameError", "UnreadableError", "check_names", "read_lenient", "unpacked"]

UNREADABLE: Final = "\ufffd"
"""Stands for what could not be read as a character."""
_GZIP: Final = b"\x1f\x8b"
_HALF: Final = re.compile("[\ud800-\udfff]")
_DIGITS: Final = 20
"""Of the longest integer that orjson reads as one, with its sign."""
_ANY_HEADER: Final = zlib.MAX_WBITS | 32
"""For zlib: gzip or zlib, whichever it is."""


class UnreadableError(ValueError):
    """The document can't be used; `str()` continues "the answer …", and quotes nothing of it."""


class DuplicateNameError(UnreadableError):
    """An object has a name twice: two readers could see two different documents."""


def unpacked(body: bytes, most: int) -> bytes:
    """Return a body as it was before it was compressed, by gzip or zlib; any other as it is.

    Raises UnreadableError for one that can't be unpacked, or would have more than `most` bytes: no more are ever made.
    """
    if not _is_compressed(body):
        return body
    unpack = zlib.decompressobj(_ANY_HEADER)
    try:
        plain = unpack.decompress(body, most + 1)
    except zlib.error:
        raise UnreadableError("is compressed, and can't be unpacked") from None
    if len(plain) > most:
        raise UnreadableError("is too big")
    if not unpack.eof:
        raise UnreadableError("is compressed, and cut off")
    return plain


def read_lenient(document: bytes) -> Any:
    """Return the value; raise UnreadableError for what is no JSON even with leniency."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        return _forgiving(document)


def check_names(document: bytes) -> None:
    """Raise DuplicateNameError if an object of a document that can be read has a name twice."""
    _parsed(document, object_pairs_hook=_unique_names, parse_int=str, parse_float=str)


def _is_compressed(body: bytes) -> bool:
    """Return whether it begins as gzip or zlib do, and as no JSON does."""
    return body.startswith(_GZIP) or (body[:1] == b"\x78" and len(body) > 1 and int.from_bytes(body[:2]) % 31 == 0)


def _forgiving(document: bytes) -> Any:
    value = _parsed(document, parse_int=_integer, parse_float=_finite)
    try:
        return orjson.loads(_HALF.sub(UNREADABLE, json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):  # Nested deeper than orjson reads; the json of Python 3.12 on reads such.
        raise UnreadableError("is not JSON") from None


def _parsed(document: bytes, **hooks: Any) -> Any:
    try:
        text = document.decode(json.detect_encoding(document), "replace")
        return json.loads(text.removeprefix("\ufeff"), strict=False, parse_constant=_nothing, **hooks)
    except UnreadableError:
        raise
    except (ValueError, RecursionError):
        raise UnreadableError("is not JSON") from None


def _integer(digits: str) -> int | float | None:
    """Return it as orjson would: what is too long for its integers is a float."""
    number = int(digits) if len(digits) <= _DIGITS else None
    return number if number is not None and -(1 << 63) <= number < 1 << 64 else _finite(digits)


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _nothing(_constant: str) -> None:
    return None


def _unique_names(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DuplicateNameError("has an object with the same name twice")
        found[name] = value
    return found
