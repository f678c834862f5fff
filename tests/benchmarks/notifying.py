"""Notifications: what they cost an install, and how fast what waits is told to an endpoint that is quick.

Rounds of installs without and with an endpoint, one after the other. Then the endpoint takes nothing for some time, and
asks to be tried again at one moment, so that all that waits is sent from then on.
"""

import json
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.customers import Customers
from benchmarks.figures import Figure, plain
from benchmarks.installs import Installed, Installs, operators_own
from benchmarks.measuring import by_verb, cpu_seconds, requests_seen, wait_until
from benchmarks.programs import start_line
from benchmarks.scale import Scale
from benchmarks.sending import BenchFailed, median
from benchmarks.stage import APP, WORK, Stage
from builders.notification_receiver import endpoint, key_secret
from builders.python_path import path_with_builders

__all__ = ["notifications"]

_OF_AN_INSTALL: Final = 2
"""Installed and Approved."""
_TOLD_WITHIN: Final = 300.0
_HELD: Final = 15.0
_HELD_FOR_EACH: Final = 0.2
"""Seconds in which the endpoint takes nothing, and further ones for each install."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Installs, until everything was told and recorded."""

    installed: Installed
    cpu: float
    """Of the operator, in milliseconds an install."""
    seen: Mapping[str, float]
    """Requests that the API server saw."""

    @property
    def writes(self) -> float:
        return operators_own(self.seen) / self.installed.count


def notifications(stage: Stage, customers: Customers, scale: Scale) -> list[Figure]:
    """Measure both. Raises BenchFailed when not everything is told."""
    with _endpoint() as url:
        secret = key_secret(url)
        stage.cluster.kubectl(f"--namespace={WORK}", "apply", "-f", "-", stdin=secret)
        measured = _Notifications(stage, customers, scale, url)
        figures = [*measured.cost(), *measured.rate()]
        measured.have_endpoint(has_one=False)
        return figures


class _Notifications:
    def __init__(self, stage: Stage, customers: Customers, scale: Scale, url: str) -> None:
        self._stage = stage
        self._customers = customers
        self._scale = scale
        self._url = url
        self._installs = Installs(stage, customers)

    def have_endpoint(self, *, has_one: bool) -> None:
        """Let the app have an endpoint, or none, and wait until each installation's status is made for that."""
        named = [endpoint(self._url, timeout="10s")] if has_one else []
        patch = json.dumps({"spec": {"notifications": named}})
        where = (f"--namespace={WORK}", "patch", "talkdeskapp", APP, "--type=merge")
        self._stage.cluster.kubectl(*where, f"--patch={patch}")
        wait_until(lambda: self._all_have(outbox=has_one), "statuses that follow the app", _TOLD_WITHIN, every=0.5)

    def _all_have(self, *, outbox: bool) -> bool:
        return all(("notifications" in each["status"]) == outbox for each in self._listed())

    def cost(self) -> list[Figure]:
        """Rounds of installs without and with an endpoint."""
        without, told = [], []
        for _ in range(self._scale.rounds):
            self.have_endpoint(has_one=False)
            without.append(self._run(0))
            self.have_endpoint(has_one=True)
            told.append(self._run(_OF_AN_INSTALL))
        rates = [one.installed.rate / other.installed.rate for one, other in zip(told, without, strict=True)]
        cpu = [one.cpu / other.cpu for one, other in zip(told, without, strict=True)]
        words = f"{told[-1].cpu:.1f} ms an install with, {without[-1].cpu:.1f} ms without"
        return [
            plain("notifications: installs approved, with to without", median(rates), "", rates),
            plain("notifications: operator CPU per install, with to without", median(cpu), "", cpu, words),
            plain("notifications: writes per install beside the tenant's, with", *self._writes(told)),
            plain("notifications: writes per install beside the tenant's, without", *self._writes(without)),
        ]

    def rate(self) -> list[Figure]:
        """Let what a round of installs has to tell wait, and be told from one moment on."""
        count = self._scale.burst
        self._ask("forget")
        self._ask(f"hold/{_HELD + count * _HELD_FOR_EACH:.0f}")
        self._installs.run(self._customers.install(count))
        before, seen = self._cpu(), self._seen()
        if self._ask("figures")["refused"] < count or self._told():
            raise BenchFailed("the installs took longer than the endpoint was closed")
        wait_until(lambda: self._told() >= count * _OF_AN_INSTALL, "everything told", _TOLD_WITHIN)
        wait_until(lambda: self._waiting() == 0, "everything recorded", _TOLD_WITHIN, every=1)
        came, used = self._ask("figures"), self._cpu() - before
        requests, verbs = by_verb(self._seen() - seen, count)
        note = f"{came['told']} of {count} installations, in {came['seconds']:.1f} s"
        return [
            plain("notifications: told", came["told"] / came["seconds"], "/s", note=note),
            plain("notifications: operator CPU for each told", used / came["told"] * 1000, "ms"),
            plain("notifications: requests to the API server for an installation's two", requests, "", note=verbs),
        ]

    def _run(self, of_each: int) -> _Run:
        self._ask("forget")
        before, seen = self._cpu(), self._seen()
        installed = self._installs.run(self._customers.install(self._scale.burst))
        wait_until(lambda: self._told() == self._scale.burst * of_each, "everything told", _TOLD_WITHIN)
        wait_until(lambda: self._waiting() == 0, "everything recorded", _TOLD_WITHIN, every=1)
        used = (self._cpu() - before) * 1000 / installed.count
        return _Run(installed, used, self._seen() - seen)

    def _writes(self, runs: list[_Run]) -> tuple[float, str, tuple[float, ...], str]:
        """Return the arguments of a figure."""
        numbers = tuple(run.writes for run in runs)
        _, words = by_verb(runs[-1].seen, runs[-1].installed.count)
        return median(numbers), "", numbers, f"all requests: {words}"

    def _waiting(self) -> int:
        return sum(len(each["status"].get("notifications", {}).get("pending", ())) for each in self._listed())

    def _listed(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._stage.get("talkdeskinstallations", f"--namespace={WORK}")["items"]
        return listed

    def _told(self) -> int:
        return int(self._ask("figures")["told"])

    def _cpu(self) -> float:
        return cpu_seconds(self._stage.pids["operator"])

    def _seen(self) -> Counter[str]:
        return requests_seen(self._stage.api_metrics())

    def _ask(self, what: str) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self._url}/{what}", timeout=30) as response:
            found: dict[str, Any] = json.load(response)
        return found


@contextmanager
def _endpoint() -> Iterator[str]:
    """Start the endpoint, and end it; yield its URL."""
    line = start_line("builders.quick_endpoint", {"PYTHONPATH": path_with_builders()})
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise BenchFailed("the endpoint has no output")
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()
