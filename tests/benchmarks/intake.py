"""The webhook against the bare writes of the same two objects."""

from benchmarks.customers import Customers
from benchmarks.figures import Figure, at_least, plain
from benchmarks.measuring import cpu_seconds
from benchmarks.scale import Scale
from benchmarks.sending import Sent, median, percentile, send
from benchmarks.stage import Stage
from benchmarks.writes import BareWrites

__all__ = ["Intake"]


class Intake:
    """Measures how fast events are taken in. Nobody acts on them: they go to the namespace that is not watched."""

    def __init__(self, stage: Stage, customers: Customers, writes: BareWrites, scale: Scale) -> None:
        self._stage = stage
        self._customers = customers
        self._writes = writes
        self._scale = scale
        self.bare_connections = 0
        """As many as get the most out of the API server."""

    def measure(self) -> list[Figure]:
        """Find the number of connections that saturates, then go by rounds."""
        bare_best, webhook_best = self._saturation()
        self.bare_connections = bare_best
        bare, taken, shares, cpu = [], [], [], []
        latencies: list[float] = []
        later = 0
        for _ in range(self._scale.rounds):
            limit = self._bare(self._scale.events, bare_best)
            before = cpu_seconds(self._stage.pids["webhook"])
            real = self._webhook(self._scale.events, webhook_best)
            cpu.append((cpu_seconds(self._stage.pids["webhook"]) - before) / self._scale.events * 1000)
            bare.append(limit.rate)
            taken.append(real.rate)
            shares.append(real.rate / limit.rate * 100)
            latencies += real.durations
            later += real.later
        half = self._webhook(self._scale.events, webhook_best, rate=median(taken) / 2)
        note = f"{webhook_best} connections, {later} answered 503"
        return [
            plain("limit: the webhook's two writes, bare", median(bare), "/s", bare, f"{bare_best} connections"),
            plain("webhook: events taken", median(taken), "/s", taken, note),
            at_least("webhook: share of the limit", median(shares), "%", 60, shares),
            plain("webhook: p50 when saturated", percentile(latencies, 0.5) * 1000, "ms"),
            plain("webhook: p99 when saturated", percentile(latencies, 0.99) * 1000, "ms"),
            plain("webhook: p50 at half of that rate", percentile(half.durations, 0.5) * 1000, "ms"),
            plain("webhook: p99 at half of that rate", percentile(half.durations, 0.99) * 1000, "ms"),
            plain("webhook: CPU per event", median(cpu), "ms", cpu),
        ]

    def _saturation(self) -> tuple[int, int]:
        bare, webhook = {}, {}
        for connections in self._scale.connections:
            bare[connections] = self._bare(self._scale.tried, connections).rate
            webhook[connections] = self._webhook(self._scale.tried, connections).rate
        return max(bare, key=bare.__getitem__), max(webhook, key=webhook.__getitem__)

    def _bare(self, count: int, connections: int) -> Sent:
        return send(self._writes.two(count), connections=connections, ca_file=self._stage.ca_file)

    def _webhook(self, count: int, connections: int, rate: float = 0) -> Sent:
        events = [[install.request] for install in self._customers.install(count, for_operator=False)]
        return send(events, connections=connections, rate=rate)
