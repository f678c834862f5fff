"""Making a message fit where it is kept: what is left out is left out in the middle.

A message begins with what it is about and often ends with what decides: the value that was refused, the word that is
missing, what to do. Cut at its end, it would lose that first.
"""

from typing import Final

__all__ = ["shorten", "shorten_bytes"]

_GAP: Final = " … "
_HEAD: Final = 0.6
"""The part of what is kept that is the beginning."""


def shorten(text: str, limit: int) -> str:
    """Return the text, with something left out in its middle where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    room = limit - len(_GAP)
    head = max(0, round(room * _HEAD))
    tail = max(0, room - head)
    return f"{text[:head].rstrip()}{_GAP}{text[len(text) - tail :].lstrip()}"[:limit]


def shorten_bytes(text: str, limit: int) -> str:
    """Return the text, with something left out in its middle where it takes more than `limit` bytes of UTF-8."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    room = limit - len(_GAP.encode())
    head = round(room * _HEAD)
    start, end = raw[:head].decode("utf-8", "ignore"), raw[len(raw) - (room - head) :].decode("utf-8", "ignore")
    return f"{start.rstrip()}{_GAP}{end.lstrip()}"
