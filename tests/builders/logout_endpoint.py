"""A partner's single-logout endpoint that checks what it gets as the specification of Standard Webhooks says."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from builders.serving import serving

KEY = b"a made-up key of a partner's"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass
class LogoutEndpoint:
    """Remembers what came with a good signature; answers with `status`, once `open` is set."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """Answers to come before `status`."""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    came: list[tuple[str, bytes]] = field(default_factory=list)
    """Ids and bodies."""
    elsewhere: list[str] = field(default_factory=list)
    """Other paths that were requested."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    async def logout(self, request: Request) -> Response:
        body = await request.body()
        message, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        assert request.headers["content-type"] == "application/json"
        assert abs(time.time() - int(timestamp)) < 300
        expected = hmac.digest(KEY, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
        signatures = [each.removeprefix("v1,") for each in request.headers["webhook-signature"].split(" ")]
        if not any(hmac.compare_digest(base64.b64decode(each), expected) for each in signatures):
            return Response(status_code=401)
        self.came.append((message, body))
        self.waiting += 1
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        return Response(self.body, self.statuses.pop(0) if self.statuses else self.status, self.headers)

    async def other(self, request: Request) -> Response:
        self.elsewhere.append(request.url.path)
        return Response(status_code=200)


@asynccontextmanager
async def logout_endpoint() -> AsyncIterator[LogoutEndpoint]:
    it = LogoutEndpoint()
    it.open.set()
    routes = [
        Route("/single-logout", it.logout, methods=["POST"]),
        Route("/{path:path}", it.other, methods=["GET", "POST"]),
    ]
    async with serving(Starlette(routes=routes)) as served:
        it.url = f"{served.url}/single-logout"
        try:
            yield it
        finally:
            it.open.set()
