"""The process's health, and the small HTTP server that reports it: /healthz, /readyz, /metrics.

Belongs here: what live and ready mean. Does not belong here: finding out, which each part does and reports here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import StrEnum

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

__all__ = ["CannotListen", "Health", "Stage", "serving"]


class CannotListen(Exception):
    """The probes' address or port can't be had; `str()` says which and why."""


class Stage(StrEnum):
    """Where the process is in its life."""

    STARTING = "starting"
    """Nothing is asked of the API server yet."""
    STANDBY = "standby"
    """Another process has the Lease. This counts as ready, or a rolling update would wait for ever."""
    LOADING = "loading"
    """Leader; our objects are being listed. What keeps it here is in `blocker`."""
    RUNNING = "running"
    """Leader; at work."""
    STOPPING = "stopping"
    """No new reconcile begins."""


class Health:
    """The stage, and the time of the last event of any watch."""

    def __init__(self, *, clock: Callable[[], float], max_event_age: timedelta | None) -> None:
        """Take a monotonic clock. Without a `max_event_age` the process is live however old the last event is."""
        self._clock = clock
        self._limit = None if max_event_age is None else max_event_age.total_seconds()
        self._last_event = clock()
        self._stage = Stage.STARTING
        self.blocker = ""
        """What keeps it from the next stage, in words; empty for nothing."""

    @property
    def stage(self) -> Stage:
        """Where the process is."""
        return self._stage

    def enter(self, stage: Stage) -> None:
        """Begin the next stage."""
        self._stage = stage
        self.blocker = ""
        self._last_event = self._clock()

    def record_event(self) -> None:
        """Record that a watch showed an event."""
        self._last_event = self._clock()

    def event_age(self) -> float:
        """Return the seconds since the last event of a watch; 0 in stages in which nothing is watched."""
        return self._clock() - self._last_event if self._stage is Stage.RUNNING else 0.0

    def not_live(self) -> str | None:
        """Return why the process should be started anew, or None."""
        age = self.event_age()
        if self._limit is not None and age > self._limit:
            return f"no event of any watch for {age:.0f} s"
        return None

    def not_ready(self) -> str | None:
        """Return why the process is not ready, or None."""
        if self._stage in (Stage.STANDBY, Stage.RUNNING):
            return None
        return f"{self._stage}: {self.blocker}" if self.blocker else str(self._stage)


@asynccontextmanager
async def serving(health: Health, registry: CollectorRegistry, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve until left; yield the port. Raises CannotListen."""
    app = web.Application()
    app.router.add_get("/healthz", _probe(health, health.not_live))
    app.router.add_get("/readyz", _probe(health, health.not_ready))
    app.router.add_get("/metrics", _metrics(registry))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise CannotListen(f"can't listen on {host}:{port}: {error.strerror}") from None
        bound = int(runner.addresses[0][1])
        structlog.stdlib.get_logger(__name__).info("probes.listening", host=host, port=bound)
        yield bound
    finally:
        await runner.cleanup()


def _probe(health: Health, find_problem: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problem = find_problem()
        return web.Response(status=200 if problem is None else 503, text=f"{problem or health.stage}\n")

    return answer


def _metrics(registry: CollectorRegistry) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return answer
