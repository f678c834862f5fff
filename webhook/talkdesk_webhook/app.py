"""The HTTP side: routes, JSON responses, the limit on requests at once, and metrics.

Belongs here: everything about HTTP, and nothing about events. Does not belong here: decisions
(receiver).
"""

import re
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import orjson
import structlog
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_webhook.metrics import Metrics
from talkdesk_webhook.receiver import EventOutcome, EventRefused, EventRequest, Receiver

__all__ = ["create_app"]

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OBJECT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

_log = structlog.stdlib.get_logger(__name__)


def create_app(
    receiver: Receiver,
    metrics: Metrics,
    ready: Callable[[], Awaitable[bool]],
    *,
    max_in_flight: int,
) -> Starlette:
    """Return the ASGI application; it opens and closes nothing, so it has no lifespan."""
    endpoints = _Endpoints(receiver, metrics, ready, max_in_flight)
    app = Starlette(
        routes=[
            Route("/events/{namespace}/{app}", endpoints.events, methods=["POST"]),
            Route("/healthz", endpoints.healthz, methods=["GET"]),
            Route("/readyz", endpoints.readyz, methods=["GET"]),
            Route("/metrics", endpoints.metrics, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _no_route, Exception: endpoints.failed},
    )
    app.router.redirect_slashes = False  # nothing says that a sender of events follows redirects
    return app


class _Endpoints:
    def __init__(
        self, receiver: Receiver, metrics: Metrics, ready: Callable[[], Awaitable[bool]], max_in_flight: int
    ) -> None:
        self._receiver = receiver
        self._metrics = metrics
        self._ready = ready
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def events(self, request: Request) -> Response:
        started = time.perf_counter()
        self._in_flight += 1
        self._metrics.in_flight.inc()
        try:
            response = self._accepted(await self._receive(request))
        except EventRefused as refused:
            response = self._refused(refused)
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.dec()
        self._metrics.duration.labels(str(response.status_code)).observe(time.perf_counter() - started)
        return response

    async def _receive(self, request: Request) -> EventOutcome:
        if self._in_flight > self._max_in_flight:
            raise EventRefused(503, "busy", "too many requests at once", timedelta(seconds=1))
        namespace, app = request.path_params["namespace"], request.path_params["app"]
        if _NAMESPACE.fullmatch(namespace) is None or _OBJECT.fullmatch(app) is None:
            raise EventRefused(404, "app_unknown", "there is no such app")
        return await self._receiver.receive(EventRequest(namespace, app, request.headers, request.receive))

    def _accepted(self, outcome: EventOutcome) -> Response:
        self._metrics.events.labels(outcome.event_type, outcome.result.value).inc()
        return _json(200, {"result": outcome.result.value})

    def _refused(self, refused: EventRefused) -> Response:
        self._metrics.refused.labels(str(refused.status), refused.reason).inc()
        _log.debug("request.refused", status=refused.status, reason=refused.reason)
        # The unread rest of a body must not be taken for the next request, nor be waited for.
        headers = {"Connection": "close"}
        if refused.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(refused.retry_after.total_seconds())))
        return _json(refused.status, {"error": str(refused), "reason": refused.reason}, headers)

    async def failed(self, _: Request, error: Exception) -> Response:
        """Respond after a fault of our own; the server logs the traceback."""
        self._metrics.refused.labels("500", "internal").inc()
        _log.error("request.failed", kind=type(error).__name__)
        return _json(500, {"error": "internal error", "reason": "internal"}, {"Retry-After": "5"})

    async def healthz(self, _: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        if await self._ready():
            return _json(200, {"status": "ok"})
        return _json(503, {"error": "the API server can't be reached", "reason": "api_server_unreachable"})

    async def metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's handlers are typed for any exception
    reason = "method_not_allowed" if error.status_code == 405 else "not_found"
    return _json(error.status_code, {"error": error.detail.lower(), "reason": reason}, dict(error.headers or {}))


def _json(status: int, content: dict[str, str], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content) + b"\n", status, headers, media_type="application/json")
