"""JSON that may be nested deeper than what can be read.

Belongs here: reading such a document all the same, without its deepest parts. Does not belong here: who is told so. The
API server takes an object of ten thousand levels; orjson reads 1024, and one such object would hide a whole listing.
"""

import re
from typing import Any, Final

import orjson

__all__ = ["READ_DEPTH", "read_json"]

READ_DEPTH: Final = 500
"""Levels of a document that orjson refuses as a whole; what is deeper is replaced by null."""
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def read_json(document: bytes | bytearray) -> Any:
    """Return the value; raise ValueError for what is no JSON. Only one that is too deep costs more than with orjson."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        return orjson.loads(_pruned(bytes(document)))


def _pruned(document: bytes) -> bytes:
    pieces: list[bytes] = []
    depth = kept = 0
    for token in _TOKENS.finditer(document):
        match token[0][:1]:
            case b"{" | b"[":
                depth += 1
                if depth == READ_DEPTH + 1:
                    pieces += (document[kept : token.start()], b"null")
            case b"}" | b"]":
                if depth == READ_DEPTH + 1:
                    kept = token.end()
                depth -= 1
            case _:
                pass
    return b"".join((*pieces, document[kept:]))
