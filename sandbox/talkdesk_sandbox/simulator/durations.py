"""Durations as people write them: `7d`, `1h30m`, `+5m`, `90` (seconds).

Belongs here: parsing and formatting. Does not belong here: what a duration is for.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def parse_duration(text: str) -> timedelta:
    """Return the duration that `7d`, `1h30m`, `-2d`, `+5m`, `250ms` or a bare number of seconds means.

    Raises ValueError for anything else.
    """
    stripped = text.strip().lower()
    sign = -1 if stripped.startswith("-") else 1
    body = stripped.lstrip("+-")
    if re.fullmatch(r"\d+(\.\d+)?", body):
        return sign * timedelta(seconds=float(body))
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"not a duration: {text[:40]!r} (write 7d, 1h30m, 5m or a number of seconds)")
    return sign * sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta())


def format_duration(value: timedelta) -> str:
    """Return the text in the largest units without loss: `7d`, `1h30m`, `0s`."""
    if not value:
        return "0s"
    rest, out = abs(value), "-" if value < timedelta() else ""
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _UNITS[unit])
        out += f"{count}{unit}" if count else ""
    millis = rest // _UNITS["ms"]
    return out + (f"{millis}ms" if millis else "")


def _read(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) and not value.strip().upper().startswith("P") else value


Duration = Annotated[timedelta, BeforeValidator(_read), PlainSerializer(format_duration, when_used="json")]
"""A pydantic field: parses strings like the above and numbers as seconds; JSON has the formatted text."""
