"""An endpoint for notifications that is only quick: it checks nothing, and counts.

It is a program, so that a benchmark measures the operator alone: `python -m builders.quick_endpoint` prints its URL.
Below `/refused` it answers 404, and takes everything elsewhere.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from builders.listening import listening


@dataclass
class QuickEndpoint:
    """What was taken since `/forget`."""

    times: list[float] = field(default_factory=list)
    """Of each, in seconds."""
    ids: set[str] = field(default_factory=set)
    refused: int = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            if request.path == "/forget":
                self.times, self.ids, self.refused = [], set(), 0
            seconds = self.times[-1] - self.times[0] if self.times else 0.0
            shown = {"arrived": len(self.times), "told": len(self.ids), "seconds": seconds, "refused": self.refused}
            return web.json_response(shown)
        await request.read()
        if request.path.startswith("/refused"):
            self.refused += 1
            return web.Response(status=404)
        self.times.append(time.monotonic())
        self.ids.add(request.headers["webhook-id"])
        return web.Response(status=204)


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
