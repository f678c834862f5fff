"""Prometheus metrics of the operator, on a registry that is handed in.

Belongs here: names, labels, help texts. Work queue and reconciler have controller-runtime's names, so that its
dashboards fit. Labels hold constants of ours and names of apps, never anything of a customer's.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from talkdesk_crds.installation import Decision, RequestType, TalkdeskInstallation

__all__ = ["CONTROLLER", "CircuitBreakersCollector", "InstallationsCollector", "Metrics"]

CONTROLLER = "account"
"""The one controller: a key is a customer's account of an app."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60)
_QUEUE_SECONDS = (1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 5, 10, 60, 300)
_ANSWER_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86400, 604800)


class Metrics:
    """What is counted and timed; one per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.queue = QueueMetrics(registry)
        self.reconciles = ReconcileMetrics(registry)
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
            buckets=_SECONDS,
            registry=registry,
        )
        self._scim_requests = Counter(
            "talkdesk_scim_requests",
            "Requests to SCIM services, by call and outcome.",
            ("call", "outcome"),
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

    def count_talkdesk_request(self, call: str, outcome: str, seconds: float) -> None:
        """Count a request to Talkdesk: the call's name, `ok` or the error's class name, and the seconds it took."""
        self._requests.labels(call, outcome).inc()
        self._request_seconds.labels(call).observe(seconds)

    def count_scim_request(self, call: str, outcome: str, _seconds: float) -> None:
        """Count a request to a SCIM service: the call's name, `ok` or the error's class name."""
        self._scim_requests.labels(call, outcome).inc()

    def count_answer(self, request: RequestType, decision: Decision, outcome: str, seconds: float) -> None:
        """Count an answer that was sent: `delivered` or `unclear`, and the seconds since the event was made."""
        self._answers.labels(request.value, decision.value, outcome).inc()
        if outcome == "delivered":
            self._event_to_answer.observe(seconds)

    def count_drift(self, kind: str) -> None:
        """Count a tenant's object of that kind that somebody else changed or deleted."""
        self._drifts.labels(kind).inc()

    def count_write(self, kind: str, verb: str) -> None:
        """Count a request to the Kubernetes API that changes something."""
        self._writes.labels(kind, verb).inc()


class QueueMetrics:
    """The work queue, as k8s.io/client-go names it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, ("name", "controller"), registry=registry).labels(CONTROLLER, CONTROLLER)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ("name", "controller"), registry=registry).labels(CONTROLLER, CONTROLLER)

        def histogram(name: str, text: str) -> Histogram:
            labels = ("name", "controller")
            made = Histogram(name, text, labels, buckets=_QUEUE_SECONDS, registry=registry)
            return made.labels(CONTROLLER, CONTROLLER)

        self.depth = gauge("workqueue_depth", "Keys that are pending: they wait for a worker.")
        self.unfinished = gauge("workqueue_unfinished_work_seconds", "Sum of the ages of all running reconciles.")
        self.longest = gauge("workqueue_longest_running_processor_seconds", "Age of the oldest running reconcile.")
        self.adds = counter(
            "workqueue_adds", "Keys added to the queue; adding a key that is pending already does not count."
        )
        self.retries = counter(
            "workqueue_retries", "Keys added to the queue again because a reconcile failed or asked for it."
        )
        self.waited = histogram(
            "workqueue_queue_duration_seconds", "Time between a key being added and a worker starting on it."
        )
        self.worked = histogram("workqueue_work_duration_seconds", "Duration of a reconcile.")


class ReconcileMetrics:
    """The reconciler, as controller-runtime names it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.total = Counter(
            "controller_runtime_reconcile",
            "Reconciles, by result: success, error, requeue, requeue_after.",
            ("controller", "result"),
            registry=registry,
        )
        controller = ("controller",)
        self.errors = Counter(
            "controller_runtime_reconcile_errors", "Reconciles that failed.", controller, registry=registry
        ).labels(CONTROLLER)
        self.seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Duration of a reconcile.",
            controller,
            buckets=_SECONDS,
            registry=registry,
        ).labels(CONTROLLER)
        self.limit = Gauge(
            "controller_runtime_max_concurrent_reconciles", "Number of workers.", controller, registry=registry
        ).labels(CONTROLLER)
        self.active = Gauge(
            "controller_runtime_active_workers",
            "Number of workers that are reconciling now.",
            controller,
            registry=registry,
        ).labels(CONTROLLER)


class CircuitBreakersCollector(Collector):
    """Reads the circuit breakers of Talkdesk's hosts at each scrape."""

    def __init__(self, read: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        """Take a count of open breakers by app (`namespace/name`) and kind of host (`api` or `token`)."""
        self._read = read

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count the open breakers; there is no series for an app whose hosts all answer."""
        counted = GaugeMetricFamily(
            "talkdesk_api_breaker_open",
            "Hosts of Talkdesk whose circuit is open because calls keep failing; token hosts are one per customer.",
            labels=("app", "host"),
        )
        for labels, number in self._read().items():
            counted.add_metric(labels, number)
        yield counted


class InstallationsCollector(Collector):
    """Reads the installations at each scrape, so that no counter can get out of step with them."""

    def __init__(self, read: Callable[[], Iterable[TalkdeskInstallation]], now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count the installations by phase, condition and time left, and find each app's nearest deadline."""
        phases, conditions, left = _Tally(), _Tally(), _Tally()
        nearest: dict[tuple[str, ...], datetime] = {}
        for installation in self._read():
            app, status = (installation.metadata.namespace, installation.app), installation.status
            phases[*app, status.phase or "Unknown"] += 1
            conditions.update((*app, condition.type, condition.status) for condition in status.conditions)
            if status.time_left is not None:
                left[*app, status.time_left] += 1
            if status.deadline is not None:
                nearest[app] = min(status.deadline, nearest.get(app, status.deadline))
        yield _gauge("talkdesk_installations", "TalkdeskInstallations, by phase.", "phase", phases)
        text = "TalkdeskInstallations, by a condition's type and status."
        yield _gauge("talkdesk_installation_conditions", text, ("type", "status"), conditions)
        text = "TalkdeskInstallations whose deadline is near, by the last warning mark that has passed."
        yield _gauge("talkdesk_installations_near_deadline", text, "left", left)
        text = "Seconds until the nearest deadline for an answer; negative when it has passed."
        now = self._now()
        seconds = {app: (moment - now).total_seconds() for app, moment in nearest.items()}
        yield _gauge("talkdesk_nearest_deadline_seconds", text, (), seconds)


_Tally: TypeAlias = Tally[tuple[str, ...]]


def _gauge(
    name: str, text: str, labels: str | tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    names = ("namespace", "app", *((labels,) if isinstance(labels, str) else labels))
    gauge = GaugeMetricFamily(name, text, labels=names)
    for values_of_labels, value in values.items():
        gauge.add_metric(values_of_labels, value)
    return gauge
