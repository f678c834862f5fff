"""The process's health, and the small HTTP server that tells it: /healthz, /readyz, /metrics.

Belongs here: what alive and ready mean. Does not belong here: finding out, which each part does and says.
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
    """Another process has the Lease. Ready, or a rolling update would wait for ever."""
    LOADING = "loading"
    """Leader; our objects are being listed."""
    RUNNING = "running"
    """Leader; at work."""
    STOPPING = "stopping"
    """Nothing new is begun."""


class Health:
    """The stage, and the last sign of life of the watches."""

    def __init__(self, *, clock: Callable[[], float], silence_limit: timedelta | None) -> None:
        """Take a monotonic clock; without a limit, silence is never held against the watches."""
        self._clock = clock
        self._limit = None if silence_limit is None else silence_limit.total_seconds()
        self._heard = clock()
        self._stage = Stage.STARTING
        self.blocker = ""
        """What keeps it from getting further, in words."""

    @property
    def stage(self) -> Stage:
        """Where the process is."""
        return self._stage

    def enter(self, stage: Stage) -> None:
        """Get to the next stage."""
        self._stage = stage
        self.blocker = ""
        self._heard = self._clock()

    def heard(self) -> None:
        """Note an event of a watch."""
        self._heard = self._clock()

    def silence(self) -> float:
        """Return the seconds since the last event of a watch; 0 where none is to be expected."""
        return self._clock() - self._heard if self._stage is Stage.RUNNING else 0.0

    def illness(self) -> str | None:
        """Return why the process should be started anew, if it should."""
        silence = self.silence()
        if self._limit is not None and silence > self._limit:
            return f"no event of any watch for {silence:.0f} s"
        return None

    def unready(self) -> str | None:
        """Return why the process is not ready, if it isn't."""
        if self._stage in (Stage.STANDBY, Stage.RUNNING):
            return None
        return f"{self._stage}: {self.blocker}" if self.blocker else str(self._stage)


@asynccontextmanager
async def serving(health: Health, registry: CollectorRegistry, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve until left; yield the port. Raises CannotListen."""
    app = web.Application()
    app.router.add_get("/healthz", _probe(health, health.illness))
    app.router.add_get("/readyz", _probe(health, health.unready))
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


def _probe(health: Health, problem: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        said = problem()
        return web.Response(status=200 if said is None else 503, text=f"{said or health.stage}\n")

    return answer


def _metrics(registry: CollectorRegistry) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return answer
