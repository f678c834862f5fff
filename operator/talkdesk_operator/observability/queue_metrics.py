"""Metrics of the work queue and of reconciles, named as controller-runtime names them, so that its dashboards fit.

Belongs here: names, labels, help texts. Does not belong here: how busy queues are (`queue_loads`).
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from talkdesk_operator.observability.queue_loads import QueueLoads

__all__ = ["CONTROLLER", "SECONDS", "QueueMetrics", "ReconcileMetrics"]

CONTROLLER: Final = "account"
"""The one controller: a key is a customer's account of an app."""
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60)
_QUEUE_SECONDS: Final = (1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 5, 10, 60, 300)


class QueueMetrics:
    """The work queues, as k8s.io/client-go names them."""

    def __init__(self, registry: CollectorRegistry, loads: QueueLoads) -> None:
        def gauge(name: str, text: str, read: Callable[[], float]) -> None:
            made = Gauge(name, text, ("name", "controller"), registry=registry).labels(CONTROLLER, CONTROLLER)
            made.set_function(read)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, ("name", "controller"), registry=registry).labels(CONTROLLER, CONTROLLER)

        def histogram(name: str, text: str) -> Histogram:
            labels = ("name", "controller")
            made = Histogram(name, text, labels, buckets=_QUEUE_SECONDS, registry=registry)
            return made.labels(CONTROLLER, CONTROLLER)

        gauge("workqueue_depth", "Keys that are pending: they wait for a worker.", loads.pending)
        gauge("workqueue_unfinished_work_seconds", "Sum of the ages of all running reconciles.", loads.unfinished)
        text = "Age of the oldest running reconcile."
        gauge("workqueue_longest_running_processor_seconds", text, loads.longest)
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

    def __init__(self, registry: CollectorRegistry, loads: QueueLoads) -> None:
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
            buckets=SECONDS,
            registry=registry,
        ).labels(CONTROLLER)
        limit = Gauge(
            "controller_runtime_max_concurrent_reconciles", "Number of workers.", controller, registry=registry
        )
        limit.labels(CONTROLLER).set_function(loads.workers)
        active = Gauge(
            "controller_runtime_active_workers",
            "Number of workers that are reconciling now.",
            controller,
            registry=registry,
        )
        active.labels(CONTROLLER).set_function(loads.active)
