"""The port to partners' services, over HTTP: one client for the whole process.

Belongs here: signing, bounds, circuit breakers, and why there is no response. Does not belong here: what a response
means (`domain.hooks.protocol`), connections and trust of one service (`routes`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias

import aiohttp
import httpx
from typing_extensions import override

from talkdesk_operator.adapters.hooks.routes import Routes, TlsUnusable
from talkdesk_operator.adapters.http import (
    TRANSPORT_ERRORS,
    HttpResponse,
    cause_of,
    json_object,
    not_sent_because,
    retry_after,
    send,
)
from talkdesk_operator.adapters.http.json_object import EMPTY
from talkdesk_operator.domain.ports.hooks import Answer, HookPort, HookRequest, HookTarget, Reply, Unanswered
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits, CircuitBreakers
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.fence import Fence
from talkdesk_runtime.networks import Network
from talkdesk_runtime.programs import installed_version

__all__ = ["HookClient", "HookSettings", "Observe"]

Observe: TypeAlias = Callable[[str, str, float], None]
"""Called after each request with the service's name, the status or why there is none, and the seconds it took."""

_BREAKER: Final = BreakerLimits(8, Backoff(timedelta(seconds=5), timedelta(minutes=1)))
_AT_ONCE: Final = 16
"""Requests under way to one service."""


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Bounds of the client."""

    denied_networks: tuple[Network, ...] = ()
    """Networks to which no connection is made."""
    connect_timeout: timedelta = timedelta(seconds=5)
    """For a connection, TLS included."""
    max_body: int = 1 << 18
    """Bytes of a response."""


class HookClient(HookPort):
    """Partners' services over HTTP. Make one per process, in its event loop, and close it at the end."""

    def __init__(
        self,
        settings: HookSettings | None = None,
        *,
        proxies: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        observe: Observe | None = None,
        fence: Fence | None = None,
    ) -> None:
        """Take bounds, proxies, time and metrics; each has the machine's own as default.

        Nothing is sent while `fence` is shut.
        """
        self._settings = settings or HookSettings()
        self._clock = clock or Clock.system()
        self._observe = observe or _unobserved
        self._routes = Routes(proxies=proxies, fence=fence, denied=self._settings.denied_networks)
        self._breakers: CircuitBreakers[str] = CircuitBreakers(_BREAKER, monotonic=self._clock.monotonic)
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._agent = f"talkdesk-operator/{installed_version()}"

    @override
    def held(self, target: HookTarget) -> Unanswered | None:
        wait = self._breakers.wait(target.name)
        if not wait:
            return None
        # No figures in the words: they go into a status, which isn't written while nothing changes.
        words = "nothing was sent, because calls there keep failing; one of them will soon be tried again"
        return Unanswered(words, sent=False, retry_after=timedelta(seconds=wait))

    @override
    async def call(self, target: HookTarget, request: HookRequest) -> Answer:
        slots = self._slots.setdefault(target.name, asyncio.Semaphore(_AT_ONCE))
        async with slots:
            if (held := self.held(target)) is not None:
                return held
            started = self._clock.monotonic()
            with self._breakers.attempt(target.name) as attempt:
                answer = await self._attempt(target, request)
                attempt.failed = isinstance(answer, Unanswered) or answer.status >= 500
        outcome = str(answer.status) if isinstance(answer, Reply) else "none"
        self._observe(target.name, outcome, self._clock.monotonic() - started)
        return answer

    async def aclose(self) -> None:
        """Close all connections; no call may follow."""
        await self._routes.aclose()

    async def _attempt(self, target: HookTarget, request: HookRequest) -> Answer:
        """Return the outcome as a value, so that no foreign exception, which may hold secrets, is a cause of ours."""
        try:
            async with asyncio.timeout(target.timeout.total_seconds()):
                return self._reply(await self._send(target, request))
        except TlsUnusable as error:
            return Unanswered(str(error), sent=False)
        except TRANSPORT_ERRORS as failure:
            return _unanswered(failure)

    async def _send(self, target: HookTarget, request: HookRequest) -> HttpResponse:
        total = target.timeout.total_seconds()
        connect = min(self._settings.connect_timeout.total_seconds(), total)
        message = httpx.Request(
            request.method,
            request.url,
            headers=self._headers(target, request),
            content=request.body or None,
            extensions={"timeout": httpx.Timeout(total, connect=connect, pool=connect).as_dict()},
        )
        transport = self._routes.to(target.ca_bundle, target.client_certificate)
        return await send(transport, message, max_body=self._settings.max_body)

    def _headers(self, target: HookTarget, request: HookRequest) -> dict[str, str]:
        """Return the step's own headers, and those that no step can replace."""
        own = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": self._agent,
            "idempotency-key": request.key,
            **target.keys.headers(request.key, self._clock.now(), request.body),
        }
        if request.body:
            own["content-type"] = request.content_type
        return {name: text for name, text in target.headers.items() if name.lower() not in own} | own

    def _reply(self, response: HttpResponse) -> Reply:
        content, wait = json_object(response), retry_after(response.headers, self._clock.now())
        if content == EMPTY:
            content = {}
        reply = Reply(response.status, None, wait)
        return replace(reply, problem=content) if isinstance(content, str) else replace(reply, content=content)


def _unanswered(failure: BaseException) -> Unanswered:
    """Say why, for one of TRANSPORT_ERRORS; a library's words could quote a header, so none are kept."""
    cause = cause_of(failure)
    before = not_sent_because(cause)
    if before is not None:
        return Unanswered(before, sent=False)
    if isinstance(cause, aiohttp.ClientResponseError):
        return Unanswered("the answer is not HTTP as it should be", sent=True)
    if isinstance(cause, TimeoutError):
        return Unanswered("no answer in time", sent=True)
    return Unanswered("the connection was cut", sent=True)


def _unobserved(_service: str, _outcome: str, _seconds: float) -> None:
    """Count nothing."""
