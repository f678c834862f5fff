"""An event loop whose time passes only when nothing else is left to do: hours of waiting take no time.

It is for programs without sockets and threads. Whoever decides in which order things happen is asked whenever the loop
would wait.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from typing_extensions import override

from builders.manual_clock import EPOCH
from talkdesk_runtime.clock import Clock

__all__ = ["VirtualTime", "run"]

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.idle: Callable[[float | None], None] = lambda _: None

    @override
    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self.idle(timeout)
        return ready


class VirtualTime(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self, happens: Callable[[], bool]) -> None:
        """`happens` may let something happen when the loop would wait; it returns whether it did."""
        selector = _Selector()
        super().__init__(selector)
        self._virtual = 1000.0
        self._happens = happens
        selector.idle = self._idle

    @override
    def time(self) -> float:
        return self._virtual

    def clock(self) -> Clock:
        """Return a Clock for the product that shows this loop's time."""
        return Clock(
            monotonic=self.time, now=lambda: EPOCH + timedelta(seconds=self._virtual - 1000.0), sleep=asyncio.sleep
        )

    def _idle(self, timeout: float | None) -> None:
        if self._happens():
            return
        if timeout is None:
            raise AssertionError("everybody waits for what nobody does")
        self._virtual += timeout


def run(main: Callable[[VirtualTime], Coroutine[Any, Any, T]], happens: Callable[[], bool] = lambda: False) -> T:
    """Run a coroutine function on such a loop of its own."""
    loop = VirtualTime(happens)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()
