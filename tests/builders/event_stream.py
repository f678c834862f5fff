"""A stream of signed events from many senders, and what became of each."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from builders.events import encode
from builders.place import Place
from builders.serving import until

__all__ = ["EventStream", "streaming"]


@dataclass
class EventStream:
    """What was sent, and what came back; each event is about an installation of its own."""

    place: Place
    numbers: Iterator[int] = field(default_factory=itertools.count)
    acknowledged: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    stopping: bool = False

    async def one(self, client: httpx.AsyncClient) -> None:
        number = next(self.numbers)
        raw = encode(self.place.uninstalled({"installation_id": f"{number:05}"}, id=f"event-{number}"))
        try:
            response = await client.post(
                f"/events/{self.place.namespace}/sentiment", content=raw, headers=self.place.signer.headers(raw)
            )
        except httpx.HTTPError as error:
            self.failed.append(f"{number}: {type(error).__name__}: {error}")
            return
        if response.status_code == 200:
            self.acknowledged.add(f"sentiment-{number:05}")
        else:
            self.failed.append(f"{number}: {response.status_code}: {response.text}")

    async def by_one_connection(self, url: str, tls: ssl.SSLContext | None) -> None:
        """Send until stopped; connections are kept as long as the webhook lets them be kept."""
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
        async with httpx.AsyncClient(base_url=url, timeout=20, limits=limits, verify=tls or True) as client:
            while not self.stopping:
                await self.one(client)
                await asyncio.sleep(0.02)  # so that there are moments in which nothing is under way

    async def by_new_connections(self, url: str, tls: ssl.SSLContext | None) -> None:
        """Send until stopped, by a new connection each."""
        while not self.stopping:
            async with httpx.AsyncClient(base_url=url, timeout=20, verify=tls or True) as client:
                await self.one(client)
            await asyncio.sleep(0.02)

    async def more(self, number: int = 20) -> None:
        """Wait until so many more were acknowledged or failed."""
        target = self.answered + number
        await until(lambda: self.answered >= target, within=60)

    @property
    def answered(self) -> int:
        return len(self.acknowledged) + len(self.failed)

    def lost(self) -> set[str]:
        """Return what was acknowledged and is not stored."""
        return self.acknowledged - set(self.place.installations())


@asynccontextmanager
async def streaming(place: Place, url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[EventStream]:
    """Send from four connections that are kept and two senders of new ones; at the end each waits for its answer."""
    stream = EventStream(place)
    senders = [stream.by_one_connection] * 4 + [stream.by_new_connections] * 2
    async with asyncio.TaskGroup() as tasks:
        for send in senders:
            tasks.create_task(send(url, tls))
        try:
            yield stream
        finally:
            stream.stopping = True
