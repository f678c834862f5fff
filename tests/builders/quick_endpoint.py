"""An endpoint for notifications that is only quick: it checks nothing, and counts.

It is a program, so that a benchmark measures the operator alone: `python -m builders.quick_endpoint` prints its URL.
After `GET /hold/SECONDS` it takes nothing for so long, and asks to be tried again then.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate

from aiohttp import web

from builders.listening import listening


@dataclass
class QuickEndpoint:
    """What was taken since `/forget`."""

    times: list[float] = field(default_factory=list)
    """Of each, in seconds."""
    ids: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    opens: float = 0.0
    """When it takes something again, in seconds since 1970."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return self._control(request.path)
        await request.read()
        if time.time() < self.opens:
            self.refused.add(request.headers["webhook-id"])
            return web.Response(status=429, headers={"Retry-After": formatdate(self.opens, usegmt=True)})
        self.times.append(time.monotonic())
        self.ids.add(request.headers["webhook-id"])
        return web.Response(status=204)

    def _control(self, path: str) -> web.Response:
        match path.split("/"):
            case ["", "forget"]:
                self.times, self.ids, self.refused = [], set(), set()
            case ["", "hold", seconds]:
                self.opens = float(int(time.time() + float(seconds)))
            case _:
                pass
        took = self.times[-1] - self.times[0] if self.times else 0.0
        return web.json_response({"told": len(self.ids), "seconds": took, "refused": len(self.refused)})


@asynccontextmanager
async def quick_endpoint() -> AsyncIterator[str]:
    """Serve on a free port of loopback; yield the URL."""
    runner = web.ServerRunner(web.Server(QuickEndpoint().handle), shutdown_timeout=0.1)
    async with listening(runner) as url:
        yield url


async def _run() -> None:
    async with quick_endpoint() as url:
        print(url, flush=True)  # noqa: T201  # the process that started it reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run())
