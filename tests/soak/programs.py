"""Operators and webhooks as real processes that are killed and started again at once, as a kubelet does."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from builders.child import Child

__all__ = ["Program"]

_PAUSE = 0.5
"""Seconds until a program that ended by itself is started again."""


@dataclass(eq=False)
class Program:
    """One replica through all its lives."""

    name: str
    module: str
    settings: Mapping[str, str]
    """By their names with the prefix."""
    child: Child | None = None
    port: int = 0
    """Of a webhook, for events; another one in each life, as a fixed one may be taken by a connection meanwhile."""
    ports: dict[str, int] = field(default_factory=dict)
    logs: list[bytearray] = field(default_factory=list)
    """Of all lives."""
    kills: int = 0
    ended: list[int] = field(default_factory=list)
    """Exit statuses of lives that ended by themselves, for example because the API server was away."""
    stopping: bool = False
    _client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=5, trust_env=False))
    _started: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.process.pid

    @property
    def is_webhook(self) -> bool:
        return self.module == "talkdesk_webhook"

    @property
    def leads(self) -> bool:
        """Return whether it has got the Lease in this life, and not lost it."""
        assert self.child is not None
        return b'"leader.acquired"' in self.child.log and b'"leader.lost"' not in self.child.log

    async def run(self) -> None:
        """Start it, and again whenever it has ended, until told to stop."""
        while not self.stopping:
            kills = self.kills
            status = await self._live()
            if self.kills == kills and not self._is_stopping():
                self.ended.append(status)
                await asyncio.sleep(_PAUSE)

    def _is_stopping(self) -> bool:
        return self.stopping

    async def _live(self) -> int:
        settings = dict(self.settings)
        if self.is_webhook:
            settings["TALKDESK_WEBHOOK_PORT"] = "0"
        self.child = child = await Child.start(self.module, settings)
        self.logs.append(child.log)
        with suppress(AssertionError, TimeoutError):  # it has ended meanwhile
            for listener in ("probes", "metrics"):
                self.ports[listener] = (await child.logged(f"{listener}.listening"))["port"]
            if self.is_webhook:
                self.port = (await child.logged("server.listening"))["port"]
            self._started.set()
        status = await child._gone()
        self._started.clear()
        return status

    async def started(self) -> None:
        """Wait until it listens."""
        async with asyncio.timeout(600):
            await self._started.wait()

    async def kill(self) -> None:
        """End it by SIGKILL; `run` starts it again."""
        assert self.child is not None
        self.kills += 1
        with suppress(ProcessLookupError):
            self.child.process.kill()

    async def stop(self) -> int | None:
        """End it in order, for good; return its exit status."""
        self.stopping = True
        try:
            return None if self.child is None else await self.child.terminate()
        finally:
            await self._client.aclose()

    async def fetch(self, path: str) -> httpx.Response:
        """Ask for its metrics or its health."""
        port = self.ports["metrics" if path == "/metrics" else "probes"]
        return await self._client.get(f"http://127.0.0.1:{port}{path}")

    async def is_ready(self) -> bool:
        """Return whether it says that it works."""
        try:
            return (await self.fetch("/readyz")).status_code == 200
        except (httpx.HTTPError, KeyError):
            return False
