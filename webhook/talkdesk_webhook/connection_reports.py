"""What became of connections that brought no request to the application: counted each, logged now and then.

Belongs here: metrics and log lines of connections. Does not belong here: deliveries, of which an app's status tells
(event_reports).
"""

import structlog

from talkdesk_runtime.clock import Clock
from talkdesk_webhook.log_limit import LogLimit
from talkdesk_webhook.metrics import Metrics

__all__ = ["ConnectionReports"]

_log = structlog.stdlib.get_logger(__name__)


class ConnectionReports:
    """Counts and logs; a reason is one of ours, never a sender's word."""

    def __init__(self, metrics: Metrics, *, clock: Clock | None = None) -> None:
        self._metrics = metrics
        self._limit: LogLimit[str] = LogLimit((clock or Clock.system()).monotonic)

    def opened(self) -> None:
        """Count a connection that is open now."""
        self._metrics.connections.inc()

    def closed(self) -> None:
        """Count it no longer."""
        self._metrics.connections.dec()

    def refused(self, reason: str, peer: str) -> None:
        """Count a connection that was refused or cut off, and log it if that kind was not logged just now."""
        self._metrics.connections_refused.labels(reason).inc()
        left_out = self._limit.left_out(reason)
        if left_out is not None:
            _log.warning("connection.refused", reason=reason, source=peer, not_logged=left_out)
