"""Networks of addresses, as settings name them; and those to which nothing is sent.

Belongs here: reading them, and the look at an address right before it is connected to. Does not belong here: which
networks those are (settings), who may connect to us (the webhook's `sources`).

URLs that an app's author chooses (a SCIM service, a logout endpoint, endpoints of a simulator) must not lead to what
only this machine reaches, such as a cloud's metadata. Names resolve to whatever their owner wants, and to something
else a moment later: so what is looked at is the address of each connection, when it is made.
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

__all__ = [
    "LINK_LOCAL",
    "DeniedAddress",
    "Network",
    "address_of",
    "connecting_outside",
    "is_in",
    "parse_networks",
    "socket_of",
    "source_of",
]

Network: TypeAlias = IPv4Network | IPv6Network
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
LINK_LOCAL: Final[tuple[Network, ...]] = (
    IPv4Network("169.254.0.0/16"),
    IPv6Network("fe80::/10"),
    IPv6Network("fd00:ec2::/32"),
    IPv6Network("fd20:ce::254/128"),
)
"""Where clouds answer with credentials of the machine; nobody's service is there. The last two are what AWS and Google
have beside link-local addresses."""


class DeniedAddress(OSError):
    """A connection was not made, because the address is in a network to which nothing is sent."""


_DENIED: ContextVar[Sequence[Network]] = ContextVar("denied", default=())


@contextmanager
def connecting_outside(networks: Sequence[Network]) -> Iterator[None]:
    """Have `socket_of` refuse addresses in these networks, for connections that are made in this block."""
    token = _DENIED.set(networks)
    try:
        yield
    finally:
        _DENIED.reset(token)


def socket_of(info: tuple[Any, ...]) -> socket.socket:
    """Make the socket for an address of `getaddrinfo`; raise DeniedAddress instead of leading where nothing is sent."""
    family, kind, protocol, _, address = info
    if is_in(str(address[0]), _DENIED.get()):
        words = "the address is in a network to which nothing is sent (denied_networks)"
        raise DeniedAddress(errno.EACCES, words)
    return socket.socket(family, kind, protocol)


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address is in one of the networks, in whatever form it leads there.

    An IPv4 address that IPv6 shows, mapped or for NAT64 (RFC 6052), is one of IPv4; to the unspecified address, Linux
    connects as to loopback.
    """
    known = address_of(address)
    if known in _NAT64:
        known = IPv4Address(int(known) & 0xFFFFFFFF)
    if known.is_unspecified:
        known = ip_address("127.0.0.1" if known.version == 4 else "::1")
    return any(known in network for network in networks)


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Return an address; an IPv4 address that an IPv6 socket shows is one of IPv4. Raises ValueError."""
    address = ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def source_of(peer: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 that one holder of IPv6 addresses has at least.

    What is no address, as of a Unix socket, is one source of its own.
    """
    try:
        address = address_of(peer)
    except ValueError:
        return ""
    return str(IPv6Network((address, 64), strict=False) if isinstance(address, IPv6Address) else address)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks in a text like `10.0.0.0/8, 2001:db8::/32, 192.0.2.7`; raise ValueError for a bad one."""
    return tuple(_network(part.strip()) for part in text.split(",") if part.strip())


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        try:
            widened = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{text!r} is not a network: write 10.0.0.0/8, 2001:db8::/32 or one address") from error
        raise ValueError(f"{text!r} has bits beyond its length: write {widened}") from error
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network
