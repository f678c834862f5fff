"""Lengths of time as people write them: `7d`, `1h30m`, `90s`; pure.

Belongs here: the grammar, for fields of kinds and settings alike. Does not belong here: bounds of single ones.
"""

import re
from datetime import timedelta
from typing import Final

__all__ = ["DURATION_PATTERN", "format_duration", "parse_duration"]

DURATION_PATTERN: Final = r"^([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$"
_PART: Final = re.compile(r"(\d{1,6})(d|h|m|s)")
_UNIT: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def parse_duration(text: str) -> timedelta:
    """Read `7d`, `1h30m` or `90s`; raise ValueError for anything else, also for an empty string."""
    if not text or re.fullmatch(DURATION_PATTERN, text) is None:
        raise ValueError("a duration is written like 7d, 1h30m or 90s")
    return sum((int(n) * _UNIT[unit] for n, unit in _PART.findall(text)), timedelta())


def format_duration(duration: timedelta) -> str:
    """Write a duration of whole seconds, not below zero, so that `parse_duration` reads the same."""
    parts = []
    for unit, size in _UNIT.items():
        number, duration = divmod(duration, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
