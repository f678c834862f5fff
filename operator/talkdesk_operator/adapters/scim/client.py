"""The port to SCIM services, over HTTP: one client for the whole process.

Belongs here: what is cached from one batch to the next. Does not belong here: the work on a batch (order_execution).

The error tree is the port's (`talkdesk_operator.domain.ports.scim_errors`).
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from typing_extensions import override

from talkdesk_operator.adapters.scim import calls
from talkdesk_operator.adapters.scim.admission import Admission
from talkdesk_operator.adapters.scim.directory import Directory
from talkdesk_operator.adapters.scim.exchange import Exchange, Observe
from talkdesk_operator.adapters.scim.order_execution import OrderExecution
from talkdesk_operator.adapters.scim.responses import malformed
from talkdesk_operator.adapters.scim.wire import Capabilities, restricted, to_capabilities
from talkdesk_operator.domain.ports.scim import NotStarted, Order, Result, ScimService, Service
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimNotFound, ScimRefused
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.fence import Fence
from talkdesk_runtime.http_transport import RoutingTransport
from talkdesk_runtime.lru import LruMap
from talkdesk_runtime.networks import Network
from talkdesk_runtime.programs import installed_version


@dataclass(frozen=True, slots=True)
class ScimSettings:
    """Bounds of the client."""

    denied_networks: tuple[Network, ...] = ()
    """Networks to which no connection is made."""
    connect_timeout: timedelta = timedelta(seconds=5)
    """For a connection, TLS included."""
    max_body: int = 4 << 20
    """Bytes of a response; a hundred whole users have a tenth of it."""
    patience: timedelta = timedelta(seconds=10)
    """Pauses that a service asks for are waited out up to this long, if there is time; longer ones end the work."""
    config_ttl: timedelta = timedelta(minutes=10)
    """How long a service's configuration is cached."""
    services: int = 4096
    """Services whose configuration is cached; a template may give each tenant its own."""


@dataclass(frozen=True, slots=True)
class _CachedConfig:
    can: Capabilities
    until: float


class ScimClient(ScimService):
    """SCIM services over HTTP. Make one per process, in its event loop, and close it at the end."""

    def __init__(
        self,
        settings: ScimSettings | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        proxies: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        observe: Observe | None = None,
        fence: Fence | None = None,
    ) -> None:
        """Take bounds, trust, proxies, time and metrics; each has the machine's own as default.

        Nothing is sent while `fence` is shut.
        """
        self._settings = settings or ScimSettings()
        self._clock = clock or Clock.system()
        self._transport = RoutingTransport(tls=tls, proxies=proxies, fence=fence, denied=self._settings.denied_networks)
        self._exchange = Exchange(
            self._transport,
            admission=Admission(self._clock),
            clock=self._clock,
            user_agent=f"talkdesk-operator/{installed_version()}",
            connect_timeout=self._settings.connect_timeout,
            max_body=self._settings.max_body,
            observe=observe or _unobserved,
        )
        self._configs: LruMap[str, _CachedConfig] = LruMap(self._settings.services)

    @override
    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        until = self._clock.monotonic() + within.total_seconds()
        patience = min(self._settings.patience, within)
        try:
            can = await self._capabilities(service, patience)
        except ScimError as error:
            return tuple(NotStarted() for _ in orders), error
        directory = Directory(self._exchange, service, restricted(can, service.avoid), patience)
        execution = OrderExecution(directory, orders, self._has_time(until))
        results = await execution.run()
        # What a service refuses to look for may be a passing trouble, and would hide users: it is asked anew each time.
        learned = replace(can, patch=directory.can.patch, bulk_operations=directory.can.bulk_operations)
        if restricted(learned, service.avoid) != restricted(can, service.avoid):
            self._cache(service, learned)
        return results, execution.stopped_by

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _capabilities(self, service: Service, patience: timedelta) -> Capabilities:
        cached = self._configs.get(service.url)
        if cached is not None and self._clock.monotonic() < cached.until:
            return cached.can
        try:
            can = to_capabilities(await self._config(service, patience))
        except (ScimNotFound, ScimRefused):
            # Many services leave it out; whether there is one at all shows at the next call.
            can = Capabilities()
        self._cache(service, can)
        return can

    async def _config(self, service: Service, patience: timedelta) -> Mapping[str, Any]:
        call = calls.read_config(service)
        content = (await self._exchange.run(call, service, patience)).content
        if not content:
            raise malformed(call, "is empty")
        return content

    def _cache(self, service: Service, can: Capabilities) -> None:
        self._configs.put(
            service.url, _CachedConfig(can, self._clock.monotonic() + self._settings.config_ttl.total_seconds())
        )

    def _has_time(self, until: float) -> Callable[[], bool]:
        return lambda: self._clock.monotonic() < until


def _unobserved(_call: str, _outcome: str, _seconds: float) -> None:
    """Count nothing."""
