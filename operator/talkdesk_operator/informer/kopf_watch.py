"""kopf as the watch layer: its settings, its login, and running it inside our own event loop.

Belongs here: everything about kopf but the handlers. kopf is told to write nothing, anywhere.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import kopf
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from kubernetes.aio.config import ConfigException
from typing_extensions import override

from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_runtime.kube import Kube

__all__ = ["LeasePlace", "Login", "kopf_settings", "watch"]

_LONGEST_BACKOFF: Final = 60.0
_BETWEEN_LOGINS: Final = 5.0


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """Where the leader's Lease is."""

    namespace: str
    name: str


class _Backoffs(Iterable[float]):
    """Seconds between attempts of a request: without end, doubling, the half of each random."""

    @override
    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield random.uniform(delay / 2, delay)  # noqa: S311 - spreads load, protects nothing
            delay = min(delay * 2, _LONGEST_BACKOFF)


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf computes what changed since the last handled state of each object; nothing here wants to know."""

    @override
    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    @override
    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    @override
    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        raise NotImplementedError("only handlers that are not registered here store anything")


class Login:
    """Gives kopf sessions that know what Kube knows, renewed tokens included."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._last: float | None = None

    async def session(self, **_: Any) -> kopf.AiohttpSession:
        """Make a session; called at the start and after each 401, so not again at once."""
        now = asyncio.get_running_loop().time()
        if self._last is not None:
            await asyncio.sleep(max(0.0, self._last + _BETWEEN_LOGINS - now))
        self._last = now
        connector = aiohttp.TCPConnector(limit=0, ssl=self._kube.ssl_context)
        proxy = self._kube.proxy
        session = aiohttp.ClientSession(
            connector=connector, proxy=None if proxy is None else proxy.url, middlewares=(self._authorize,)
        )
        return kopf.AiohttpSession(server=self._kube.server, aiohttp_session=session)

    async def _authorize(self, request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        try:
            authorization = await self._kube.authorization()
        except (ConfigException, OSError) as error:
            # For kopf, a lost connection is what is worth another try.
            raise aiohttp.ClientConnectionError(f"the credentials can't be read: {error}") from None
        if authorization:
            request.headers["Authorization"] = authorization
        proxy = self._kube.proxy
        if proxy is not None:
            request.update_proxy(request.proxy, request.proxy_auth, proxy.headers)
            request.headers.update(proxy.headers_of_request(self._kube.server))
        return await send(request)


def kopf_settings(lease: LeasePlace | None) -> kopf.OperatorSettings:
    """Return kopf's settings; `lease` is the one Lease to watch."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.process.ultimate_exiting_timeout = None
    # kopf keeps a task per object for so long after its last event; in a burst of installs these add up.
    settings.queueing.idle_timeout = 0.5
    settings.watching.chunk_size = 500
    settings.watching.inactivity_timeout = 70
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = _Backoffs()
    settings.persistence.diffbase_storage = _NoDiffs()
    if lease is not None:
        # With the name in the selector, a role that names this one Lease is enough.
        selector = f"metadata.name={lease.name},metadata.namespace={lease.namespace}"
        settings.watching.field_selectors[LEASES] = selector
    return settings


async def watch(
    kube: Kube,
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    namespaces: Sequence[str],
    started: Callable[[], None],
) -> None:
    """Watch until cancelled; raise what broke kopf, such as a kind that is not served any more.

    kopf's `operator()` would, at its end, also cancel every task that was made while it ran, ours included; so its
    tasks are waited for here. It also takes SIGTERM and SIGINT for itself, to stop watching before running work ended:
    `started` is called when ours can be put in their place again.
    """
    kopf.on.login(id="login", registry=registry)(Login(kube).session)
    tasks = await kopf.spawn_tasks(
        registry=registry, settings=settings, namespaces=namespaces, clusterwide=not namespaces
    )
    started()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
