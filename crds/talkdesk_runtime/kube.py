"""The Kubernetes API over HTTP: JSON in, JSON out, one connection pool per process.

Configuration and credentials (kubeconfig, in-cluster token and its renewal, exec plug-ins) are the official client's
business; the requests are made directly, because its generated models cost more time per object than everything else
that is done with it (each body is walked through twice).
"""

import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import orjson
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import load_kube_config

from talkdesk_runtime.kube_errors import KubeForbidden, KubeRefused, KubeUnreachable, from_status

__all__ = ["APPLY", "JSON_PATCH", "MERGE_PATCH", "Kube", "resource_path"]

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
_JSON: Final = "application/json"


def resource_path(group: str, version: str, plural: str, namespace: str = "", name: str = "") -> str:
    """Give the URL path of a collection, or of one object when `name` is given; each part is percent-encoded."""
    root = f"/apis/{quote(group, safe='')}/{quote(version, safe='')}" if group else f"/api/{quote(version, safe='')}"
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    end = f"/{quote(name, safe='')}" if name else ""
    return f"{root}{middle}/{quote(plural, safe='')}{end}"


class Kube:
    """A connection to one API server. Make it with `connect`, close it with `aclose`."""

    def __init__(self, configuration: Configuration, session: aiohttp.ClientSession, timeout: timedelta) -> None:
        self._configuration = configuration
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=10)

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
            context = _ssl_context(configuration)
        except (ConfigException, OSError, ValueError) as error:
            raise KubeRefused(f"no usable configuration for the Kubernetes API: {error}") from None
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=context, keepalive_timeout=60),
            headers={"User-Agent": user_agent, "Accept": _JSON},
            auto_decompress=True,
            trust_env=True,
        )
        return cls(configuration, session, timeout)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._configuration.host)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """The TLS settings of this connection, for another client of the same server."""
        return _ssl_context(self._configuration)

    async def authorization(self) -> str | None:
        """Give the current value of the Authorization header, if the server knows us by one."""
        value: str | None = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return value

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = _JSON,
        query: Mapping[str, str] | None = None,
        as_user: str | None = None,
    ) -> dict[str, Any]:
        """Make one request and give the decoded answer; `as_user` is impersonated.

        Raises a KubeError for every answer that is not 2xx, and KubeUnreachable when none came.
        """
        headers = await self._headers(content_type if body is not None else None, as_user)
        try:
            async with self._session.request(
                method,
                self.server + path,
                params=query,
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return _decoded(response.status, response.headers, await response.read())
        except TimeoutError:
            raise KubeUnreachable("the API server did not answer in time") from None
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise KubeUnreachable(f"the API server can't be reached: {type(error).__name__}: {error}") from None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _headers(self, content_type: str | None, as_user: str | None) -> dict[str, str]:
        headers = {}
        try:
            authorization = await self.authorization()
        except (ConfigException, OSError) as error:
            raise KubeForbidden(f"the credentials for the Kubernetes API can't be read: {error}") from None
        if authorization:
            headers["Authorization"] = authorization
        if content_type:
            headers["Content-Type"] = content_type
        if as_user:
            headers["Impersonate-User"] = as_user
        return headers


async def _load(configuration: Configuration, kubeconfig: Path | None) -> None:
    if kubeconfig is None:
        try:
            load_incluster_config(client_configuration=configuration)
        except ConfigException:
            await load_kube_config(client_configuration=configuration)
        return
    _require(kubeconfig)
    await load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)


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
    # Python 3.13 asks for extensions that some clusters' own authorities leave out.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _decoded(code: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    try:
        decoded = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        decoded = {}
        if code < 400:
            raise KubeRefused(f"the API server answered {code} with something that is not JSON") from None
    if not isinstance(decoded, dict):
        decoded = {}
    if code < 400:
        return decoded
    seconds = headers.get("Retry-After", "")
    raise from_status(code, decoded, timedelta(seconds=int(seconds)) if seconds.isdigit() else None)
