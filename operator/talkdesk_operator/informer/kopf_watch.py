"""kopf as the watch layer: its settings, its login, and running it inside our own event loop.

Belongs here: everything about kopf but the handlers. kopf is configured to write nothing, anywhere.

kopf brings each event of our own three kinds and of the Lease to its handler, those of one object in their order. What
it is told comes from our own `event_source`, because its own list and watch can't hold what is promised here.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

import aiohttp
import kopf
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from typing_extensions import override

from talkdesk_operator.informer.event_source import EventSource, SourcedSettings
from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_config import ConfigException

__all__ = ["LeasePlace", "Login", "kopf_settings", "watch"]

_BACKOFF: Final = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=1))
_BETWEEN_LOGINS: Final = 5.0
_ENDING: Final = 5.0
"""Seconds in which kopf's tasks must end; they are abandoned then."""


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """Where the leader's Lease is."""

    namespace: str
    name: str


class _Delays(Iterable[float]):
    """Seconds between attempts of a request, without end: kopf must never give up. It begins anew for each request."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    @override
    def __iter__(self) -> Iterator[float]:
        for failures in itertools.count(1):
            yield _BACKOFF.delay(failures, self._rng.random()).total_seconds()


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf computes what changed since the last handled state of each object, which nothing here needs."""

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
    """Gives kopf sessions with the credentials of Kube, renewed tokens included."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._last: float | None = None
        self._sessions: list[aiohttp.ClientSession] = []

    async def session(self, **_: Any) -> kopf.AiohttpSession:
        """Make a session; called at the start and after each 401, so not again at once."""
        if self._last is not None:
            await self._clock.sleep(max(0.0, self._last + _BETWEEN_LOGINS - self._clock.monotonic()))
        self._last = self._clock.monotonic()
        connector = aiohttp.TCPConnector(limit=0, ssl=self._kube.ssl_context)
        proxy = self._kube.proxy
        session = aiohttp.ClientSession(
            connector=connector, proxy=None if proxy is None else proxy.url, middlewares=(self._authorize,)
        )
        self._sessions = [*(each for each in self._sessions if not each.closed), session]
        return kopf.AiohttpSession(server=self._kube.server, aiohttp_session=session)

    async def aclose(self) -> None:
        """Close the sessions that kopf has left open, as it does when it is cancelled."""
        for session in self._sessions:
            await session.close()

    async def _authorize(self, request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        try:
            authorization = await self._kube.authorization()
        except (ConfigException, OSError) as error:
            # kopf tries again only after what it takes for a lost connection.
            raise aiohttp.ClientConnectionError(f"the credentials can't be read: {error}") from None
        if authorization:
            request.headers["Authorization"] = authorization.strip()  # a token's file may end with a newline
        proxy = self._kube.proxy
        if proxy is not None:
            request.update_proxy(request.proxy, request.proxy_auth, proxy.headers)
            request.headers.update(proxy.headers_of_request(self._kube.server))
        return await send(request)


def kopf_settings(lease: LeasePlace | None, rng: random.Random) -> SourcedSettings:
    """Return kopf's settings, but for its source; `lease` is the one Lease to watch."""
    settings = SourcedSettings()
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.process.ultimate_exiting_timeout = None
    # kopf keeps a task per object for so long after its last event; in a burst of installs these add up.
    settings.queueing.idle_timeout = 0.5
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = _Delays(rng)
    settings.persistence.diffbase_storage = _NoDiffs()
    if lease is not None:
        # With the name in the selector, a role that names this one Lease is enough.
        selector = f"metadata.name={lease.name},metadata.namespace={lease.namespace}"
        settings.watching.field_selectors[LEASES] = selector
    return settings


async def watch(
    kube: Kube,
    registry: kopf.OperatorRegistry,
    settings: SourcedSettings,
    namespaces: Sequence[str],
    *,
    identity: str,
    clock: Clock,
    source: EventSource,
    started: Callable[[], None],
) -> None:
    """Watch until cancelled; raise what ended kopf, or what the source's `resume` raised that was no KubeError.

    kopf's `operator()` would, at its end, also cancel every task that was made while it ran, ours included; so its
    tasks are waited for here. It also installs handlers of SIGTERM and SIGINT, which would stop the watches before the
    running reconciles have ended: `started` is called when ours can be installed again. Without an `identity` it would
    ask for the name of the user that it runs as, who has none in a container.
    """
    login = Login(kube, clock)
    kopf.on.login(id="login", registry=registry)(login.session)
    settings.source = source
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=settings,
        identity=cast("Any", identity),  # a string by a name of kopf's that is private
        namespaces=namespaces,
        clusterwide=not namespaces,
    )
    started()
    try:
        failed = settings.source.failed
        await asyncio.wait((*tasks, failed), return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        _, hanging = await asyncio.wait(tasks, timeout=_ENDING)
        if hanging:
            names = sorted(task.get_name() for task in hanging)
            structlog.stdlib.get_logger(__name__).warning("watch.end_timed_out", tasks=names)
        await login.aclose()
    if failed.done():
        failed.result()
    for task in ended:
        task.result()
