"""The outermost layer of the HTTP side: journals each request, injects faults, sets the `Date` header.

Belongs here: what happens to requests and responses as such. Does not belong here: what a route means, which
fault hits.
"""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.faults.book import FaultBook
from talkdesk_sandbox.simulator.faults.kinds import (
    ApiFault,
    Delay,
    Drop,
    Empty,
    Huge,
    Malformed,
    Redirect,
    Status,
    Timeout,
)
from talkdesk_sandbox.simulator.http.journal import Journal, Record

RECORD = "talkdesk.record"
CONTROL = "/_control"


class FaultMiddleware:
    """Wraps an ASGI application; control requests are neither journaled nor hit by faults."""

    def __init__(self, app: ASGIApp, *, clock: Clock, faults: FaultBook, journal: Journal) -> None:
        self._app = app
        self._clock = clock
        self._faults = faults
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        record = scope[RECORD] = self._journal.open(self._clock.now(), method, path)
        hits = self._faults.on_request(method, path)
        record.fault = ",".join(fault.kind for fault in hits) or None
        for fault in hits:
            if isinstance(fault, Delay):
                await asyncio.sleep(fault.seconds)
        injected = next((fault for fault in hits if not isinstance(fault, Delay)), None)
        dated = self._dated(record, send)
        if injected is None:
            await self._app(scope, receive, _recording(record, dated))
        else:
            await self._inject(injected, scope, receive, dated)

    async def _inject(self, fault: ApiFault, scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(fault, Timeout) or getattr(fault, "after_effect", False):
            await self._app(scope, receive, _recording(scope[RECORD], _discard))
        match fault:
            case Timeout():
                await asyncio.sleep(fault.seconds)
                await _cut(scope, receive)
            case Drop():
                await _cut(scope, receive)
            case _:
                await self._answer(fault)(scope, receive, send)

    def _answer(self, fault: ApiFault) -> Response:
        match fault:
            case Status():
                return Response(
                    b'{"code":"0000000","message":"fault on purpose"}',
                    fault.status,
                    self._retry_after(fault),
                    "application/json",
                )
            case Redirect():
                return Response(b"", fault.status, {"Location": fault.location})
            case Malformed():
                return Response(b'{"state": "compl', 200, media_type="application/json")
            case Huge():
                return StreamingResponse(_padding(fault.size), 200, media_type="application/json")
            case Empty() | Delay() | Drop() | Timeout():
                return Response(b"", 200, media_type="application/json")

    def _retry_after(self, fault: Status) -> dict[str, str]:
        if fault.retry_after is None:
            return {}
        if fault.retry_after_form == "seconds":
            return {"Retry-After": str(int(fault.retry_after.total_seconds()))}
        # One second more because a date has whole seconds and must not lie before what was asked for.
        at = self._clock.now() + fault.retry_after + timedelta(seconds=1)
        return {"Retry-After": format_datetime(at.replace(microsecond=0), usegmt=True)}

    def _dated(self, record: Record, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                MutableHeaders(scope=message)["Date"] = format_datetime(self._clock.now(), usegmt=True)
            await send(message)

        return dated


def _recording(record: Record, send: Send) -> Send:
    async def recording(message: Message) -> None:
        if message["type"] == "http.response.start":
            record.answered = message["status"]
        await send(message)

    return recording


async def _discard(_: Message) -> None:
    """Discard a response."""


async def _cut(scope: Scope, receive: Receive) -> None:
    transport: Any = scope.get("state", {}).get("transport")
    if transport is None:
        raise ConnectionResetError("cut on purpose")
    transport.abort()
    # uvicorn would answer 500 for an application that sends nothing before the connection has ended.
    while (await receive())["type"] != "http.disconnect":
        pass


async def _padding(size: int) -> Any:
    yield b'{"padding":"'
    chunk, rest = b"a" * 65536, max(size - 14, 0)
    while rest > 0:
        yield chunk[:rest]
        rest -= len(chunk)
    yield b'"}'
