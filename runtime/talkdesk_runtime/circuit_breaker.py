"""A circuit breaker for each of many hosts: after some failures in a row a host gets no calls for a while.

Belongs here: whether a call may be made, and what its outcome means for the next ones. Does not belong here: calls,
what counts as a failure, and the error of a call that may not be made: each adapter raises its own. Nothing here waits.

    closed ── failures in a row ──▶ open ── time is over ──▶ half-open: one call at a time is the probe
       ▲                             ▲                          │
       │                             └────── probe failed ──────┤ (the next time is longer)
       └──────────── any call was answered ─────────────────────┘
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.lru import LruMap

__all__ = ["Attempt", "BreakerLimits", "CircuitBreakers"]

_SIZE: Final = 4096
"""Failing hosts that are remembered, of about 500 B each. A host that is forgotten is merely called again."""
_IDLE: Final = timedelta(hours=1).total_seconds()
"""A host without a failure for that long is forgotten, because it is not called any more."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a circuit opens, and for how long."""

    failures: int
    """So many in a row open it."""
    open_time: Backoff
    """How long it stays open: longer with each probe that fails."""
    probe_time: timedelta | None = None
    """What `wait` returns while a probe is under way; None: the first of `open_time`, as a guess."""


class Attempt:
    """One call that is made."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        self.failed: bool | None = None
        """Set by the caller; None says nothing about the host, for example when the call was cancelled."""


@dataclass(slots=True)
class _Circuit:
    """What is known of a host whose last call failed."""

    failed_at: float
    failures: int = 0
    openings: int = 0
    """In a row; 0 while the circuit is closed."""
    open_until: float = 0.0
    probe: Attempt | None = None


class CircuitBreakers(Generic[K]):
    """A circuit breaker for each key; a host without failures takes no memory."""

    def __init__(
        self,
        limits: BreakerLimits,
        *,
        monotonic: Callable[[], float],
        chance: Callable[[], float] | None = None,
        size: int = _SIZE,
    ) -> None:
        """Take time in seconds, and chance from 0 to 1 (None: no jitter); remember `size` failing hosts at most."""
        self._limits = limits
        self._monotonic = monotonic
        self._chance = chance
        self._probe_time = (limits.probe_time or limits.open_time.first).total_seconds()
        self._circuits: LruMap[K, _Circuit] = LruMap(size)
        """The one that failed the longest time ago first."""

    def wait(self, key: K) -> float:
        """Return the seconds until a call may be made: 0 while the circuit is closed, or when a probe is due."""
        circuit = self._known(key)
        if circuit is None or circuit.openings == 0:
            return 0.0
        if circuit.probe is not None:
            return self._probe_time
        return max(0.0, circuit.open_until - self._monotonic())

    @contextmanager
    def attempt(self, key: K) -> Iterator[Attempt]:
        """Make a call and learn from what is set in the Attempt. Callers ask `wait` before, unless the call is urgent.

        The first call after the open time is the probe: until it has ended, `wait` lets no other go.
        """
        attempt = Attempt()
        circuit = self._known(key)
        if circuit is not None and circuit.probe is None and self._is_probe_due(circuit):
            circuit.probe = attempt
        try:
            yield attempt
        finally:
            self._learn(key, attempt)

    def open_keys(self) -> list[K]:
        """Return the keys whose circuits are not closed."""
        self._forget_idle()
        return [key for key in self._circuits if self._is_open(key)]

    def _is_probe_due(self, circuit: _Circuit) -> bool:
        return circuit.openings > 0 and circuit.open_until <= self._monotonic()

    def _is_open(self, key: K) -> bool:
        circuit = self._circuits.peek(key)
        return circuit is not None and circuit.openings > 0

    def _known(self, key: K) -> _Circuit | None:
        self._forget_idle()
        return self._circuits.peek(key)

    def _learn(self, key: K, attempt: Attempt) -> None:
        match attempt.failed:
            case True:
                self._failed(key, attempt)
            case False:
                # Whichever call it was: the host answered just now.
                self._circuits.pop(key)
            case None:
                circuit = self._circuits.peek(key)
                if circuit is not None and circuit.probe is attempt:
                    circuit.probe = None

    def _failed(self, key: K, attempt: Attempt) -> None:
        now = self._monotonic()
        circuit = self._circuits.peek(key) or _Circuit(now)
        circuit.failed_at = now
        self._circuits.put(key, circuit)
        if circuit.openings == 0:
            circuit.failures += 1
            if circuit.failures >= self._limits.failures:
                self._open(circuit, now)
        elif circuit.probe is attempt:
            self._open(circuit, now)
        # Else the call began before the circuit opened, or was urgent: neither is a reason to wait longer.

    def _open(self, circuit: _Circuit, now: float) -> None:
        circuit.openings += 1
        chance = 1.0 if self._chance is None else self._chance()
        circuit.open_until = now + self._limits.open_time.delay(circuit.openings, chance).total_seconds()
        circuit.probe = None

    def _forget_idle(self) -> None:
        while (oldest := next(iter(self._circuits), None)) is not None:
            circuit = self._circuits.peek(oldest)
            if circuit is not None and self._monotonic() - circuit.failed_at < _IDLE:
                return
            self._circuits.pop(oldest)
