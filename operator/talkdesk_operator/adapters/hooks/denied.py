"""Where partners' services are certainly not: this machine, and the Kubernetes API server.

Belongs here: which networks those are. Does not belong here: the look at each connection's address
(talkdesk_runtime.networks).
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
from urllib.parse import urlsplit

from talkdesk_runtime.networks import Network

__all__ = ["denied_to_hooks"]

_LOOPBACK: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def denied_to_hooks(denied: Sequence[Network], allowed: Sequence[Network], api_server: str) -> tuple[Network, ...]:
    """Return all networks to which no step leads; `allowed` takes out none of `denied`."""
    further = (each for each in (*_LOOPBACK, *_network_of(api_server)) if not _is_within(each, allowed))
    return (*denied, *further)


def _network_of(url: str) -> Iterator[Network]:
    """Yield the address in a URL; a name has none that could be known beforehand."""
    try:
        yield ip_network(urlsplit(url).hostname or "")
    except ValueError:
        return


def _is_within(network: Network, allowed: Sequence[Network]) -> bool:
    return any(
        (isinstance(network, IPv4Network) and isinstance(each, IPv4Network) and network.subnet_of(each))
        or (isinstance(network, IPv6Network) and isinstance(each, IPv6Network) and network.subnet_of(each))
        for each in allowed
    )
