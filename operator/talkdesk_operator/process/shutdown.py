"""Why and how the process ends, or one shard's work in it.

Belongs here: the first reason, signals, parts whose end is the end of all. Does not belong here: the order in which
parts end (`controller`, `run`), the end of a process that hangs (`last_resort`).
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from typing_extensions import override

__all__ = ["ShardShutdown", "Shutdown"]


@dataclass(slots=True)
class Shutdown:
    """Why the process ends; the first reason stands."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0
    reason: str = ""
    hurried: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when running reconciles must stop now: another process may begin with the same accounts, or somebody has sent
    a second signal."""
    begun: Callable[[], object] = lambda: None
    """Called once, when the end begins."""
    shards: "list[ShardShutdown]" = field(default_factory=list)
    """Those that end with it."""

    def begin(self, reason: str, code: int, *, abrupt: bool = False) -> None:
        """Begin to end, with that exit code; `abrupt` counts also when the end has begun before."""
        if not self._begins(reason, code, abrupt=abrupt):
            return
        structlog.stdlib.get_logger(__name__).info("operator.stopping", reason=reason, code=code)
        self.begun()

    def _begins(self, reason: str, code: int, *, abrupt: bool) -> bool:
        """Take the reason, if it is the first one, and tell the shards; return whether it is."""
        first = not self.event.is_set()
        if abrupt:
            self.hurried.set()
        if first:
            self.code, self.reason = code, reason
            self.event.set()
        for each in tuple(self.shards):
            each.begin(reason, 0, abrupt=abrupt)
        return first

    def install_signal_handlers(self) -> None:
        """End in order at SIGTERM and SIGINT, and at once at the second of them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signaled, number.name)

    def _signaled(self, name: str) -> None:
        self.begin(name, 0, abrupt=self.event.is_set())

    def supervise(self, coroutine: Coroutine[Any, Any, None], name: str, *, abrupt: bool = False) -> asyncio.Task[None]:
        """Start something that goes on for as long as the process; when it ends before, so does the process."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                structlog.stdlib.get_logger(__name__).error("process.part_failed", part=name, exc_info=error)
            self.begin(f"{name} ended", 1, abrupt=abrupt)

        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(ended)
        return task

    async def completes_before(self, work: Awaitable[object]) -> bool:
        """Wait for the work or the begin of the end; return whether the work was first. Else it is cancelled.

        Raises what the work raised.
        """
        task = asyncio.ensure_future(work)
        end = asyncio.create_task(self.event.wait())
        try:
            await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            end.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if task.cancelled():
            return False
        task.result()
        return not self.event.is_set()


@dataclass(slots=True)
class ShardShutdown(Shutdown):
    """Why the work on one shard ends. Where it ends by a failure, so does the process; others end in order then."""

    process: Shutdown = field(kw_only=True)

    @contextmanager
    def among_all(self) -> Iterator[None]:
        """End with the process, in this block."""
        self.process.shards.append(self)
        if self.process.event.is_set():
            self.begin(self.process.reason, 0, abrupt=self.process.hurried.is_set())
        try:
            yield
        finally:
            self.process.shards.remove(self)

    @override
    def begin(self, reason: str, code: int, *, abrupt: bool = False) -> None:
        """Begin to end; with another code than 0, begin the process's end as well."""
        if self._begins(reason, code, abrupt=abrupt) and code:
            self.process.begin(reason, code)

    @override
    def install_signal_handlers(self) -> None:
        """Install the process's: a signal is for all shards."""
        self.process.install_signal_handlers()
