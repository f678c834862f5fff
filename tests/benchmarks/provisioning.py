"""Installs in a burst against their bare writes, and at a steady rate against the time that Talkdesk itself takes."""

from collections.abc import Sequence
from typing import Final

from benchmarks.customers import Customers
from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.installs import Installed, Installs, operators_own
from benchmarks.measuring import by_verb, resident_megabytes
from benchmarks.rendering import rendering_milliseconds
from benchmarks.scale import Scale
from benchmarks.sending import median, percentile, send
from benchmarks.serial import calls_in_series
from benchmarks.stage import Stage
from benchmarks.writes import BareWrites

__all__ = ["Provisioning"]

_MANY: Final = 1000
"""Installs after which memory is read."""

_VENDOR: Final = 0.050
"""Seconds that each answer of Talkdesk takes at the steady rate."""


class Provisioning:
    """Measures how fast installs are approved, and what that takes."""

    def __init__(self, stage: Stage, customers: Customers, writes: BareWrites, scale: Scale) -> None:
        self._stage = stage
        self._customers = customers
        self._writes = writes
        self._scale = scale
        self._installs = Installs(stage, customers)
        self._memory = (0, 0.0, 0.0)

    def burst(self, connections: int) -> list[Figure]:
        """Rounds of bare writes and burst, one after the other."""
        bare, shares, runs = [], [], []
        for _ in range(self._scale.rounds):
            limit = send(self._writes.all(self._scale.limit), connections=connections, ca_file=self._stage.ca_file).rate
            run = self._installs.run(self._customers.install(self._scale.burst))
            bare.append(limit)
            shares.append(run.rate / limit * 100)
            runs.append(run)
            self._note_memory(sum(each.count for each in runs))
        rates = [run.rate for run in runs]
        note = f"{sum(run.later for run in runs)} events answered 503 at first"
        number = len(self._writes.of_webhook) + len(self._writes.of_operator) + len(self._writes.of_tenant)
        return [
            plain(f"limit: all {number} writes of an install, bare", median(bare), "/s", bare),
            plain(f"burst of {self._scale.burst}: installs approved", median(rates), "/s", rates, note),
            at_least("burst: share of the limit", median(shares), "%", 60, shares),
            *self._cost(runs),
        ]

    def steady(self) -> list[Figure]:
        """Installs at a steady rate, with a Talkdesk that takes its time."""
        self._customers.set_delay(_VENDOR)
        installs = self._customers.install(round(self._scale.steady_rate * self._scale.steady_seconds))
        run = self._installs.run(installs, rate=self._scale.steady_rate)
        series = calls_in_series(self._customers.requests(), installs, _VENDOR)
        self._customers.set_delay(0)
        # The arrival of the approval is seen before its own delay, which is Talkdesk's and would come off again.
        own = [latency - (series - 1) * _VENDOR for latency in run.latencies]
        return [
            plain("steady: calls to Talkdesk in series", series, "", note=f"{_VENDOR * 1000:.0f} ms each"),
            plain("steady: p50 to approval", (percentile(run.latencies, 0.5) + _VENDOR) * 1000, "ms"),
            plain("steady: p99 to approval", (percentile(run.latencies, 0.99) + _VENDOR) * 1000, "ms"),
            at_most("steady: p50 above Talkdesk's own time", percentile(own, 0.5) * 1000, "ms", 100),
            at_most("steady: p99 above Talkdesk's own time", percentile(own, 0.99) * 1000, "ms", 250),
        ]

    def memory(self) -> list[Figure]:
        """Memory after the thousandth install, or after all there were."""
        installs, operator, webhook = self._memory
        return [
            at_most("operator: RSS", operator, "MB", 130, note=f"after {installs} installs"),
            plain("webhook: RSS", webhook, "MB"),
        ]

    def _note_memory(self, installs: int) -> None:
        if self._memory[0] < _MANY:
            pids = self._stage.pids
            self._memory = installs, resident_megabytes(pids["operator"]), resident_megabytes(pids["webhook"])

    def _cost(self, runs: Sequence[Installed]) -> list[Figure]:
        def cpu(process: str) -> list[float]:
            return [run.cpu[process] / run.count * 1000 for run in runs]

        rendering, objects = rendering_milliseconds(self._stage.read_app())
        beside = [each - rendering for each in cpu("operator")]
        writes = [operators_own(run.seen) / run.count for run in runs]
        applies = [sum(n for verb, n in run.counted.items() if verb.endswith(" apply")) / run.count for run in runs]
        counted = {verb: round(n / runs[-1].count, 2) for verb, n in runs[-1].counted.items() if "apply" not in verb}
        words = ", ".join(f"{verb} {n:g}" for verb, n in sorted(counted.items()))
        asked, verbs = by_verb(runs[-1].seen, runs[-1].count)
        names = ("operator", "webhook", "simulator", "kube-apiserver", "etcd", "kube-controller-manager")
        return [
            at_most("operator: CPU per install beside rendering", median(beside), "ms", 5, beside),
            plain("operator: rendering per install", rendering, "ms", note=f"{objects} objects"),
            plain("operator: rendering per object", rendering / objects, "ms"),
            at_most("operator: writes per install beside the tenant's", median(writes), "", 4, writes, words),
            plain("operator: applies per install", median(applies), "", applies),
            plain("burst: requests to the API server per install", asked, "", note=verbs),
            *(plain(f"CPU per install: {name}", median(cpu(name)), "ms", cpu(name)) for name in names),
        ]
