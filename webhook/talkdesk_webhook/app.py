"""The HTTP side: the one route, JSON responses, the limit on requests at once, and what is counted of them.

Belongs here: everything about HTTP, and nothing about events. Does not belong here: decisions
(receiver).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_webhook.event_reports import EventReports
from talkdesk_webhook.metrics import Metrics
from talkdesk_webhook.receiver import EventOutcome, EventRefused, EventRequest, Receiver

__all__ = ["create_app"]

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OBJECT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

_log = structlog.stdlib.get_logger(__name__)


def create_app(
    receiver: Receiver, metrics: Metrics, *, max_in_flight: int, reports: EventReports, path_prefix: str = ""
) -> Starlette:
    """Return the ASGI application; it opens and closes nothing, so it has no lifespan."""
    endpoints = _Endpoints(receiver, metrics, max_in_flight, reports)
    app = Starlette(
        routes=[Route(path_prefix + "/events/{namespace}/{app}", endpoints.events, methods=["POST"])],
        exception_handlers={HTTPException: _no_route, Exception: endpoints.failed},
    )
    app.router.redirect_slashes = False  # nothing says that a sender of events follows redirects
    return app


class _Endpoints:
    def __init__(
        self,
        receiver: Receiver,
        metrics: Metrics,
        max_in_flight: int,
        reports: EventReports,
    ) -> None:
        self._receiver = receiver
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._reports = reports
        self._in_flight = 0

    async def events(self, request: Request) -> Response:
        started = time.perf_counter()
        namespace, app = _names(request)
        self._metrics.in_flight.inc()
        try:
            outcome = await self._receive(request, namespace, app)
            response = self._accepted(outcome)
            self._reports.accepted(namespace, app, outcome.key_id)
        except EventRefused as refused:
            response = self._refused(refused)
            self._reports.refused(namespace, app, refused.status, refused.reason)
        finally:
            self._metrics.in_flight.dec()
        self._metrics.duration.labels(str(response.status_code)).observe(time.perf_counter() - started)
        return response

    async def _receive(self, request: Request, namespace: str, app: str) -> EventOutcome:
        if not namespace:
            raise EventRefused(404, "app_unknown", "there is no such app")
        peer = "" if request.client is None else request.client.host
        delivery = EventRequest(namespace, app, request.headers, request.receive, self._place, peer)
        return await self._receiver.receive(delivery)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Count an event whose whole body is here: how slowly others come must not matter to it."""
        if self._in_flight >= self._max_in_flight:
            raise EventRefused(503, "busy", "too many requests at once", timedelta(seconds=1))
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def _accepted(self, outcome: EventOutcome) -> Response:
        self._metrics.events.labels(outcome.event_type, outcome.result.value).inc()
        return _json(200, {"result": outcome.result.value})

    def _refused(self, refused: EventRefused) -> Response:
        self._metrics.refused.labels(str(refused.status), refused.reason).inc()
        headers: dict[str, str] = {}
        if refused.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(refused.retry_after.total_seconds())))
        return _json(refused.status, {"error": str(refused), "reason": refused.reason}, headers)

    async def failed(self, _: Request, error: Exception) -> Response:
        """Respond after a fault of our own; the server logs the traceback."""
        self._metrics.refused.labels("500", "internal").inc()
        _log.error("request.failed", kind=type(error).__name__)
        return _json(500, {"error": "internal error", "reason": "internal"}, {"Retry-After": "5"})


def _names(request: Request) -> tuple[str, str]:
    """Return the app's namespace and name; both empty where there can't be such an app."""
    namespace, app = request.path_params["namespace"], request.path_params["app"]
    if _NAMESPACE.fullmatch(namespace) is None or _OBJECT.fullmatch(app) is None:
        return "", ""
    return namespace, app


async def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's handlers are typed for any exception
    reason = "method_not_allowed" if error.status_code == 405 else "not_found"
    return _json(error.status_code, {"error": error.detail.lower(), "reason": reason}, dict(error.headers or {}))


def _json(status: int, content: dict[str, str], headers: dict[str, str] | None = None) -> Response:
    """Return a response, which closes its connection if it refuses.

    So the unread rest of a body is neither taken for the next request nor waited for, and who sends requests without a
    pause has to connect for each.
    """
    closing = {"Connection": "close"} if status >= 400 else {}
    return Response(orjson.dumps(content) + b"\n", status, closing | (headers or {}), media_type="application/json")
