"""One request and its response: admitted, bounded in time and size, measured.

Belongs here: everything that all calls share. Does not belong here: retries, meaning of single calls.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

import aiohttp
import httpx

from talkdesk_operator.adapters.http.sending import HttpResponse, send
from talkdesk_operator.adapters.http.transport_errors import TRANSPORT_ERRORS, cause_of, not_sent_because
from talkdesk_operator.adapters.scim.admission import Admission
from talkdesk_operator.adapters.scim.calls import Call
from talkdesk_operator.adapters.scim.responses import Reply, interpret
from talkdesk_operator.domain.ports.scim import Service
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimMalformed, ScimUnavailable, ScimUnreachable
from talkdesk_runtime.clock import Clock

Observe: TypeAlias = Callable[[str, str, float], None]
"""Called after each request with the call's name, `ok` or the error's class name, and the seconds it took."""

_MEDIA_TYPE: Final = "application/scim+json"


class Exchange:
    """Sends calls, each exactly once."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        admission: Admission,
        clock: Clock,
        user_agent: str,
        connect_timeout: timedelta,
        max_body: int,
        observe: Observe,
    ) -> None:
        """Let a connection take `connect_timeout` at most, and a response have `max_body` bytes at most."""
        self._transport = transport
        self._admission = admission
        self._clock = clock
        self._user_agent = user_agent
        self._connect = connect_timeout.total_seconds()
        self._max_body = max_body
        self._observe = observe

    async def run(self, call: Call, service: Service, patience: timedelta) -> Reply:
        """Send the call; raise ScimError for anything but a success with a JSON object or nothing."""
        async with self._admission.admit(call.origin, call.words, patience) as admitted:
            started = self._clock.monotonic()
            outcome = await self._attempt(call, service)
            admitted.error = outcome if isinstance(outcome, ScimError) else None
        name = "ok" if admitted.error is None else type(admitted.error).__name__.removeprefix("Scim")
        self._observe(f"scim {call.name}", name, self._clock.monotonic() - started)
        if isinstance(outcome, ScimError):
            raise outcome
        return outcome

    async def _attempt(self, call: Call, service: Service) -> Reply | ScimError:
        """Return the outcome as a value, so that no foreign exception, which may hold secrets, is a cause of ours."""
        try:
            async with asyncio.timeout(service.timeout.total_seconds()):
                response = await self._send(call, service)
        except TRANSPORT_ERRORS as failure:
            return _failed(call, failure)
        return interpret(call, response, self._clock.now())

    async def _send(self, call: Call, service: Service) -> HttpResponse:
        total = service.timeout.total_seconds()
        connect = min(self._connect, total)
        request = httpx.Request(
            call.method,
            call.url,
            headers=self._headers(call, service),
            content=call.body,
            extensions={"timeout": httpx.Timeout(total, connect=connect, pool=connect).as_dict()},
        )
        return await send(self._transport, request, max_body=self._max_body)

    def _headers(self, call: Call, service: Service) -> dict[str, str]:
        headers = {
            # Some services know only the plain type, and say so with a 406.
            "Accept": f"{_MEDIA_TYPE}, application/json;q=0.9",
            "Accept-Encoding": "identity",
            "User-Agent": self._user_agent,
            "Authorization": f"Bearer {service.token.get_secret_value()}",
        }
        if call.body is not None:
            headers["Content-Type"] = _MEDIA_TYPE
        if call.if_match is not None:
            headers["If-Match"] = call.if_match
        return headers


def _failed(call: Call, failure: BaseException) -> ScimError:
    """Return the port's error for one of TRANSPORT_ERRORS; a library's words could quote a header, so none are kept."""
    cause = cause_of(failure)
    before = not_sent_because(cause)
    if before is not None:
        return ScimUnreachable(f"{call.words}: {before}", kind=before)
    if isinstance(cause, aiohttp.ClientResponseError):
        return ScimMalformed(f"{call.words}: the answer is not HTTP as it should be", kind="no HTTP")
    words = "no answer in time" if isinstance(cause, TimeoutError) else "the connection was cut"
    return ScimUnavailable(f"{call.words}: {words}; it may have happened or not", kind=words)
