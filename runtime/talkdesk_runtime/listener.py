"""A socket that listens: on every address of IPv6 and IPv4 at once, where the machine has both.

Belongs here: how an address becomes a socket. Does not belong here: who serves it.
"""

import errno
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

__all__ = ["EVERYWHERE", "listener_at"]

EVERYWHERE: Final = "::"
"""Every address. A machine without IPv6 (left out of the kernel, or switched off) has those of IPv4 alone."""
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


def listener_at(
    host: str, port: int, *, make: Callable[[socket.AddressFamily], socket.socket] = socket.socket
) -> socket.socket:
    """Return a bound socket, on which nobody listens yet; `make` makes one of a family. Raises OSError.

    A connection by IPv4 to `::` shows an IPv6 address that holds one of IPv4 (`networks.address_of`).
    """
    if host == EVERYWHERE:
        try:
            return _bound(socket.AF_INET6, host, port, make)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
            host = "0.0.0.0"
    return _bound(socket.AF_INET6 if ":" in host else socket.AF_INET, host, port, make)


def _bound(
    family: socket.AddressFamily, host: str, port: int, make: Callable[[socket.AddressFamily], socket.socket]
) -> socket.socket:
    with ExitStack() as stack:
        made = stack.enter_context(make(family))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Said each time, because a machine may have another default. One address of IPv6 is that alone.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != EVERYWHERE))
        made.bind((host, port))
        made.setblocking(False)
        stack.pop_all()
    return made
