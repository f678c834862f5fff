"""What the operator's log must never show while somebody edits a spec."""

import json
from dataclasses import dataclass
from typing import Final

from builders.platform import Platform

__all__ = ["Log"]

_FAULTS: Final = (
    b'"reconcile.raised"',
    b'"process.part_failed"',
    b'"drift.watch_raised"',
    b"InternalError",
    b"Traceback (most recent call last)",
)


@dataclass
class Log:
    """Reads on where it ended the last time."""

    platform: Platform
    _read: int = 0

    def faults(self) -> list[str]:
        """Return faults of the operator, and secrets, in what was logged since the last time."""
        log = self.platform.operator.log
        end = log.rfind(b"\n") + 1
        new = bytes(log[self._read : end])
        self._read = end
        found = [
            _short(line) for line in new.splitlines() if any(fault in line for fault in _FAULTS) or _is_error(line)
        ]
        found += ["a secret is in the operator's log" for canary in self.platform.canaries if canary in new]
        if self.platform.operator.ended:
            found.append(f"the operator has ended: {log[-3000:].decode(errors='replace')}")
        return found


def _is_error(line: bytes) -> bool:
    try:
        return json.loads(line).get("level") in {"error", "critical"}
    except (ValueError, AttributeError):
        return False


def _short(line: bytes) -> str:
    return f"the operator's log: {line.decode(errors='replace')[:1500]}"
