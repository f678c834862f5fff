"""The dispatcher: delivers signed events by HTTP, retries, and keeps a log.

Belongs here: sending, retries, faults of deliveries, the log. Does not belong here: what events say, why they exist.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime

import aiohttp
import httpx

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.delivery.deliveries import Attempt, Delivery, SignedEvent
from talkdesk_sandbox.simulator.faults.book import FaultBook
from talkdesk_sandbox.simulator.faults.kinds import Duplicate, Hold, Lose, Slow, Tamper
from talkdesk_sandbox.simulator.settings import Behavior
from talkdesk_sandbox.simulator.state.entities import Event

_PIECES = 20


class Dispatcher:
    """Delivers events; everything runs in one event loop."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        clock: Clock,
        faults: FaultBook,
        sign: Callable[[Event], SignedEvent],
        behavior: Callable[[], Behavior],
        *,
        concurrency: int = 128,
    ) -> None:
        self._client = client
        self._clock = clock
        self._faults = faults
        self._sign = sign
        self._behavior = behavior
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._parked: dict[int, Delivery] = {}
        """Deliveries that are held or have a scheduled retry."""
        self.log: list[Delivery] = []

    def submit(self, event: Event, url: str) -> None:
        """Accept an event for delivery; its faults decide how. Needs a running event loop."""
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
                self._parked[delivery.number] = delivery

    def release(self) -> int:
        """Send every held delivery; return how many there were."""
        held = [delivery for delivery in self._parked.values() if delivery.state == "held"]
        for delivery in held:
            self._start(delivery)
        return len(held)

    def retry_due(self) -> None:
        """Start all retries that are due."""
        now = self._clock.now()
        due = [each for each in self._parked.values() if each.next_at is not None and each.next_at <= now]
        for delivery in due:
            self._start(delivery)

    def next_due(self) -> datetime | None:
        """Return when the next retry is due; None for never."""
        times = (delivery.next_at for delivery in self._parked.values())
        return min((at for at in times if at is not None), default=None)

    async def drain(self) -> None:
        """Wait until no attempt is running; held deliveries and scheduled retries do not count."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Cancel all running attempts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, delivery: Delivery) -> None:
        self._parked.pop(delivery.number, None)
        delivery.state, delivery.next_at = "sending", None
        task = asyncio.get_running_loop().create_task(self._attempt(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, delivery: Delivery) -> None:
        async with self._slots:
            attempt = await self._post(delivery)
        delivery.attempts.append(attempt)
        if attempt.status is not None and 200 <= attempt.status < 300:
            delivery.state = "delivered"
        else:
            self._schedule_retry(delivery)
        if len(delivery.attempts) == 1:
            self._release_behind(delivery)

    async def _post(self, delivery: Delivery) -> Attempt:
        behavior, at, started = self._behavior(), self._clock.now(), time.perf_counter()
        signed = self._sign(delivery.event)
        headers = {**signed.headers, "Content-Length": str(len(signed.body))}
        if delivery.tamper:
            headers |= self._sign(_tampered(delivery.event)).headers
        content = _in_pieces(signed.body, delivery.slow) if delivery.slow else signed.body
        status, error = None, None
        try:
            async with asyncio.timeout(behavior.delivery_timeout.total_seconds() + delivery.slow):
                response = await self._client.post(
                    delivery.url, content=content, headers=headers, follow_redirects=behavior.follow_redirects
                )
                status = response.status_code
        except TimeoutError:
            error = "timeout"
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError) as problem:
            # The transport calls every lost connection a ConnectTimeout, and lets bad HTTP through; its cause is exact.
            error = type(problem.__cause__ or problem).__name__
        return Attempt(at, time.perf_counter() - started, status, error)

    def _schedule_retry(self, delivery: Delivery) -> None:
        behavior, tried = self._behavior(), len(delivery.attempts)
        if tried > len(behavior.retry_delays):
            delivery.state = "lost"
            return
        origin = delivery.attempts[0 if behavior.retry_from == "first" else -1].at
        delivery.state, delivery.next_at = "waiting", origin + behavior.retry_delays[tried - 1]
        self._parked[delivery.number] = delivery

    def _release_behind(self, sent: Delivery) -> None:
        for delivery in list(self._parked.values()):
            if delivery.state == "held" and delivery.behind is not None and delivery.number < sent.number:
                delivery.behind -= 1
                if delivery.behind <= 0:
                    self._start(delivery)


def _tampered(event: Event) -> Event:
    return replace(event, document={}, body=event.body + b" ")


async def _in_pieces(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // _PIECES))
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(seconds / _PIECES)
