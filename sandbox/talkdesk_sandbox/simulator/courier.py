"""The courier: delivers signed events by HTTP, tries again, and keeps a log.

Belongs here: sending, retries, faults of deliveries, the log. Does not belong here: what events say, why they exist.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import aiohttp
import httpx

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.faults import Duplicate, FaultBook, Hold, Lose, Slow, Tamper
from talkdesk_sandbox.simulator.model import Event
from talkdesk_sandbox.simulator.settings import Behaviour

DeliveryState = Literal["sending", "waiting", "held", "delivered", "lost"]
_PIECES = 20


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event as it goes over the wire. The body may hold credentials: never printed."""

    event_id: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver."""

    at: datetime
    latency: float
    """Seconds from sending to the answer."""
    status: int | None
    error: str | None
    """Why there was no answer: the kind of failure."""


@dataclass(slots=True)
class Delivery:
    """One delivery of one event, with all its tries."""

    number: int
    event: Event
    url: str
    state: DeliveryState = "sending"
    attempts: list[Attempt] = field(default_factory=list)
    next_at: datetime | None = None
    faults: tuple[str, ...] = ()
    slow: float = 0.0
    tamper: bool = False
    behind: int | None = None
    """Of a held one: how many later events go first; None: until released."""


class Courier:
    """Delivers events; everything in one event loop."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        clock: Clock,
        faults: FaultBook,
        sign: Callable[[Event], SignedEvent],
        rules: Callable[[], Behaviour],
        *,
        concurrency: int = 128,
    ) -> None:
        self._client = client
        self._clock = clock
        self._faults = faults
        self._sign = sign
        self._rules = rules
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: dict[int, Delivery] = {}
        """Those that wait for a retry or are held."""
        self.log: list[Delivery] = []

    def submit(self, event: Event, url: str) -> None:
        """Take an event for delivery; its faults decide how. Needs a running event loop."""
        faults = self._faults.on_delivery(event.type, event.installation_id)
        copies = 1 + sum(fault.copies for fault in faults if isinstance(fault, Duplicate))
        for _ in range(copies):
            delivery = Delivery(len(self.log) + 1, event, url, faults=tuple(fault.kind for fault in faults))
            self.log.append(delivery)
            for fault in faults:
                match fault:
                    case Slow():
                        delivery.slow = fault.seconds
                    case Tamper():
                        delivery.tamper = True
                    case Hold():
                        delivery.state, delivery.behind = "held", fault.events
                    case Lose():
                        delivery.state = "lost"
                    case Duplicate():
                        pass  # counted above
            if delivery.state == "sending":
                self._start(delivery)
            elif delivery.state == "held":
                self._idle[delivery.number] = delivery

    def release(self) -> int:
        """Send everything that is held; return how many."""
        held = [delivery for delivery in self._idle.values() if delivery.state == "held"]
        for delivery in held:
            self._start(delivery)
        return len(held)

    def retry_due(self) -> None:
        """Start all retries whose time has come."""
        now = self._clock.now()
        due = [each for each in self._idle.values() if each.next_at is not None and each.next_at <= now]
        for delivery in due:
            self._start(delivery)

    def next_due(self) -> datetime | None:
        """When the next retry is due; None for never."""
        times = (delivery.next_at for delivery in self._idle.values())
        return min((at for at in times if at is not None), default=None)

    async def settled(self) -> None:
        """Wait until nothing is on its way; what waits for a retry or is held doesn't count."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Give up everything that is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, delivery: Delivery) -> None:
        self._idle.pop(delivery.number, None)
        delivery.state, delivery.next_at = "sending", None
        task = asyncio.get_running_loop().create_task(self._try(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, delivery: Delivery) -> None:
        async with self._slots:
            attempt = await self._post(delivery)
        delivery.attempts.append(attempt)
        if attempt.status is not None and 200 <= attempt.status < 300:
            delivery.state = "delivered"
        else:
            self._plan_retry(delivery)
        if len(delivery.attempts) == 1:
            self._let_pass(delivery)

    async def _post(self, delivery: Delivery) -> Attempt:
        rules, at, started = self._rules(), self._clock.now(), time.perf_counter()
        signed = self._sign(delivery.event)
        headers = {**signed.headers, "Content-Length": str(len(signed.body))}
        if delivery.tamper:
            headers |= self._sign(_altered(delivery.event)).headers
        content = _in_pieces(signed.body, delivery.slow) if delivery.slow else signed.body
        status, error = None, None
        try:
            async with asyncio.timeout(rules.delivery_timeout.total_seconds() + delivery.slow):
                response = await self._client.post(
                    delivery.url, content=content, headers=headers, follow_redirects=rules.follow_redirects
                )
                status = response.status_code
        except TimeoutError:
            error = "timeout"
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError) as problem:
            # The transport calls every lost connection a ConnectTimeout, and lets bad HTTP through; its cause is exact.
            error = type(problem.__cause__ or problem).__name__
        return Attempt(at, time.perf_counter() - started, status, error)

    def _plan_retry(self, delivery: Delivery) -> None:
        rules, tried = self._rules(), len(delivery.attempts)
        if tried > len(rules.retry_delays):
            delivery.state = "lost"
            return
        origin = delivery.attempts[0 if rules.retry_from == "first" else -1].at
        delivery.state, delivery.next_at = "waiting", origin + rules.retry_delays[tried - 1]
        self._idle[delivery.number] = delivery

    def _let_pass(self, passed: Delivery) -> None:
        for delivery in list(self._idle.values()):
            if delivery.state == "held" and delivery.behind is not None and delivery.number < passed.number:
                delivery.behind -= 1
                if delivery.behind <= 0:
                    self._start(delivery)


def _altered(event: Event) -> Event:
    return Event(
        event.id,
        event.type,
        event.app_id,
        event.account_id,
        event.installation_id,
        event.created_at,
        {},
        event.body + b" ",
    )


async def _in_pieces(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // _PIECES))
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(seconds / _PIECES)
