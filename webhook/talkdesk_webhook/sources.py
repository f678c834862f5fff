"""Where connections come from: which addresses may connect, and how many connections there are, in all and from each.

An address is that of the TCP connection. What a sender or a proxy writes about it (X-Forwarded-For, Forwarded, the
PROXY protocol) decides nothing.

Belongs here: addresses and counts. Does not belong here: sockets (acceptor).
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from talkdesk_runtime.networks import Network, address_of, source_of

__all__ = ["Refusal", "Sources"]


class Refusal(StrEnum):
    """Why a connection is refused; also a metric's label."""

    FORBIDDEN = "source_forbidden"
    """Its address is in none of the allowed networks."""
    SOURCE_LIMIT = "source_limit"
    """There are as many from its address as there may be."""
    LIMIT = "too_many_connections"
    """There are as many as there may be, and on each a request that has arrived completely is under way."""


class Sources:
    """The addresses that are connected now."""

    def __init__(self, allowed: Sequence[Network] = (), *, most: int, most_of_one: int | None = None) -> None:
        """Allow every address where `allowed` names none, and any number from one where `most_of_one` is None."""
        self._allowed = tuple(allowed)
        self._most = most
        self._most_of_one = most_of_one
        self._counts: Counter[str] = Counter()
        self.total = 0

    def refusal(self, peer: str) -> Refusal | None:
        """Return why a connection from that address is refused, or None where it is not."""
        if self._allowed and not self._is_allowed(peer):
            return Refusal.FORBIDDEN
        if self._most_of_one is not None and self._counts[source_of(peer)] >= self._most_of_one:
            return Refusal.SOURCE_LIMIT
        return Refusal.LIMIT if self.total >= self._most else None

    def add(self, peer: str) -> None:
        """Count a connection."""
        self.total += 1
        if self._most_of_one is not None:
            self._counts[source_of(peer)] += 1

    def remove(self, peer: str) -> None:
        """Count it no longer."""
        self.total -= 1
        if self._most_of_one is not None:
            source = source_of(peer)
            self._counts[source] -= 1
            if not self._counts[source]:
                del self._counts[source]

    def _is_allowed(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(
            address in network for network in self._allowed if network.version == address.version
        )


def _address(peer: str) -> IPv4Address | IPv6Address | None:
    """Return the address; None for what is none, as of a Unix socket."""
    try:
        return address_of(peer)
    except ValueError:
        return None
