"""Sparing a host that is down: after some failures in a row it is left alone for a while, then asked by one call.

Belongs here: whether a call may go, and what its outcome means for the next ones. Does not belong here: requests,
retries, what counts as a failure. Nothing here waits, and time is handed in.

API gateway and token hosts fail separately, and each customer has a token host of its own: so each host is judged
by itself, for each app and region.
"""

import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from talkdesk_operator.domain.ports.talkdesk import TalkdeskUnavailable

_MOST: Final = 4096
"""Hosts in trouble that are remembered, of about 500 B each; a region that is down takes the token hosts of all its
customers with it, and those forgotten are merely tried again."""
_IDLE: Final = timedelta(hours=1).total_seconds()
"""What nobody called for that long is forgotten, such as the hosts of an app that was deleted."""
_DOUBLINGS: Final = 16


class HostKind(StrEnum):
    """What a host is there for."""

    API = "api"
    TOKEN = "token"  # noqa: S105 - a kind of host, no password


class Host(NamedTuple):
    """Whom a breaker guards."""

    region_key: str
    kind: HostKind
    name: str
    """With its port, if there is one."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When to leave a host alone, and for how long."""

    failures: int = 10
    """So many calls in a row that got no answer, or one of a server that is ill."""
    shortest: timedelta = timedelta(seconds=5)
    """The first time; each probe that fails doubles it. Half of it is random."""
    longest: timedelta = timedelta(minutes=1)


class Passage:
    """One call on its way through."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        self.failed: bool | None = None
        """Set by whoever made the call; None says nothing about the host, as when the call was given up."""


@dataclass(slots=True)
class _Trouble:
    """What is known of a host whose last call failed."""

    used: float
    failures: int = 0
    openings: int = 0
    """In a row; 0 while calls still go."""
    until: float = 0.0
    """When a probe may go."""
    probe: Passage | None = None


class Breakers:
    """A breaker per host; a host in order takes no memory."""

    def __init__(
        self,
        limits: BreakerLimits,
        *,
        monotonic: Callable[[], float],
        rng: Callable[[], float] = random.random,
        size: int = _MOST,
    ) -> None:
        """Take time in seconds, and chance from 0 to 1; remember `size` hosts in trouble at most."""
        self._limits = limits
        self._monotonic = monotonic
        self._rng = rng
        self._size = size
        self._troubles: OrderedDict[Host, _Trouble] = OrderedDict()
        """Used longest ago first."""

    def check(self, host: Host, call: str) -> None:
        """Raise Unavailable, with the time until it may work, while the host is left alone."""
        trouble = self._known(host)
        if trouble is None or trouble.openings == 0:
            return
        now = self._monotonic()
        # Nobody knows how long a probe will take; the shortest time is as good a guess as any.
        wait = trouble.until - now if trouble.probe is None else self._limits.shortest.total_seconds()
        if wait > 0:
            # No figures in the words: they go into a status, which isn't written while nothing changes.
            raise TalkdeskUnavailable(
                f"{call}: nothing was sent, as calls there keep failing; one of them will soon be tried again",
                retry_after=timedelta(seconds=wait),
            )

    @contextmanager
    def passing(self, host: Host, call: str, *, urgent: bool = False) -> Iterator[Passage]:
        """Let a call through and learn from it; Unavailable as `check` says, unless it is urgent.

        The first call after the host was left alone is the probe: until it is back, no other passes.
        """
        if not urgent:
            self.check(host, call)
        passage = Passage()
        trouble = self._known(host)
        if trouble is not None and trouble.openings and trouble.probe is None and trouble.until <= self._monotonic():
            trouble.probe = passage
        try:
            yield passage
        finally:
            self._learn(host, passage)

    def open(self) -> Counter[tuple[str, str]]:
        """Count the hosts that are being left alone, by region key and kind."""
        self._forget_idle()
        return Counter(
            (host.region_key, host.kind.value) for host, trouble in self._troubles.items() if trouble.openings
        )

    def _known(self, host: Host) -> _Trouble | None:
        self._forget_idle()
        return self._troubles.get(host)

    def _learn(self, host: Host, passage: Passage) -> None:
        match passage.failed:
            case True:
                self._failed(host, passage)
            case False:
                # Whichever call it was: there was an answer just now.
                self._troubles.pop(host, None)
            case None:
                trouble = self._troubles.get(host)
                if trouble is not None and trouble.probe is passage:
                    trouble.probe = None

    def _failed(self, host: Host, passage: Passage) -> None:
        now = self._monotonic()
        trouble = self._troubles.setdefault(host, _Trouble(now))
        trouble.used = now
        self._troubles.move_to_end(host)
        if len(self._troubles) > self._size:
            self._troubles.popitem(last=False)
        if trouble.openings == 0:
            trouble.failures += 1
            if trouble.failures >= self._limits.failures:
                self._open(trouble, now)
        elif trouble.probe is passage:
            self._open(trouble, now)
        # Else it left before the host was left alone, or was urgent: neither is a reason to wait longer.

    def _open(self, trouble: _Trouble, now: float) -> None:
        longest = min(self._limits.shortest * 2 ** min(trouble.openings, _DOUBLINGS), self._limits.longest)
        trouble.openings += 1
        trouble.until = now + longest.total_seconds() * (0.5 + self._rng() / 2)
        trouble.probe = None

    def _forget_idle(self) -> None:
        while self._troubles:
            oldest = next(iter(self._troubles.values()))
            if self._monotonic() - oldest.used < _IDLE:
                return
            self._troubles.popitem(last=False)
