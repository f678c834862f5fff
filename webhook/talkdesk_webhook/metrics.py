"""Prometheus metrics of the webhook, on a registry that is handed in.

Belongs here: names, labels and help texts. Label values are ours only, never anything that a sender chose.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from talkdesk_runtime.tls_files import TlsMetrics

__all__ = ["Metrics"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """What is counted and timed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.tls = TlsMetrics(registry)
        self.events = Counter(
            "talkdesk_webhook_events",
            "Events answered with 200, by type (unknown ones as `other`) and what became of them.",
            ("type", "result"),
            registry=registry,
        )
        self.refused = Counter(
            "talkdesk_webhook_refused",
            "Requests not answered with 200, by status and reason; bad signatures are those with status 401, logouts"
            " that were not forwarded those with a reason that begins with `logout_`.",
            ("status", "reason"),
            registry=registry,
        )
        self.duration = Histogram(
            "talkdesk_webhook_duration_seconds",
            "From the end of a request's headers to its response, by status.",
            ("status",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "talkdesk_webhook_in_flight",
            "Requests that are being handled now.",
            registry=registry,
        )
        self.apps = Gauge(
            "talkdesk_webhook_apps",
            "TalkdeskApps that are known from their watch and can be used.",
            registry=registry,
        )
        self.apps_watched = Gauge(
            "talkdesk_webhook_apps_watched",
            "1 while all TalkdeskApps come from a watch, 0 while some are read one by one when an event comes.",
            registry=registry,
        )
        self.connections = Gauge(
            "talkdesk_webhook_connections",
            "Connections that are open now.",
            registry=registry,
        )
        self.connections_refused = Counter(
            "talkdesk_webhook_connections_refused",
            "Connections that were refused, cut off or closed to make room, without or before a request's own response,"
            " by reason.",
            ("reason",),
            registry=registry,
        )
