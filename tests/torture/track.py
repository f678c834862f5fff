"""What the proxies know of one life: how to recognize it, what it has done so far, and its one disturbance.

Belongs here: counting points, and stopping at the one. Does not belong here: HTTP (the proxies), the steps (`life`).
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torture.names import action_of
from torture.points import Disturbance, Kind, Point

__all__ = ["Track"]


@dataclass(eq=False)
class Track:
    """Of one life."""

    token: str
    """Is in every name of the life, so that its requests are recognized."""
    names: Callable[[], Sequence[tuple[str, str]]]
    """Returns what differs from life to life, and the words that stand for it."""
    disturbances: Mapping[str, Disturbance] = field(default_factory=dict)
    """At most one in each step, by the step's name."""
    met: list[Point] = field(default_factory=list)
    """Every point so far, in order."""
    wrong: list[str] = field(default_factory=list)
    """What the proxies saw that must not be."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the step's disturbance takes place, or waits for the blow that falls on all lives at once."""
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after that blow."""
    _step: str = ""
    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _running: int = 0
    _last: float = field(default_factory=time.monotonic)
    _passed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _streams: Counter[str] = field(default_factory=Counter)

    def begin(self, step: str) -> None:
        """Count the points of a step from now on, and wait for its disturbance."""
        self._step = step
        self._counts.clear()
        self.reached, self.struck = asyncio.Event(), asyncio.Event()

    @property
    def disturbance(self) -> Disturbance | None:
        """That of the present step."""
        return self.disturbances.get(self._step)

    @property
    def waits(self) -> bool:
        """Return whether it is at its point, and the blow has not fallen yet."""
        needs_blow = self.disturbance is not None and self.disturbance.blow is not None
        return needs_blow and self.reached.is_set() and not self.struck.is_set()

    def meet(self, actor: str, server: str, what: str) -> Kind | None:
        """Count a point; return the kind of disturbance that it is to have, if any."""
        action = action_of(what, self.names())
        self._counts[actor, server, action] += 1
        point = Point(self._step, actor, server, action, self._counts[actor, server, action])
        self.met.append(point)
        self._last = time.monotonic()
        if self.disturbance is None or self.reached.is_set() or self.disturbance.point != point:
            return None
        self.reached.set()
        return self.disturbance.kind

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count a request as under way."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._last = time.monotonic()

    def rests(self, seconds: float) -> bool:
        """Return whether nothing was asked or sent for so long."""
        return not self._running and time.monotonic() - self._last >= seconds

    async def passed(self, stream: str) -> None:
        """Take note that an event of a stream went through."""
        async with self._passed:
            self._streams[stream] += 1
            self._passed.notify_all()

    async def another_passes(self, stream: str, within: float) -> None:
        """Wait until an event of another stream goes through, but not longer than so many seconds."""

        def others() -> int:
            return sum(count for name, count in self._streams.items() if name != stream)

        before = others()
        try:
            async with asyncio.timeout(within), self._passed:
                await self._passed.wait_for(lambda: others() > before)
        except TimeoutError:
            return
