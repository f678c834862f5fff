"""What must not be seen outside of a Secret: its values, as text and as base64.

Belongs here: finding them in a manifest. Does not belong here: what is done so that nobody sees them.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["secret_values"]

_SHORTEST: Final = 4
"""Shorter texts are in every message, and no secrets."""


def secret_values(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Return the values of a Secret, whatever form they have; nothing for another kind."""
    if manifest.get("kind") != "Secret":
        return frozenset()
    texts = (text for part in ("data", "stringData") for value in _leaves(manifest.get(part)) for text in _forms(value))
    return frozenset(text for text in texts if len(text) >= _SHORTEST)


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for member in value.values():
                yield from _leaves(member)
        case list():
            for member in value:
                yield from _leaves(member)
        case None | bool():
            pass
        case _:
            yield str(value)


def _forms(text: str) -> Iterator[str]:
    yield text
    yield base64.b64encode(text.encode()).decode()
    try:
        yield base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
