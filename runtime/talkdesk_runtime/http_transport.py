"""The way to other hosts: httpx' transport interface on aiohttp's connections.

Belongs here: connections, TLS, proxies. Does not belong here: calls, retries, meaning of responses.

httpx' own connections cost ten times the CPU with many calls in flight, because its pool looks at every connection
for each of them. Neither library's reading of the environment is used: httpx' belongs to its client, and aiohttp's
would also take passwords out of ~/.netrc and put them into requests.
"""

import ssl
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from talkdesk_runtime.fence import Fence, FencedRequest, sending_within
from talkdesk_runtime.networks import Network, connecting_outside, socket_of
from talkdesk_runtime.proxy import Proxies, Proxy

__all__ = ["RoutingTransport"]

_KEEPALIVE: Final = 15.0
"""Seconds. Token hosts differ per account, so idle connections to them are hardly ever used again."""


class RoutingTransport(httpx.AsyncBaseTransport):
    """Sends each request directly, or through the proxy to its URL. It follows no redirect and keeps no cookie."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        proxies: Mapping[str, str] | None = None,
        connections: int = 0,
        connections_per_host: int = 0,
        keepalive: float = _KEEPALIVE,
        fence: Fence | None = None,
        denied: Sequence[Network] = (),
    ) -> None:
        """Take whom to trust (None: the machine's roots, or those of SSL_CERT_FILE) and proxies as Proxies does.

        `connections` at once are open at most, of them `connections_per_host` to one host, 0 for any number; an idle
        one is closed after `keepalive` seconds.
        Nothing is sent while `fence` is shut: that is an error as of a connection that could not be made.
        No connection is made to an address in `denied`, but to a proxy. Raises ProxyUnusable.
        """
        self._tls = ssl.create_default_context() if tls is None else tls
        self._proxies = Proxies(proxies)
        self._connections = connections
        self._connections_per_host = connections_per_host
        self._keepalive = keepalive
        self._fence = fence
        self._denied = tuple(denied)
        self._session: aiohttp.ClientSession | None = None
        self._routes: dict[Proxy | None, AiohttpTransport] = {}

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = None
        if not self._proxies.is_empty:
            url = str(request.url)
            proxy = self._proxies.for_url(url)
            if proxy is not None:
                request.headers.update(proxy.headers_of_request(url))
        # The proxy is the operator's own choice, and resolves names by itself.
        with sending_within(self._fence), connecting_outside(self._denied if proxy is None else ()):
            return await self._route(proxy).handle_async_request(request)

    @override
    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _route(self, proxy: Proxy | None) -> AiohttpTransport:
        route = self._routes.get(proxy)
        if route is None:
            via = None if proxy is None else httpx.Proxy(proxy.url, headers=dict(proxy.headers))
            route = AiohttpTransport(verify=self._tls, trust_env=False, proxy=via, client=self._shared_session)
            self._routes[proxy] = route
        return route

    def _shared_session(self) -> aiohttp.ClientSession:
        """Make the session at the first request: aiohttp wants a running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._tls,
                limit=self._connections,
                limit_per_host=self._connections_per_host,
                keepalive_timeout=self._keepalive,
                socket_factory=socket_of,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), request_class=FencedRequest
            )
        return self._session
