"""The reference service as a real process behind a proxy, which kills it in the middle of calls.

Of each method, the first new request ends with SIGKILL for the service before it has got it, the second one after it
has answered; the caller sees a connection that is cut. Then the service is started again, with its database.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from builders.listening import free_port, listening
from builders.python_path import path_with_builders

__all__ = ["KilledHook", "killed_hook"]


@dataclass
class KilledHook:
    """Made by `killed_hook`."""

    folder: Path
    port: int
    url: str = ""
    process: asyncio.subprocess.Process | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and idempotency key of each request."""
    kills: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start the service, and wait until it listens."""
        files = ("--key-file", str(self.folder / "key"), "--database", str(self.folder / "hook.db"))
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "talkdesk_sandbox.hook", "serve", "--port", str(self.port), *files),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path_with_builders()},
        )
        assert self.process.stdout is not None
        assert await self.process.stdout.readline(), "the service did not start"

    async def kill(self) -> None:
        """End it by SIGKILL, and start it again."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        self.kills += 1
        await self.start()

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on that has come before; kill the service at any other."""
        asked = request.method, request.headers.get("idempotency-key", "")
        async with self._turn:
            number = len({key for method, key in self.asked if method == request.method})
            is_new, self.asked = asked not in self.asked, [*self.asked, asked]
            if is_new and number == 0:
                return await self._cut(request)
            body, headers = await request.read(), {k: v for k, v in request.headers.items() if k.lower() != "host"}
            url = f"http://127.0.0.1:{self.port}{request.path_qs}"
            async with (
                aiohttp.ClientSession() as session,
                session.request(request.method, url, data=body or None, headers=headers) as response,
            ):
                text = await response.read()
            if is_new and number == 1:
                return await self._cut(request)
            return web.Response(status=response.status, body=text, content_type="application/json")

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        await self.kill()
        return web.Response()


@asynccontextmanager
async def killed_hook(folder: Path, key: str) -> AsyncIterator[KilledHook]:
    """Serve until the end of the block."""
    (folder / "key").write_text(key)
    made = KilledHook(folder, free_port())
    await made.start()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.pass_on)
    try:
        async with listening(web.AppRunner(app)) as url:
            made.url = url
            yield made
    finally:
        assert made.process is not None
        made.process.kill()
        await made.process.wait()
