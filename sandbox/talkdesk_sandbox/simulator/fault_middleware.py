"""The outermost layer of the HTTP side: journals each request, makes faults happen, tells the simulator's time.

Belongs here: what happens to requests and answers as such. Does not belong here: what routes mean, which fault hits.
"""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.faults import (
    ApiFault,
    Delay,
    Drop,
    Empty,
    FaultBook,
    Huge,
    Malformed,
    Redirect,
    Status,
    Timeout,
)
from talkdesk_sandbox.simulator.journal import Journal, Record

RECORD = "talkdesk.record"
CONTROL = "/_control"


class FaultMiddleware:
    """Wraps the application."""

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
        spoiling = next((fault for fault in hits if not isinstance(fault, Delay)), None)
        outward = self._outward(record, send)
        if spoiling is None:
            await self._app(scope, receive, _noting(record, outward))
        else:
            await self._spoil(spoiling, scope, receive, outward)

    async def _spoil(self, fault: ApiFault, scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(fault, Timeout) or getattr(fault, "after_effect", False):
            await self._app(scope, receive, _noting(scope[RECORD], _nowhere))
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
        # A whole second up, so that a rounded date never lies before what was asked for.
        at = self._clock.now() + fault.retry_after + timedelta(seconds=1)
        return {"Retry-After": format_datetime(at.replace(microsecond=0), usegmt=True)}

    def _outward(self, record: Record, send: Send) -> Send:
        async def outward(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                MutableHeaders(scope=message)["Date"] = format_datetime(self._clock.now(), usegmt=True)
            await send(message)

        return outward


def _noting(record: Record, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            record.answered = message["status"]
        await send(message)

    return noting


async def _nowhere(_: Message) -> None:
    """Swallow an answer."""


async def _cut(scope: Scope, receive: Receive) -> None:
    transport: Any = scope.get("state", {}).get("transport")
    if transport is None:
        raise ConnectionResetError("cut on purpose")
    transport.abort()
    # uvicorn would answer 500 for a silent application until it has seen the connection's end.
    while (await receive())["type"] != "http.disconnect":
        pass


async def _padding(size: int) -> Any:
    yield b'{"padding":"'
    chunk, rest = b"a" * 65536, max(size - 14, 0)
    while rest > 0:
        yield chunk[:rest]
        rest -= len(chunk)
    yield b'"}'
