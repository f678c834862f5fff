"""Prometheus metrics of the operator, on a registry that is handed in.

Belongs here: names, labels, help texts. Work queue and reconciler have controller-runtime's names, so that its
dashboards fit. Labels hold constants of ours and names of apps, never anything of a customer's.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from talkdesk_crds.installation import Decision, RequestType
from talkdesk_operator.observability.installation_tally import App, InstallationTally
from talkdesk_operator.observability.queue_loads import QueueLoads
from talkdesk_operator.observability.queue_metrics import CONTROLLER, SECONDS, QueueMetrics, ReconcileMetrics
from talkdesk_runtime.tls_files import TlsMetrics

__all__ = ["CONTROLLER", "CircuitBreakersCollector", "InstallationsCollector", "Metrics"]

_ANSWER_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400, 604800)


class Metrics:
    """What is counted and timed; one per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.tls = TlsMetrics(registry)
        self.loads = QueueLoads()
        self.queue = QueueMetrics(registry, self.loads)
        self.reconciles = ReconcileMetrics(registry, self.loads)
        self.installations = InstallationsCollector()
        self.breakers = CircuitBreakersCollector()
        for collector in (self.installations, self.breakers):
            registry.register(collector)
        self._requests = Counter(
            "talkdesk_api_requests",
            "Requests to Talkdesk, by call and outcome.",
            ("call", "outcome"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "talkdesk_api_request_duration_seconds",
            "Duration of a request to Talkdesk, until its whole answer is read.",
            ("call",),
            buckets=SECONDS,
            registry=registry,
        )
        self._scim_requests = Counter(
            "talkdesk_scim_requests",
            "Requests to SCIM services, by call and outcome.",
            ("call", "outcome"),
            registry=registry,
        )
        self._hook_requests = Counter(
            "talkdesk_hook_requests",
            "Requests of http steps, by app, step and status; `none` where there was no response.",
            ("app", "step", "status"),
            registry=registry,
        )
        self._notifications = Counter(
            "talkdesk_notification_requests",
            "Requests to endpoints of an app's notifications, by app, endpoint and status; `none` without a response.",
            ("app", "endpoint", "status"),
            registry=registry,
        )
        self._answers = Counter(
            "talkdesk_answers",
            "Answers sent to Talkdesk, by type of request, decision and outcome.",
            ("request", "decision", "outcome"),
            registry=registry,
        )
        self._event_to_answer = Histogram(
            "talkdesk_event_to_answer_seconds",
            "Time between an event at Talkdesk and the delivery of our answer.",
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )
        self._writes = Counter(
            "talkdesk_kubernetes_writes",
            "Write requests to the Kubernetes API, by kind and verb.",
            ("kind", "verb"),
            registry=registry,
        )
        self._drifts = Counter(
            "talkdesk_drift",
            "Objects of tenants that somebody else changed or deleted, by kind.",
            ("kind",),
            registry=registry,
        )
        self.watch_age = Gauge(
            "talkdesk_watch_last_event_age_seconds",
            "Seconds since the last event of any watch; the leader's own Lease causes one every few seconds.",
            registry=registry,
        )

        self.shards = Gauge(
            "talkdesk_shards",
            "Shards into which all accounts are divided, by this replica's settings.",
            registry=registry,
        )
        self.shards_held = Gauge(
            "talkdesk_shards_held",
            "Shards that this replica works on; where accounts are not divided, 1 for the leader.",
            registry=registry,
        )
        self.loop_lag = Gauge(
            "talkdesk_event_loop_lag_seconds",
            "Longest time in the last one to two minutes for which the event loop was blocked.",
            registry=registry,
        )

    def count_talkdesk_request(self, call: str, outcome: str, seconds: float) -> None:
        """Count a request to Talkdesk: the call's name, `ok` or the error's class name, and the seconds it took."""
        self._requests.labels(call, outcome).inc()
        self._request_seconds.labels(call).observe(seconds)

    def count_scim_request(self, call: str, outcome: str, _seconds: float) -> None:
        """Count a request to a SCIM service: the call's name, `ok` or the error's class name."""
        self._scim_requests.labels(call, outcome).inc()

    def count_hook_request(self, name: str, status: str, _seconds: float) -> None:
        """Count a request of a step, of which `name` is `namespace/app/step`: the status, or `none`."""
        app, _, step = name.rpartition("/")
        self._hook_requests.labels(app, step, status).inc()

    def count_notification(self, name: str, status: str, _seconds: float) -> None:
        """Count a request to an endpoint, of which `name` is `namespace/app/endpoint`: the status, or `none`."""
        app, _, endpoint = name.rpartition("/")
        self._notifications.labels(app, endpoint, status).inc()

    def count_answer(self, request: RequestType, decision: Decision, outcome: str, seconds: float) -> None:
        """Count an answer: `delivered`, `unclear` or `refused`, and the seconds since the event was made."""
        self._answers.labels(request.value, decision.value, outcome).inc()
        if outcome == "delivered":
            self._event_to_answer.observe(seconds)

    def count_drift(self, kind: str) -> None:
        """Count a tenant's object of that kind that somebody else changed or deleted."""
        self._drifts.labels(kind).inc()

    def count_write(self, kind: str, verb: str) -> None:
        """Count a request to the Kubernetes API that changes something."""
        self._writes.labels(kind, verb).inc()


class CircuitBreakersCollector(Collector):
    """Reads the circuit breakers of Talkdesk's hosts at each scrape: the sum of all that this process has."""

    def __init__(self) -> None:
        self.sources: list[Callable[[], Mapping[tuple[str, str], int]]] = []
        """What is read at a scrape."""

    @contextmanager
    def reading(self, read: Callable[[], Mapping[tuple[str, str], int]]) -> Iterator[None]:
        """Read also from here: a count of open breakers by app (`namespace/name`) and kind of host, api or token."""
        self.sources.append(read)
        try:
            yield
        finally:
            self.sources.remove(read)

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count the open breakers; there is no series for an app whose hosts all answer."""
        counted = GaugeMetricFamily(
            "talkdesk_api_breaker_open",
            "Hosts of Talkdesk whose circuit is open because calls keep failing; token hosts are one per customer.",
            labels=("app", "host"),
        )
        for labels, number in _sum(read() for read in self.sources).items():
            counted.add_metric(labels, number)
        yield counted


class InstallationsCollector(Collector):
    """Reads what caches count at each scrape, so that no counter can get out of step with them.

    It is the sum of all shards that this process works on: each account belongs to one of them.
    """

    def __init__(self) -> None:
        self._tallies: list[tuple[InstallationTally, Callable[[], datetime]]] = []

    def count(self, tally: InstallationTally, now: Callable[[], datetime]) -> None:
        """Count these installations, too."""
        self._tallies.append((tally, now))

    @contextmanager
    def counting(self, tally: InstallationTally, now: Callable[[], datetime]) -> Iterator[None]:
        """Count them for a while."""
        self.count(tally, now)
        try:
            yield
        finally:
            self._tallies.remove((tally, now))

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Report the counts by phase, condition and time left, and each app's nearest deadline."""
        tallies = [tally for tally, _ in self._tallies]
        phases = _sum(tally.phases for tally in tallies)
        yield _gauge("talkdesk_installations", "TalkdeskInstallations, by phase.", "phase", phases)
        text = "TalkdeskInstallations, by a condition's type and status."
        yield _gauge("talkdesk_installation_conditions", text, ("type", "status"), _sum(t.conditions for t in tallies))
        text = "TalkdeskInstallations whose deadline is near, by the last warning mark that has passed."
        yield _gauge("talkdesk_installations_near_deadline", text, "left", _sum(t.near_deadline for t in tallies))
        text = "Seconds until the nearest deadline for an answer; negative when it has passed."
        yield _gauge("talkdesk_nearest_deadline_seconds", text, (), self._seconds_left())

    def _seconds_left(self) -> Mapping[App, float]:
        """Return the seconds until the nearest deadline of each app."""
        nearest: dict[App, float] = {}
        for tally, now in self._tallies:
            for app, moment in tally.nearest_deadlines().items():
                left = (moment - now()).total_seconds()
                nearest[app] = min(left, nearest.get(app, left))
        return nearest


def _sum(counts: Iterable[Mapping[Any, int]]) -> Mapping[Any, int]:
    total: Tally[Any] = Tally()
    for each in counts:
        total.update(each)
    return total


def _gauge(name: str, text: str, labels: str | tuple[str, ...], values: Mapping[Any, float]) -> GaugeMetricFamily:
    names = ("namespace", "app", *((labels,) if isinstance(labels, str) else labels))
    gauge = GaugeMetricFamily(name, text, labels=names)
    for values_of_labels, value in values.items():
        gauge.add_metric(values_of_labels, value)
    return gauge
