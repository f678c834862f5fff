"""A Kubernetes API in memory that plays a script of listings and streams, and waits for ever when it is at its end."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from builders.manual_clock import ManualClock
from talkdesk_runtime.kube_errors import KubeError


@dataclass(frozen=True)
class Request:
    """One listing or stream that was asked for."""

    path: str
    query: Mapping[str, str]
    accept: str
    as_user: str | None
    idle: timedelta | None = None
    """None for a listing."""

    @property
    def is_stream(self) -> bool:
        return self.idle is not None


@dataclass(frozen=True)
class Stream:
    """Events; then it ends well, or with the error. It lasts so many seconds of the clock."""

    events: tuple[dict[str, Any], ...] = ()
    error: KubeError | None = None
    lasts: float = 0.0


Step: TypeAlias = dict[str, Any] | Stream | KubeError


def page(version: int | str, *items: dict[str, Any], more: str = "") -> dict[str, Any]:
    """Return a page of a listing; `more` is the token of the next page."""
    return {"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)}


def thing(name: str, version: int, **rest: Any) -> dict[str, Any]:
    """Return an object whose uid is its name."""
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}, **rest}


def event(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": raw}


@dataclass
class KubeStreamsInMemory:
    """Pages answer listings, Streams answer watches, errors answer either."""

    script: list[Step]
    clock: ManualClock
    requests: list[Request] = field(default_factory=list)
    present: str = "1000000"
    """The version that the API is at. A request that asks for no more than that is no part of the script."""
    played: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something is asked for after the end of the script."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = "",
        as_user: str | None = None,
    ) -> dict[str, Any]:
        assert method == "GET"
        if query == {"limit": "1"}:
            return page(self.present)
        step = await self._next(Request(path, dict(query or {}), accept, as_user))
        assert isinstance(step, dict), f"a listing was asked for, not {step}"
        return step

    async def watch(
        self, path: str, *, query: Mapping[str, str], accept: str, as_user: str | None, idle: timedelta
    ) -> AsyncGenerator[dict[str, Any], None]:
        step = await self._next(Request(path, dict(query), accept, as_user, idle))
        assert isinstance(step, Stream), f"a stream was asked for, not {step}"
        for each in step.events:
            yield each
        self.clock.advance(step.lasts)
        if step.error is not None:
            raise step.error

    async def _next(self, request: Request) -> Step:
        self.requests.append(request)
        if not self.script:
            self.played.set()
            await asyncio.Event().wait()
        step = self.script.pop(0)
        if isinstance(step, KubeError):
            raise step
        return step
