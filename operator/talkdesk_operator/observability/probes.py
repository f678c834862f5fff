"""The process's health, as /healthz and /readyz report it.

Belongs here: what live and ready mean. Does not belong here: finding out, which each part does and reports here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from talkdesk_runtime.side_ports import Probes

__all__ = ["Health", "HealthReport", "JointHealth", "Stage", "probes_of"]


class Stage(StrEnum):
    """Where the process is in its life."""

    STARTING = "starting"
    """Nothing is asked of the API server yet."""
    LOADING = "loading"
    """Our objects are being listed, or a new leader waits for what the one before wrote last. What keeps it here is in
    `blocker`."""
    STANDBY = "standby"
    """Another process has the Lease, and this one's cache is warm. It counts as ready, or a rolling update would wait
    for ever; and not before, so that each hand-over is to a warm cache."""
    RUNNING = "running"
    """Leader; at work."""
    STOPPING = "stopping"
    """No new reconcile begins."""


class HealthReport(Protocol):
    """What is asked of a process's health."""

    @property
    def stage(self) -> Stage:
        """Where the process is."""
        ...

    def event_age(self) -> float:
        """Return the seconds since the last event of a watch."""
        ...

    def not_live(self) -> str | None:
        """Return why the process should be started anew, or None."""
        ...

    def not_ready(self) -> str | None:
        """Return why the process is not ready, or None."""
        ...


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
        return self._clock() - self._last_event if self._stage in (Stage.STANDBY, Stage.RUNNING) else 0.0

    def not_live(self) -> str | None:
        """Return why the process should be started anew, or None.

        A leader that renews its Lease and sees nothing of that is broken. A candidate that sees nothing has mostly lost
        the API server, like everybody else; a fresh start would only cost it its cache.
        """
        return self._silence() if self._stage is Stage.RUNNING else None

    def not_ready(self) -> str | None:
        """Return why the process is not ready, or None."""
        if self._stage is Stage.STANDBY:
            return self._silence()
        if self._stage is Stage.RUNNING:
            return None
        return f"{self._stage}: {self.blocker}" if self.blocker else str(self._stage)

    def _silence(self) -> str | None:
        age = self.event_age()
        return f"no event of any watch for {age:.0f} s" if self._limit is not None and age > self._limit else None


_FIRST: tuple[Stage, ...] = (Stage.LOADING, Stage.STARTING, Stage.RUNNING)
"""The stage of a process that holds shards, by theirs: the first of these in which any of them is."""


class JointHealth:
    """The health of a process that works on some shards: that of its looks at the Leases, and of each shard it holds.

    A process that holds none stands by; so does one that gives its last one up.
    """

    def __init__(self, own: Health) -> None:
        """Take the health of the looks: a standby at first, without a warm cache."""
        self._own = own
        self._shards: list[Health] = []

    @contextmanager
    def including(self, shard: Health) -> Iterator[None]:
        """Ask also this one, in this block."""
        self._shards.append(shard)
        try:
            yield
        finally:
            self._shards.remove(shard)

    @property
    def stage(self) -> Stage:
        """Where the process is."""
        stages = {shard.stage for shard in self._shards}
        at_work = next((stage for stage in _FIRST if stage in stages), None)
        return self._own.stage if at_work is None or self._own.stage is not Stage.STANDBY else at_work

    def event_age(self) -> float:
        """Return the longest time for which anything that is watched showed nothing."""
        return max(health.event_age() for health in (self._own, *self._shards))

    def not_live(self) -> str | None:
        """Return why one of the shards can't go on, or None."""
        return next(filter(None, (shard.not_live() for shard in self._shards)), None)

    def not_ready(self) -> str | None:
        """Return what is not loaded yet, or why the process stands by in vain, or None."""
        loading = [shard for shard in self._shards if shard.stage in (Stage.STARTING, Stage.LOADING)]
        return next(filter(None, (health.not_ready() for health in (self._own, *loading))), None)


def probes_of(health: HealthReport) -> Probes:
    """Return what a kubelet is told."""

    async def not_live() -> str | None:
        return health.not_live()

    async def not_ready() -> str | None:
        return health.not_ready()

    return Probes(not_live=not_live, not_ready=not_ready, state=lambda: str(health.stage))
