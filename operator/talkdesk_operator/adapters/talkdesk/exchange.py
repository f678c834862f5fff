"""One request and its response: admitted, bounded in time and size, measured.

Belongs here: everything that all calls share. Does not belong here: tokens, retries, meaning of single calls.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import httpx

from talkdesk_operator.adapters.http.headers import retry_after
from talkdesk_operator.adapters.http.sending import HttpResponse, send
from talkdesk_operator.adapters.http.transport_errors import TRANSPORT_ERRORS
from talkdesk_operator.adapters.talkdesk.calls import Call, Purpose
from talkdesk_operator.adapters.talkdesk.host_breakers import Host, HostBreakers, HostKind
from talkdesk_operator.adapters.talkdesk.limiter import Lane, Limiter
from talkdesk_operator.adapters.talkdesk.no_response import interpret_no_response
from talkdesk_operator.adapters.talkdesk.responses import Reply, interpret
from talkdesk_operator.domain.ports.talkdesk import Access, TalkdeskError, TalkdeskOutcomeUnknown, TalkdeskUnavailable
from talkdesk_runtime.clock import Clock

Observe: TypeAlias = Callable[[str, str, float], None]
"""Called after each request with the call's name, `ok` or the error's class name, and the seconds it took."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one request and its response."""

    connect_timeout: timedelta
    """For a connection, TLS included."""
    total_timeout: timedelta
    """For the request and its whole response."""
    max_body: int
    """Bytes of a response."""


class Exchange:
    """Sends calls, each exactly once."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        limiter: Limiter,
        breakers: HostBreakers,
        clock: Clock,
        user_agent: str,
        bounds: Bounds,
        observe: Observe,
    ) -> None:
        """Take the transport, and everything that limits its use."""
        self._transport = transport
        self._limiter = limiter
        self._breakers = breakers
        self._clock = clock
        self._user_agent = user_agent
        self._total = bounds.total_timeout.total_seconds()
        connect = bounds.connect_timeout.total_seconds()
        # aiohttp's wait for a connection from its pool includes making one, so both have the same bound.
        self._timeout = httpx.Timeout(self._total, connect=connect, pool=connect).as_dict()
        self._max_body = bounds.max_body
        self._observe = observe

    async def run(self, call: Call, access: Access) -> Reply:
        """Send the call within the limits of the access's region key; raise TalkdeskError for all but a success."""
        host, key = _host(call, access), access.region_key
        if not access.urgent:
            # Before the limiter as well: calls that may not be made take no slot, and wait for none.
            self._breakers.check(host, call.words)
        async with self._limiter.admitted(key, call.words, _lane(access)):
            with self._breakers.attempt(host, call.words, urgent=access.urgent) as attempt:
                started = self._clock.monotonic()
                outcome = await self._attempt(call, access)
                attempt.failed = isinstance(outcome, TalkdeskUnavailable | TalkdeskOutcomeUnknown)
            name = type(outcome).__name__.removeprefix("Talkdesk") if isinstance(outcome, TalkdeskError) else "ok"
            self._observe(call.name, name, self._clock.monotonic() - started)
        if isinstance(outcome, TalkdeskError):
            raise outcome
        return outcome

    async def _attempt(self, call: Call, access: Access) -> Reply | TalkdeskError:
        """Return the outcome as a value, so that no foreign exception, which may hold secrets, is a cause of ours."""
        try:
            async with asyncio.timeout(self._total):
                response = await self._send(call)
        except TRANSPORT_ERRORS as failure:
            return interpret_no_response(call, failure)
        now = self._clock.now()
        if response.status in {429, 503}:
            wait = retry_after(response.headers, now)
            if wait is not None:
                self._limiter.pause(access.region_key, wait, access.token_url)
        return interpret(call, response, now)

    async def _send(self, call: Call) -> HttpResponse:
        request = httpx.Request(
            call.method,
            call.url,
            headers=self._headers(call),
            content=call.body,
            extensions={"timeout": self._timeout},
        )
        return await send(self._transport, request, max_body=self._max_body)

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": self._user_agent,
        }
        if call.content_type:
            headers["Content-Type"] = call.content_type
        if call.authorization is not None:
            headers["Authorization"] = call.authorization.get_secret_value()
        return headers


def _lane(access: Access) -> Lane:
    # Each account has a token URL of its own.
    return Lane(access.token_url, access.urgent, access.last_attempt, access.background)


def _host(call: Call, access: Access) -> Host:
    kind = HostKind.TOKEN if call.purpose is Purpose.TOKEN else HostKind.API
    return Host(access.region_key, kind, call.host)
