"""The port to Talkdesk, over HTTP: one client for the whole process.

Belongs here: which calls make up each operation, and the rule on a 401. Does not belong here: anything that can be
decided from one response alone, retries (the caller comes again by its queue).

The error tree is the port's (`talkdesk_operator.domain.ports.talkdesk`); nothing else is raised.
"""

import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from typing_extensions import override

from talkdesk_operator.adapters.talkdesk import calls, pages, wire
from talkdesk_operator.adapters.talkdesk.auth import token_call
from talkdesk_operator.adapters.talkdesk.calls import Call
from talkdesk_operator.adapters.talkdesk.exchange import Bounds, Exchange, Observe
from talkdesk_operator.adapters.talkdesk.host_breakers import HostBreakers
from talkdesk_operator.adapters.talkdesk.keys import KeyRing
from talkdesk_operator.adapters.talkdesk.lenient import UnusableError
from talkdesk_operator.adapters.talkdesk.limiter import Limiter
from talkdesk_operator.adapters.talkdesk.responses import Reply, unusable
from talkdesk_operator.adapters.talkdesk.tokens import Token, TokenCache
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    Account,
    Decision,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskApi,
    TalkdeskUnauthorized,
    User,
)
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits
from talkdesk_runtime.clock import Clock, new_rng
from talkdesk_runtime.fence import Fence
from talkdesk_runtime.http_transport import RoutingTransport
from talkdesk_runtime.networks import Network
from talkdesk_runtime.programs import installed_version

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Bounds of the client."""

    denied_networks: tuple[Network, ...] = ()
    """Networks to which no connection is made."""
    connect_timeout: timedelta = timedelta(seconds=5)
    """For a connection, TLS included."""
    total_timeout: timedelta = timedelta(seconds=20)
    """For one request and its whole response."""
    max_body: int = 1 << 20
    """Bytes of a response; real ones have a few thousand."""
    concurrency: int = 64
    """Requests in flight per app and region."""
    patience: timedelta = timedelta(seconds=10)
    """Pauses that Talkdesk asks for are waited out up to this long; calls fail at once when they are longer."""
    cached_tokens: int = 4096
    """Installations of which tokens are kept, about 2 KB each; more than are called in ten minutes would not help."""
    cached_keys: int = 4096
    """Installations of which the private key is kept as it was read, of about 2 KB."""
    users: pages.ListBounds = field(default_factory=pages.ListBounds)
    """Of a list of users."""
    breaker: BreakerLimits = field(
        default_factory=lambda: BreakerLimits(10, Backoff(timedelta(seconds=5), timedelta(minutes=1)))
    )
    """When a host that is down gets no calls, and for how long."""


class TalkdeskClient(TalkdeskApi):
    """Talkdesk's API over HTTP. Make one per process, in its event loop, and close it at the end."""

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        proxies: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        observe: Observe | None = None,
        fence: Fence | None = None,
    ) -> None:
        """Take bounds, trust, proxies, time, chance and metrics; each has the machine's own as default.

        Nothing is sent while `fence` is shut.
        """
        bounds = settings or ClientSettings()
        self._clock = clock or Clock.system()
        self._list_bounds = bounds.users
        self._transport = RoutingTransport(tls=tls, proxies=proxies, fence=fence, denied=bounds.denied_networks)
        chance = (rng or new_rng()).random
        self._breakers = HostBreakers(bounds.breaker, monotonic=self._clock.monotonic, chance=chance)
        self._exchange = Exchange(
            self._transport,
            limiter=Limiter(concurrency=bounds.concurrency, patience=bounds.patience, clock=self._clock),
            breakers=self._breakers,
            clock=self._clock,
            user_agent=f"talkdesk-operator/{installed_version()}",
            bounds=Bounds(bounds.connect_timeout, bounds.total_timeout, bounds.max_body),
            observe=observe or _unobserved,
        )
        self._keys = KeyRing(bounds.cached_keys)
        self._tokens = TokenCache(self._fetch_token, size=bounds.cached_tokens, clock=self._clock)

    @override
    async def account(self, access: Access) -> Account:
        call = calls.read_account(access)
        return _converted(call, await self._authorized(access, call), wire.to_account)

    @override
    async def installation(self, access: Access, app_id: str, installation_id: str) -> RemoteInstallation:
        reply = await self._authorized(access, calls.read_installation(access, app_id, installation_id))
        return wire.to_installation(reply, installation_id)

    @override
    async def subscription(self, access: Access, app_id: str, installation_id: str) -> Subscription:
        reply = await self._authorized(access, calls.read_subscription(access, app_id, installation_id))
        return wire.to_subscription(reply)

    @override
    async def trial(self, access: Access, app_id: str, installation_id: str) -> RemoteTrial:
        return wire.to_trial(await self._authorized(access, calls.read_trial(access, app_id, installation_id)))

    @override
    async def users(self, access: Access, app_id: str, installation_id: str) -> AsyncIterator[tuple[User, ...]]:
        call: Call | None = calls.read_users(access, app_id, installation_id)
        visited = pages.VisitedPages(self._list_bounds)
        while call is not None:
            visited.add(call.url)
            began = self._clock.monotonic()
            reply = await self._authorized(access, call)
            page = _converted(call, reply, pages.to_users)
            if problem := visited.take(page, reply.size, self._clock.monotonic() - began):
                raise unusable(call, problem, reply.server_time)
            following = None if page.link is None else calls.read_more_users(access, call, page.link)
            if following is not None and (problem := visited.problem(following.url)):
                raise unusable(call, problem, reply.server_time)
            yield page.users
            call = following

    @override
    async def answer(
        self, access: Access, app_id: str, installation_id: str, decision: Decision, reason: str
    ) -> datetime | None:
        call = calls.send_answer(access, app_id, installation_id, decision, reason)
        return wire.to_answer_time(await self._authorized(access, call))

    @override
    async def acknowledge(self, access: Access, app_id: str, installation_id: str, client_id: str) -> None:
        await self._authorized(access, calls.send_acknowledgement(access, app_id, installation_id, client_id))

    @override
    def forget(self, holder: str) -> None:
        self._tokens.forget(holder)
        self._keys.forget(holder)

    @override
    async def aclose(self) -> None:
        await self._tokens.aclose()
        await self._transport.aclose()

    def open_breakers(self) -> Counter[tuple[str, str]]:
        """Count the hosts whose circuits are open now, by region key and kind (`api`, `token`); for metrics."""
        return self._breakers.count_open()

    async def _authorized(self, access: Access, call: Call) -> Reply:
        """Send the call with a token; after a 401, once more with a new one.

        A 401 means that nothing was done, so this is safe for changes too.
        """
        token = await self._tokens.get(access)
        try:
            return await self._exchange.run(call.with_token(token.value, access), access)
        except TalkdeskUnauthorized:
            self._tokens.drop(access, token)
        renewed = await self._tokens.get(access)
        return await self._exchange.run(call.with_token(renewed.value, access), access)

    async def _fetch_token(self, access: Access) -> Token:
        call = token_call(access, self._keys, self._clock.now())
        return _converted(call, await self._exchange.run(call, access), wire.to_token)


def _converted(call: Call, reply: Reply, convert: Callable[[Reply], T]) -> T:
    try:
        return convert(reply)
    except UnusableError as error:
        problem = str(error)
    raise unusable(call, problem, reply.server_time)


def _unobserved(_call: str, _outcome: str, _seconds: float) -> None:
    """Count nothing."""
