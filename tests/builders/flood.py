"""A flood of requests by somebody who has no key: made-up apps and made-up key ids, from an address of their own."""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from builders.events import encode
from builders.place import Place
from talkdesk_runtime.background import in_background

__all__ = ["Flood", "flooding"]

ADDRESS = "127.0.0.66"
"""Where the flood comes from, unless it comes from where real events come from, as behind a proxy."""


@dataclass
class Flood:
    """Sends until stopped: of ten requests two for made-up apps, two for another app, six that know the app's id."""

    place: Place
    url: str
    per_second: int = 200
    address: str = ADDRESS
    account: str | None = None
    """The account that it names; None for one that is made up each time."""
    answers: Counter[str] = field(default_factory=Counter)
    sent: int = 0

    async def run(self) -> None:
        """Send, whatever becomes of the requests that are under way."""
        clock, under_way = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        connector = aiohttp.TCPConnector(limit=0, local_addr=(self.address, 0))
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
            started = clock.time()
            try:
                for number in itertools.count():
                    await asyncio.sleep(max(0.0, started + number / self.per_second - clock.time()))
                    task = asyncio.create_task(self._one(session, number))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        kind = number % 10
        app = f"made-up-{number // 3}" if kind < 2 else "sentiment"
        account = self.account or f"account-{number}"
        body = self.place.uninstalled({"installation_id": f"forged-{number}", "account_id": account})
        if kind in (2, 3):
            body["app_id"] = f"made-up-{number}"
        # Once, twice, and over and over.
        times = (1, 2, 2, 3, 20, 500)[kind - 4] if kind >= 4 else 2
        key_id = f"made-up-{kind}-{number // 10 // times}"
        headers = {"X-Hub-Ecdsa-Signature": os.urandom(70).hex(), "X-Hub-Ecdsa-Signature-Id": key_id}
        self.sent += 1
        try:
            url = f"{self.url}/events/{self.place.namespace}/{app}"
            async with session.post(url, data=encode(body), headers=headers) as answer:
                reason = (await answer.json())["reason"]
                self.answers[f"{answer.status} {reason}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.answers[type(error).__name__] += 1


@asynccontextmanager
async def flooding(flood: Flood) -> AsyncIterator[Flood]:
    """Flood until the end of the block."""
    async with in_background(flood.run(), "flood"):
        yield flood
