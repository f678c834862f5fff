"""The way to another host: directly, or through a proxy.

Belongs here: the one rule for all our clients, read from the environment once. Does not belong here: connections.

HTTP_PROXY, HTTPS_PROXY and ALL_PROXY (or in lower case, which wins) name proxies as curl reads them, NO_PROXY the
hosts without one, separated by commas or spaces: `*` for all, host names, domains (`example.com` and `.example.com`
stand for the domain and every host in it), IP addresses, networks (`10.0.0.0/8`). A name or an address may have a port.

No HTTP library reads the environment here: aiohttp would also take passwords out of ~/.netrc and send them along, and
would read the files in a thread for each request.
"""

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies

__all__ = ["Proxies", "Proxy", "ProxyUnusable"]

_PORTS: Final = {"http": 80, "https": 443}
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class ProxyUnusable(ValueError):
    """A proxy that is named can't be used; the message never quotes its password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and what it must be sent."""

    url: str
    """Without a user name or password."""
    authorization: str | None = field(default=None, repr=False)
    """For the proxy alone, when it wants a password."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a proxy's URL; raise ProxyUnusable."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ProxyUnusable("the proxy's URL can't be read") from None
        if parts.scheme not in _PORTS:
            raise ProxyUnusable(f"a proxy is reached by http or https, not by {parts.scheme}")
        if not host:
            raise ProxyUnusable("the proxy's URL names no host")
        return cls(f"{parts.scheme}://{_netloc(host, port)}", _authorization(parts))

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the proxy itself must be sent."""
        return {} if self.authorization is None else {"Proxy-Authorization": self.authorization}

    def headers_of_request(self, url: str) -> Mapping[str, str]:
        """Return the headers that a request to `url` itself must have: without TLS there is no tunnel."""
        return self.headers if urlsplit(url).scheme == "http" else {}


class Proxies:
    """Which proxy leads to which URL."""

    def __init__(self, proxies: Mapping[str, str] | None = None) -> None:
        """Take proxies by scheme (`http`, `https`, `all`) and, as `no`, the hosts without one; raise ProxyUnusable.

        None is the environment; an empty mapping is no proxy at all.
        """
        named = getproxies() if proxies is None else proxies
        self._by_scheme = {
            scheme: Proxy.parse(url) for scheme in _PORTS if (url := named.get(scheme) or named.get("all"))
        }
        self._exempt = [_Exemption.parse(text) for text in re.split(r"[,\s]+", named.get("no", "")) if text]

    @property
    def is_empty(self) -> bool:
        """Whether every URL is called directly."""
        return not self._by_scheme

    def for_url(self, url: str) -> Proxy | None:
        """Return the proxy to a URL, or None when it is called directly."""
        parts = urlsplit(url)
        proxy = self._by_scheme.get(parts.scheme)
        if proxy is None or self._is_exempt(parts):
            return None
        return proxy

    def _is_exempt(self, parts: SplitResult) -> bool:
        host = (parts.hostname or "").rstrip(".")
        address = _address(host)
        port = parts.port or _PORTS.get(parts.scheme)
        return any(exemption.covers(host, address, port) for exemption in self._exempt)


@dataclass(frozen=True, slots=True)
class _Exemption:
    """One entry of NO_PROXY: a network for addresses, else a name; an empty name is `*`."""

    name: str = ""
    network: _Network | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        if text == "*":
            return cls()
        text = text.lower()
        network = _network(text)
        if network is not None:
            return cls(network=network)
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal():
            host, port = text, ""
        network = _network(host)
        name = "" if network is not None else host.removeprefix("*").strip(".")
        # What is left of nothing, like a lone dot, names no host: it must not become `*`.
        return cls(name or ("" if network is not None else "."), network, int(port) if port else None)

    def covers(self, host: str, address: _Address | None, port: int | None) -> bool:
        if self.port not in {None, port}:
            return False
        if self.network is not None:
            return address is not None and address in self.network
        if not self.name or host == self.name:
            return True
        return address is None and host.endswith(f".{self.name}")


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _netloc(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _authorization(parts: SplitResult) -> str | None:
    if not parts.username and not parts.password:
        return None
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
