"""A million requests of strangers at one webhook: what it answers, what it keeps, and whether real events are taken."""

import asyncio
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import httpx
from typing_extensions import override

from builders.crds import apply_crds
from builders.events import APP_ID, Signer
from builders.place import Place as RealPlace
from builders.webhook_process import WebhookProcess, apply_app, gateway, grant, webhook_process
from soak.gauges import Gauge
from soak.hostile_requests import KINDS, SLOW, Place, Request
from talkdesk_sandbox.controlplane import Cluster

__all__ = ["LIMITERS", "Attack", "attacking"]

LIMITERS = {"503 key_unavailable", "503 busy"}
"""The only answers of 5xx that there may be: limits that ARCHITECTURE.md names. Talkdesk with a new
key looks like a stranger."""
_CLIENTS = 160
_SLOW_CLIENTS = 60
_SOURCES = 60
_WAIT = 25.0
_REAL_EVERY = 0.5
_REASON = re.compile(rb'"reason": ?"(\w+)"')
_FILL = 0.15
"""Share of all requests that come first and each name another key: what is kept of them is bounded, and full then."""


class _Exchange(asyncio.Protocol):
    """Sends all at once, and takes what comes until the webhook closes. Streams would cost twice as much."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._answer = bytearray()
        self.ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._data)

    @override
    def data_received(self, data: bytes) -> None:
        self._answer += data

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(bytes(self._answer))


@dataclass
class Attack:
    """What was sent and what came back."""

    webhook: WebhookProcess
    real: RealPlace
    number: int
    seed: int = 1
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    real_answers: Counter[str] = field(default_factory=Counter)
    gauges: list[tuple[int, float, Gauge]] = field(default_factory=list)
    """Requests so far, seconds, and what the webhook has then; a tenth of all requests lies between two."""
    before: Gauge = field(init=False)
    after: Gauge = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - a test
        path = f"/events/{self.real.namespace}/sentiment"
        self._place = Place(path, self.real.signer.key_id, APP_ID)
        self._sources = itertools.cycle(f"127.0.7.{number}" for number in range(1, _SOURCES + 1))
        self._began = time.monotonic()

    async def run(self, say: Callable[[str], None]) -> None:
        """Send everything; real events come all the while."""
        self._began = time.monotonic()
        self.before = Gauge.read(self.webhook.process.pid)
        real = asyncio.create_task(self._real())
        slowly = range(min(_SLOW_CLIENTS, self.number // 50))
        slow = [asyncio.create_task(self._slowly(number, say)) for number in slowly]
        async with asyncio.TaskGroup() as clients:
            for _ in range(_CLIENTS):
                clients.create_task(self._quickly(say))
        for task in (real, *slow):
            task.cancel()
        await asyncio.gather(real, *slow, return_exceptions=True)
        await self._quiet()
        self.after = Gauge.read(self.webhook.process.pid)

    async def _quiet(self) -> None:
        """Wait until the webhook has no more files open than before, but not for ever."""
        for _ in range(150):
            if Gauge.read(self.webhook.process.pid).files <= self.before.files:
                return
            await asyncio.sleep(0.2)

    async def _quickly(self, say: Callable[[str], None]) -> None:
        makers, weights = zip(*KINDS.values(), strict=True)
        while self.sent < self.number:
            maker = (
                KINDS["made-up key"][0] if self.sent < _FILL * self.number else self._rng.choices(makers, weights)[0]
            )
            await self._counted(maker(self._place, self._rng), say)

    async def _slowly(self, number: int, say: Callable[[str], None]) -> None:
        while True:
            await self._counted(SLOW[number % len(SLOW)](self._place, self._rng), say)

    async def _counted(self, request: Request, say: Callable[[str], None]) -> None:
        self.sent += 1
        if self.sent % max(1, self.number // 10) == 0:
            self.gauges.append((self.sent, time.monotonic() - self._began, Gauge.read(self.webhook.process.pid)))
            say(self.line(*self.gauges[-1]))
        try:
            async with asyncio.timeout(_WAIT):
                answer = await self._sent(request)
        except (OSError, TimeoutError) as error:
            answer = type(error).__name__
        self.answers[answer] += 1

    async def _sent(self, request: Request) -> str:
        if request.pause:
            return await self._sent_slowly(request)
        exchange = _Exchange(b"".join(request.pieces))
        address = ("127.0.0.1", self.webhook.port)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: exchange, *address, local_addr=(next(self._sources), 0))
        try:
            return _kind(await exchange.ended) if request.waits else "not waited for"
        finally:
            transport.abort()

    async def _sent_slowly(self, request: Request) -> str:
        source = next(self._sources), 0
        reader, writer = await asyncio.open_connection("127.0.0.1", self.webhook.port, local_addr=source)
        try:
            for piece in request.pieces:
                writer.write(piece)
                await asyncio.sleep(request.pause)
                if writer.transport.is_closing() or reader.at_eof():
                    break
            return _kind(await reader.read(4096))
        finally:
            writer.transport.abort()

    def line(self, sent: int, seconds: float, gauge: Gauge) -> str:
        """Return a row of the table."""
        return f"{sent:>9,} requests, {seconds:6.0f} s, {sent / seconds:6.0f}/s: {gauge}"

    async def _real(self) -> None:
        """Send an event of Talkdesk's now and then, each of a customer of its own."""
        for number in itertools.count():
            ids = {"installation_id": f"i{number}", "account_id": f"a{number}"}
            body = self.real.installed(ids, id=f"event-{number}")
            try:
                status = str((await self.webhook.post(body, self.real.signer)).status_code)
            except httpx.HTTPError as error:
                status = type(error).__name__
            self.real_answers[status] += 1
            await asyncio.sleep(_REAL_EVERY)

    def report(self) -> Iterator[str]:
        """Yield what came back, what the webhook had before and after, and what is wrong."""
        yield f"answers: {', '.join(f'{number:,} {answer}' for answer, number in self.answers.most_common())}"
        yield f"real events: {', '.join(f'{number:,} {answer}' for answer, number in self.real_answers.most_common())}"
        yield f"before: {self.before}; after: {self.after}"
        sentences = list(self.wrong())
        yield f"wrong: {len(sentences)}"
        yield from sentences

    def wrong(self) -> Iterator[str]:
        """Yield a sentence for each thing that must not be."""
        for answer, number in self.answers.items():
            if answer.startswith("5") and answer not in LIMITERS:
                yield f"{number} requests were answered {answer}"
            if answer.startswith("2"):
                yield f"{number} requests of strangers were taken: {answer}"
        if self.after.files > self.before.files + 2:
            yield f"{self.after.files} open files afterwards, {self.before.files} before"
        taken, tried = self.real_answers["200"], self.real_answers.total()
        if taken < 0.99 * tried:
            yield f"of {tried} real events only {taken} were taken: {dict(self.real_answers)}"
        at_a_fifth, at_the_end = self.gauges[1][2].memory, self.gauges[-1][2].memory
        if at_the_end > 1.05 * at_a_fifth:
            yield f"memory grew from {at_a_fifth / 1e6:.1f} MB after a fifth to {at_the_end / 1e6:.1f} MB"


def _kind(answer: bytes) -> str:
    """Return status and reason of an answer."""
    if not answer.startswith(b"HTTP/1."):
        return "closed"
    reason = _REASON.search(answer)
    return f"{answer[9:12].decode()}{' ' + reason[1].decode() if reason else ''}"


@asynccontextmanager
async def attacking(cluster: Cluster, namespace: str, number: int) -> AsyncIterator[Attack]:
    """Start a webhook with an app in a namespace that is there."""
    apply_crds(cluster)
    signer, kubeconfig = Signer(), grant(cluster, namespace)
    slow_machine = {"request_timeout": "15s", "kubernetes_timeout": "15s"}
    async with gateway(signer) as it:
        apply_app(cluster, namespace, it)
        async with webhook_process(kubeconfig, namespace, **slow_machine) as webhook:
            place = RealPlace(cluster, namespace, kubeconfig, it, signer)
            assert await webhook.result(place.installed(), signer) == "stored"
            yield Attack(webhook, place, number)
