"""The bounds of a connection, and who is told about it.

Belongs here: numbers and protocols. Does not belong here: what holds to them (connection, acceptor).
"""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["ConnectionLimits", "ConnectionObserver", "Evictable", "Unobserved"]


@dataclass(frozen=True)
class ConnectionLimits:
    """Bounds for each connection."""

    header_bytes: int = 64 * 1024
    """All of a request but its body: head, framing of chunks, trailers. Proxies in front allow heads of 8 to 32 KiB."""
    header_fields: int = 100
    """Fields of head and trailers together, as many as Python's own client accepts."""
    header_time: float = 10.0
    """Seconds from the connection's beginning, or a later request's first byte, to the end of the head."""
    request_time: float = 20.0
    """Seconds from the end of the head until the response is written and the rest of the request was read."""
    requests: int = 1000
    """Requests until a response closes the connection."""


class Evictable(Protocol):
    """A connection, to whoever may need its place."""

    def evict(self) -> None:
        """Close at once, to make room for another connection."""


class ConnectionObserver(Protocol):
    """What is told about one connection."""

    def waits(self, connection: Evictable) -> None:
        """Take note that no request is under way of which everything is here: head or body of one is waited for."""

    def works(self, connection: Evictable) -> None:
        """Take note that the whole of a request has arrived."""

    def refused(self, reason: str) -> None:
        """Take note that a request never came to the application, or was cut off."""

    def lost(self, connection: Evictable) -> None:
        """Take note that the connection is over."""


class Unobserved:
    """Is told everything and does nothing."""

    def waits(self, connection: Evictable) -> None:
        """Do nothing."""

    def works(self, connection: Evictable) -> None:
        """Do nothing."""

    def refused(self, reason: str) -> None:
        """Do nothing."""

    def lost(self, connection: Evictable) -> None:
        """Do nothing."""
