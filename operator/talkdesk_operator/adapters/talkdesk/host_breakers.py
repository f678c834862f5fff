"""Circuit breakers for Talkdesk's hosts, and the error of a call that may not be made.

Belongs here: what is one host, and the port's error. Does not belong here: when a circuit opens and closes
(talkdesk_runtime.circuit_breaker), what counts as a failure.

API gateway and token hosts fail separately, and each customer has a token host of its own: so each host is judged
by itself, for each app and region.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from talkdesk_operator.domain.ports.talkdesk import TalkdeskUnavailable
from talkdesk_runtime.circuit_breaker import Attempt, BreakerLimits, CircuitBreakers

__all__ = ["Host", "HostBreakers", "HostKind"]


class HostKind(StrEnum):
    """What a host is there for."""

    API = "api"
    TOKEN = "token"  # noqa: S105 - a kind of host, no password


class Host(NamedTuple):
    """What one circuit breaker guards."""

    region_key: str
    kind: HostKind
    name: str
    """With its port, if there is one."""


class HostBreakers:
    """A circuit breaker for each host."""

    def __init__(
        self, limits: BreakerLimits, *, monotonic: Callable[[], float], chance: Callable[[], float] | None = None
    ) -> None:
        """Take time in seconds, and chance from 0 to 1 (None: no jitter)."""
        self._circuits: CircuitBreakers[Host] = CircuitBreakers(limits, monotonic=monotonic, chance=chance)

    def check(self, host: Host, call: str) -> None:
        """Raise TalkdeskUnavailable, with the time until the call may be made, while the circuit is open."""
        wait = self._circuits.wait(host)
        if wait:
            # No figures in the words: they go into a status, which isn't written while nothing changes.
            raise TalkdeskUnavailable(
                f"{call}: nothing was sent, because calls there keep failing; one of them will soon be tried again",
                retry_after=timedelta(seconds=wait),
            )

    def attempt(self, host: Host, call: str, *, urgent: bool = False) -> AbstractContextManager[Attempt]:
        """Make a call and learn from it; raise as `check` does, unless the call is urgent."""
        if not urgent:
            self.check(host, call)
        return self._circuits.attempt(host)

    def count_open(self) -> Counter[tuple[str, str]]:
        """Count the open circuits, by region key and kind of host."""
        return Counter((host.region_key, host.kind.value) for host in self._circuits.open_keys())
