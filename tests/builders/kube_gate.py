"""A gate between a program and the Kubernetes API server: it records every request, and stops those that a test names.

The program speaks plain http to it, the gate speaks TLS to the server with the program's own token. So a test can stop
a program exactly before an effect, or exactly after it: hold the request, kill the program, and the request or its
answer is dropped with the connection.
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
from aiohttp import web

from builders.listening import listening

WITHIN = 90.0
"""Seconds until what is waited for must have happened; two or three on an idle machine."""
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "host", "content-encoding"})


@dataclass
class Call:
    """One request that went through."""

    method: str
    path: str
    as_user: str | None
    at: datetime
    status: int | None = None
    """None while it runs, or when it was cut."""
    body: Any = None
    """What was written; of a Secret only its metadata."""
    refusal: str = ""
    """What the API server said with a 403."""

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    def has_posted(self, name: str, reason: str) -> bool:
        """Return whether it has posted a Kubernetes Event about the object of that name."""
        body = self.body if isinstance(self.body, dict) and self.status is not None else {}
        return bool(body.get("reason") == reason and body.get("regarding", {}).get("name") == name)

    def matches(self, method: str, path: str) -> bool:
        """Return whether it is of that method and its whole path matches the regular expression."""
        return self.method == method and re.fullmatch(path, self.path) is not None


@dataclass
class Hold:
    """A request to be stopped once: before it is sent to the server, or after the server has answered it."""

    when: Literal["before", "after"]
    matches: Callable[[Call], bool]
    skip: int = 0
    """How many matching requests are let through first."""
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _taken: bool = False

    async def reached(self) -> None:
        """Wait until a request is held."""
        async with asyncio.timeout(WITHIN):
            await self._reached.wait()

    def release(self) -> None:
        """Let the held request continue."""
        self._released.set()

    def takes(self, call: Call) -> bool:
        if self._taken or not self.matches(call):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self._taken = True
        return True

    async def stop(self) -> None:
        self._reached.set()
        await self._released.wait()


@dataclass
class Refusal:
    """Requests that the gate answers itself, as an API server that fails does."""

    matches: Callable[[Call], bool]
    status: int
    count: int


class KubeGate:
    """Made by `gate`."""

    def __init__(self, server: str, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self._server = server
        self._session = session
        self._holds: list[Hold] = []
        self._refusals: list[Refusal] = []
        self._progress = asyncio.Condition()

    def hold(self, method: str, path: str, when: Literal["before", "after"], *, skip: int = 0) -> Hold:
        """Stop one request of that method whose whole path matches the regular expression."""
        self._holds.append(Hold(when, lambda call: call.matches(method, path), skip))
        return self._holds[-1]

    def refuse(self, method: str, path: str, status: int, *, count: int = 1) -> None:
        """Answer so many matching requests with an error instead of passing them on."""
        self._refusals.append(Refusal(lambda call: call.matches(method, path), status, count))

    def count(self, method: str, path: str) -> int:
        """Count the calls of that method whose whole path matches the regular expression."""
        return sum(call.matches(method, path) for call in self.calls)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the calls so far meet a condition; it is checked after each call."""
        async with asyncio.timeout(WITHIN), self._progress:
            await self._progress.wait_for(condition)

    def writes(self, since: int = 0) -> list[Call]:
        """Return what was written, but for Leases and reviews, from the given number of calls on."""
        return [call for call in self.calls[since:] if call.is_write and "/leases" not in call.path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.method, request.path, request.headers.get("Impersonate-User"), datetime.now(UTC))
        self.calls.append(call)
        try:
            return await self._pass_on(call, request)
        finally:
            async with self._progress:
                self._progress.notify_all()

    async def _pass_on(self, call: Call, request: web.Request) -> web.StreamResponse:
        refusal = next((each for each in self._refusals if each.count > 0 and each.matches(call)), None)
        if refusal is not None:
            refusal.count -= 1
            call.status = refusal.status
            body = {"kind": "Status", "status": "Failure", "message": "on purpose", "code": refusal.status}
            return web.json_response(body, status=refusal.status)
        hold = next((each for each in self._holds if each.takes(call)), None)
        body_bytes = await request.read()
        if call.is_write and body_bytes:
            call.body = _kept(call.path, json.loads(body_bytes))
        if hold is not None and hold.when == "before":
            await hold.stop()
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method, self._server + request.raw_path, data=body_bytes or None, headers=headers
        ) as answer:
            call.status = answer.status
            if answer.status == 403:
                said = await answer.read()
                call.refusal = _message(said)
                return web.Response(body=said, status=403, headers=_passed_on(answer))
            if hold is not None and hold.when == "after":
                held = await answer.read()
                await hold.stop()
                return web.Response(body=held, status=answer.status, headers=_passed_on(answer))
            return await self._stream(request, answer)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_passed_on(answer))
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


def _kept(path: str, body: Any) -> Any:
    return {"metadata": body.get("metadata", {})} if "/secrets" in path else body


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, LookupError, TypeError):
        return body.decode(errors="replace")


def _passed_on(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}


@asynccontextmanager
async def gate(server: str, trust: ssl.SSLContext) -> AsyncIterator[KubeGate]:
    """Open a gate to an API server on a free port of loopback."""
    connector = aiohttp.TCPConnector(limit=0, ssl=trust)
    # What has no limit here has one in the program behind.
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        made = KubeGate(server, session)
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", made.handle)
        # A killed program's requests end with its connection, so a held request is never sent.
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, handler_cancellation=True, shutdown_timeout=0.1
        )
        async with listening(runner) as made.url:
            yield made
