"""The way to other hosts: httpx' transport interface on aiohttp's connections.

Belongs here: connections, TLS, proxies. Does not belong here: calls, retries, meaning of answers.

httpx' own connections cost ten times the CPU with many calls in flight, because its pool looks at every connection
for each of them. Its client is left out too: what it adds to a transport is what must not happen here (redirects,
cookies that one customer's token host sets for another's), at half as much CPU again. Neither library's reading of
the environment is used: httpx' belongs to its client, and aiohttp's would also take passwords out of `.netrc` and
put them into token requests.
"""

import base64
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.request import getproxies

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

_KEEP_ALIVE: Final = 15.0
"""Seconds. Token hosts differ per account, so idle connections to them are hardly ever used again."""


class RoutingTransport(httpx.AsyncBaseTransport):
    """Sends each request directly, or by the proxy for its scheme unless its host is exempt."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, proxies: Mapping[str, str] | None = None) -> None:
        """Take whom to trust and the way; ValueError for a proxy that can't be used.

        `tls` is the default context of httpx when None: the packaged roots, or those of SSL_CERT_FILE.
        `proxies` maps a scheme to a proxy's URL, and `no` to hosts without one; the environment's when None.
        """
        self._tls = httpx.create_ssl_context() if tls is None else tls
        self._proxies = dict(getproxies() if proxies is None else proxies)
        self._session: aiohttp.ClientSession | None = None
        self._direct = self._transport(None)
        self._proxied = {
            scheme: self._transport(_proxy(url))
            for scheme in ("http", "https")
            if (url := self._proxies.get(scheme) or self._proxies.get("all"))
        }

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxied = self._proxied.get(request.url.scheme)
        if proxied is None or _exempt(request.url.host, self._proxies.get("no", "")):
            return await self._direct.handle_async_request(request)
        if request.url.scheme == "http" and proxied.proxy is not None:
            # Without a tunnel, what is meant for the proxy travels with the request.
            request.headers.update(proxied.proxy.headers)
        return await proxied.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _transport(self, proxy: httpx.Proxy | None) -> AiohttpTransport:
        return AiohttpTransport(verify=self._tls, trust_env=False, proxy=proxy, client=self._shared_session)

    def _shared_session(self) -> aiohttp.ClientSession:
        """Make the session at the first request: aiohttp wants a running loop."""
        if self._session is None:
            # The limiter bounds how many calls run, per app and region; another bound here would couple apps.
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0, keepalive_timeout=_KEEP_ALIVE)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _proxy(url: str) -> httpx.Proxy:
    proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
    if proxy.url.scheme not in {"http", "https"}:
        raise ValueError(f"a proxy is reached by http or https, not by {proxy.url.scheme}")
    if proxy.raw_auth is None:
        return proxy
    # As a header, because the transport's own way is deprecated by aiohttp.
    password = base64.b64encode(b":".join(proxy.raw_auth)).decode()
    return httpx.Proxy(proxy.url, headers={"Proxy-Authorization": f"Basic {password}"})


def _exempt(host: str, exemptions: str) -> bool:
    """Read NO_PROXY: `*`, hosts, and domains that stand for all hosts in them, with commas between."""
    names = (name.strip().lower().lstrip("*.") or "*" for name in exemptions.split(",") if name.strip())
    return any(name in {"*", host} or host.endswith(f".{name}") for name in names)
