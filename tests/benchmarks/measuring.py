"""What processes used, and what they count: /proc and Prometheus metrics.

Belongs here: reading. Does not belong here: judging.
"""

import os
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.sending import BenchFailed

__all__ = [
    "Samples",
    "by_verb",
    "cpu_seconds",
    "parse_metrics",
    "requests_seen",
    "resident_megabytes",
    "scrape",
    "wait_until",
]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)(?: \d+)?$")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

_WORTH_SAYING: Final = 0.005

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


def requests_seen(samples: Samples) -> Counter[str]:
    """Return the requests that an API server has answered, of everybody, by `group resource/subresource VERB`."""
    totals: Counter[str] = Counter()
    for name, labels, value in samples:
        if name == "apiserver_request_total":
            key = f"{labels['group']} {labels['resource']}/{labels['subresource']} {labels['verb']}"
            totals[key] += value  # type: ignore[assignment]  # a Counter of floats
    return totals


def by_verb(seen: Mapping[str, float], units: float) -> tuple[float, str]:
    """Return how many requests there were for each unit, but for Leases, and in words how many of each verb."""
    verbs: Counter[str] = Counter()
    for name, count in seen.items():
        _, resource, verb = name.split(" ")
        if resource != "leases/":
            verbs[verb] += count / units  # type: ignore[assignment]
    words = ", ".join(f"{verb} {value:.2f}" for verb, value in verbs.most_common() if value >= _WORTH_SAYING)
    return sum(verbs.values()), words


def wait_until(condition: Callable[[], bool], what: str, within: float, every: float = 0.1) -> None:
    """Wait for a condition by asking again and again. Raises BenchFailed when it does not come true in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise BenchFailed(f"{what}: not within {within:.0f} s")
        time.sleep(every)
