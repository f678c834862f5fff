"""What processes used, and what they count: /proc and Prometheus metrics.

Belongs here: reading. Does not belong here: judging.
"""

import os
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.sending import BenchFailed

__all__ = ["Samples", "cpu_seconds", "parse_metrics", "resident_megabytes", "scrape", "wait_until"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)(?: \d+)?$")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Samples = list[tuple[str, Mapping[str, str], float]]
"""Name, labels and value of each sample."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, in its own code and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_megabytes(pid: int) -> float:
    """Return the memory that a process holds now, in units of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchFailed(f"process {pid} is gone")


def scrape(url: str) -> Samples:
    """Read metrics over HTTP on this machine, past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as response:
        return parse_metrics(response.read().decode())


def parse_metrics(text: str) -> Samples:
    """Read Prometheus' text form."""
    samples: Samples = []
    for line in text.splitlines():
        if (found := _SAMPLE.match(line)) is not None:
            name, labels, value = found.groups()
            samples.append((name, dict(_LABEL.findall(labels or "")), float(value)))
    return samples


def wait_until(condition: Callable[[], bool], what: str, within: float, every: float = 0.1) -> None:
    """Wait for a condition by asking again and again. Raises BenchFailed when it does not come true in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise BenchFailed(f"{what}: not within {within:.0f} s")
        time.sleep(every)
