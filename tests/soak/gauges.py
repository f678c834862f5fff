"""Memory, open files and threads of processes, and whether they grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

__all__ = ["Gauge", "drift"]


@dataclass(frozen=True)
class Gauge:
    """What a process has at one moment."""

    memory: int
    """Resident set, in bytes."""
    files: int
    """Open file descriptors, sockets among them."""
    threads: int

    @classmethod
    def read(cls, pid: int) -> "Gauge":
        """Read it of a process that runs."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["VmRSS"].split()[0]) * 1024, files, int(status["Threads"]))

    @override
    def __str__(self) -> str:
        return f"{self.memory / 1e6:.1f} MB, {self.files} files, {self.threads} threads"


def drift(values: Sequence[float]) -> float:
    """Return by how much a line through values at equal distances rises, as a share of where it begins."""
    count = len(values)
    if count < 2:
        return 0.0
    middle, mean = (count - 1) / 2, sum(values) / count
    slope = sum((at - middle) * (value - mean) for at, value in enumerate(values)) / sum(
        (at - middle) ** 2 for at in range(count)
    )
    first = mean - slope * middle
    return slope * (count - 1) / first
