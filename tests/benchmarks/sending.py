"""The other side of `sender`: prepares units of requests, has them sent by a process of their own, reads the times.

Belongs here: requests as data, and what a sending came to. Does not belong here: which requests are made.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["BenchFailed", "Request", "Sent", "median", "percentile", "send"]

_SENDER: Final = Path(__file__).with_name("sender.py")


class BenchFailed(Exception):
    """The figures would be worth nothing; `str()` says what went wrong."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: str
    url: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sending came to. All times are seconds; `began` is since the epoch, `starts` since `began`."""

    began: float
    elapsed: float
    starts: tuple[float, ...]
    durations: tuple[float, ...]
    later: int
    """How many answers were 503, after which the request was made again."""

    @property
    def rate(self) -> float:
        """Units per second."""
        return len(self.durations) / self.elapsed


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def send(units: Sequence[Sequence[Request]], *, connections: int, rate: float = 0, ca_file: Path | None = None) -> Sent:
    """Send the units, at `rate` units per second or as fast as they go. Raises BenchFailed unless all were taken."""
    with tempfile.TemporaryDirectory(prefix="talkdesk-bench-") as folder:
        prepared, result = Path(folder, "units.jsonl"), Path(folder, "result.json")
        with prepared.open("w") as lines:
            for unit in units:
                steps = [{"method": r.method, "url": r.url, "headers": r.headers, "body": r.body} for r in unit]
                lines.write(json.dumps(steps) + "\n")
        trust = [str(ca_file)] if ca_file is not None else []
        command = [sys.executable, str(_SENDER), str(prepared), str(result), str(connections), str(rate), *trust]
        subprocess.run(command, check=True)
        log = json.loads(result.read_text())
    if log["refused"]:
        raise BenchFailed(f"not everything was taken: {log['refused']}; {log['example']}")
    starts, durations = zip(*sorted(log["units"]), strict=True)
    return Sent(log["began"], log["elapsed"], starts, durations, log["later"])


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)
