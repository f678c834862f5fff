"""The proxies before one life's Talkdesk, its SCIM service and the service that its `http` step calls."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web

from builders.listening import listening
from torture.http import HOP_BY_HOP, cut, passed_on
from torture.points import ANSWERS, Kind
from torture.track import Track

__all__ = ["ServiceProxy", "service_proxy"]

_WEBHOOKS: Final = re.compile(r"/events/signature-keys/")
"""The only thing that the webhook asks of Talkdesk."""


async def _nothing(_: web.BaseRequest, __: bytes) -> None:
    return


@dataclass
class ServiceProxy:
    """Made by `service_proxy`."""

    server: str
    """`talkdesk`, `scim` or `hook`."""
    track: Track
    session: aiohttp.ClientSession
    url: str = ""
    upstream: str = ""
    """Where the service is; it is told after the proxy's own address is known."""
    witness: Callable[[web.BaseRequest, bytes], Awaitable[None]] = _nothing
    """Sees each request before it goes on."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a request on, or disturb it."""
        body = await request.read()
        with self.track.running():
            actor = "webhook" if _WEBHOOKS.match(request.path) else "operator"
            kind = self.track.meet(actor, self.server, f"{request.method} {request.path}")
            struck = self.track.struck
            if kind in ANSWERS:
                headers = {"Retry-After": "1"} if kind is Kind.BUSY else {}
                body_of_answer = {"message": "disturbed on purpose", "error": "ConcurrencyError"}
                return web.json_response(body_of_answer, status=int(kind), headers=headers)
            if kind is Kind.KILL_BEFORE:
                await struck.wait()
                return cut(request)
            await self.witness(request, body)
            answer = await self._forward(request, body)
            if kind is Kind.KILL_AFTER:
                await struck.wait()
            return answer if kind is None else cut(request)

    async def _forward(self, request: web.BaseRequest, body: bytes) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        url = self.upstream + request.raw_path
        async with self.session.request(
            request.method, url, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            return web.Response(body=await answer.read(), status=answer.status, headers=passed_on(answer))


@asynccontextmanager
async def service_proxy(server: str, track: Track, session: aiohttp.ClientSession) -> AsyncIterator[ServiceProxy]:
    """Open it on a free port of loopback."""
    made = ServiceProxy(server, track, session)
    served = web.Server(made.handle, access_log=None, handler_cancellation=True)
    async with listening(web.ServerRunner(served, handle_signals=False, shutdown_timeout=0.1)) as made.url:
        yield made
