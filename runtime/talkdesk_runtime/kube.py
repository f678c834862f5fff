"""The Kubernetes API over HTTP: JSON in, JSON out, one connection pool per process.

Configuration and credentials (kubeconfig, in-cluster token and its renewal, exec plug-ins) are the official client's
business; the requests are made directly, because its generated models cost more time per object than everything else
that is done with it (they traverse each body twice).
"""

import asyncio
import copy
import ssl
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import orjson
from yaml import YAMLError

from talkdesk_runtime.deep_json import read_json
from talkdesk_runtime.fence import Fence, FencedOff, FencedRequest, sending_within
from talkdesk_runtime.kube_config import ConfigException, Configuration, load_incluster_config, load_kube_config
from talkdesk_runtime.kube_errors import KubeError, KubeRefused, KubeUnauthorized, KubeUnreachable, from_status
from talkdesk_runtime.line_splitter import Lines, LineTooLong
from talkdesk_runtime.proxy import Proxies, Proxy

__all__ = ["APPLY", "JSON", "JSON_PATCH", "MERGE_PATCH", "Kube", "resource_path"]

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
JSON: Final = "application/json"
_CONNECT_SECONDS: Final = 10
_EVENT_BYTES: Final = 8 * 1024 * 1024
"""Longest event of a watch; etcd takes no object of more than 1.5 MiB, which JSON can make longer."""


def resource_path(group: str, version: str, plural: str, namespace: str = "", name: str = "") -> str:
    """Return the URL path of a collection, or of one object when `name` is given; each part is percent-encoded."""
    root = f"/apis/{quote(group, safe='')}/{quote(version, safe='')}" if group else f"/api/{quote(version, safe='')}"
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    end = f"/{quote(name, safe='')}" if name else ""
    return f"{root}{middle}/{quote(plural, safe='')}{end}"


class Kube:
    """A connection to one API server. Create it with `connect`, close it with `aclose`."""

    def __init__(self, configuration: Configuration, *, user_agent: str, connections: int, timeout: timedelta) -> None:
        """Take a complete configuration. Raises OSError or ValueError when its certificates can't be used."""
        self._configuration = configuration
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=_CONNECT_SECONDS)
        self.proxy = _proxy(configuration.proxy, self.server)
        """The proxy that leads to the API server, if any."""
        self._route: dict[str, Any] = {}
        self._own_headers: dict[str, str] = {}
        if self.proxy is not None:
            self._route = {"proxy": self.proxy.url, "proxy_headers": self.proxy.headers}
            self._own_headers.update(self.proxy.headers_of_request(self.server))
        context = _ssl_context(configuration)
        headers = {"User-Agent": user_agent}
        self._fence: Fence | None = None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=context, keepalive_timeout=60),
            headers=headers,
            request_class=FencedRequest,
        )
        # A watch keeps its connection for minutes: it must not take one that requests wait for.
        self._streams = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=context), headers=headers)

    @classmethod
    async def connect(
        cls,
        *,
        user_agent: str,
        kubeconfig: Path | None = None,
        connections: int = 100,
        timeout: timedelta = timedelta(seconds=30),
    ) -> Self:
        """Read the configuration: the given file, else the pod's service account, else the default kubeconfig.

        Nothing is sent yet. Raises KubeRefused when there is no usable configuration.
        """
        configuration = Configuration()
        try:
            await _load(configuration, kubeconfig)
            return cls(configuration, user_agent=user_agent, connections=connections, timeout=timeout)
        except (ConfigException, OSError, ValueError) as error:
            raise KubeRefused(f"no usable configuration for the Kubernetes API: {error}") from None

    def within(self, fence: Fence) -> Self:
        """Return the same connection, of which requests that change anything are sent only while the fence is open.

        Outside it they raise KubeUnreachable. Close the original, not this.
        """
        fenced = copy.copy(self)
        fenced._fence = fence  # noqa: SLF001 - it is one of us
        return fenced

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._configuration.host)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """The TLS settings of this connection, for another client of the same server."""
        return _ssl_context(self._configuration)

    async def authorization(self) -> str | None:
        """Return the current value of the Authorization header, if there is one."""
        value: str | None = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return value

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        query: Mapping[str, str] | None = None,
        as_user: str | None = None,
    ) -> dict[str, Any]:
        """Make one request and return the decoded response; `as_user` is impersonated.

        Raises a KubeError for every response that is not 2xx, and KubeUnreachable when none came.
        """
        headers = await self._headers(accept, content_type if body is not None else None, as_user)
        fence = None if method == "GET" else self._fence
        try:
            with sending_within(fence):
                sending = self._session.request(
                    method,
                    self.server + path,
                    params=query,
                    data=None if body is None else orjson.dumps(body),
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    **self._route,
                )
                async with sending as response:
                    return _decoded(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from None

    async def watch(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = JSON,
        as_user: str | None = None,
        idle: timedelta = timedelta(minutes=3),
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a watch, `{"type": ..., "object": ...}`, until the server ends it; close by `aclosing`.

        Raises the KubeError of a response that is not 2xx, and of an event of type ERROR; KubeUnreachable when the
        connection breaks or is silent for `idle` (ask for bookmarks: they come once a minute); KubeRefused for an event
        that makes no sense.
        """
        headers = await self._headers(accept, None, as_user)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=idle.total_seconds())
        lines = Lines(_EVENT_BYTES)
        try:
            async with asyncio.timeout(self._timeout.total):
                response = await self._streams.get(
                    self.server + path,
                    params={**(query or {}), "watch": "true"},
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                    **self._route,
                )
            async with response:
                if response.status != 200:
                    _decoded(response.status, response.headers, await response.read())
                async for piece in response.content.iter_any():
                    for line in lines.feed(piece):
                        yield _event(line)
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from None
        except LineTooLong:
            raise KubeRefused(f"the API server sent an event of more than {_EVENT_BYTES} bytes") from None
        if lines.unfinished:
            raise KubeUnreachable("the API server broke off in the middle of an event")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._streams.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _headers(self, accept: str, content_type: str | None, as_user: str | None) -> dict[str, str]:
        headers = {"Accept": accept, **self._own_headers}
        try:
            authorization = await self.authorization()
        except (ConfigException, OSError) as error:
            raise KubeUnauthorized(f"the credentials for the Kubernetes API can't be read: {error}") from None
        if authorization:
            headers["Authorization"] = authorization.strip()  # a token's file may end with a newline
        if content_type:
            headers["Content-Type"] = content_type
        if as_user:
            headers["Impersonate-User"] = as_user
        return headers


async def _load(configuration: Configuration, kubeconfig: Path | None) -> None:
    if kubeconfig is not None:
        _require(kubeconfig)
    elif _is_in_cluster(configuration):
        return
    try:
        await load_kube_config(config_file=str(kubeconfig) if kubeconfig else None, client_configuration=configuration)
    except (YAMLError, TypeError, LookupError, AttributeError):
        # The library does not check the file's form. A YAML error's own words quote the file, which holds secrets.
        raise ConfigException(f"{kubeconfig or 'the default'} is not a kubeconfig") from None


def _is_in_cluster(configuration: Configuration) -> bool:
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException:
        return False
    return True


def _require(kubeconfig: Path) -> None:
    if not kubeconfig.is_file():  # the library only warns, and then misses keys in what it never read
        raise ConfigException(f"there is no file {kubeconfig}")


def _ssl_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Python 3.13 requires extensions that some clusters' own authorities leave out.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _proxy(configured: str | None, server: str) -> Proxy | None:
    """Return the proxy to `server`: the kubeconfig's own, else the environment's. Raises ProxyUnusable."""
    return Proxy.parse(configured) if configured else Proxies().for_url(server)


def _unreachable(error: Exception) -> KubeUnreachable:
    if isinstance(error, FencedOff):
        return KubeUnreachable(str(error))
    if isinstance(error, TimeoutError):
        return KubeUnreachable("the API server did not answer in time")
    return KubeUnreachable(f"the API server can't be reached: {type(error).__name__}: {error}", broken=True)


def _decoded(code: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the JSON object of a 2xx response; raise a KubeError for any other."""
    try:
        decoded = read_json(body) if body else {}
    except ValueError:
        decoded = None
    if 200 <= code < 300:
        if not isinstance(decoded, dict):
            raise KubeRefused(f"the API server answered {code} with something that is not a JSON object")
        return decoded
    raise _failure(code, decoded, headers.get("Retry-After", ""))


def _event(line: bytearray) -> dict[str, Any]:
    try:
        event = read_json(line)
    except ValueError:
        event = None
    match event:
        case {"type": "ERROR", "object": {"code": int(code)} as status}:
            raise from_status(code, status)
        case {"type": str(kind), "object": dict()} if kind != "ERROR":
            return dict(event)
        case _:
            raise KubeRefused("the API server sent an event that makes no sense")


def _failure(code: int, status: object, retry_after: str) -> KubeError:
    seconds = timedelta(seconds=int(retry_after)) if retry_after.isdecimal() else None
    return from_status(code, status if isinstance(status, dict) else {}, seconds)
