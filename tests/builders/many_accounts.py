"""Many customers whose accounts are in order: what lists them, and the parts of a process that takes them in."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from builders.manual_clock import ManualClock
from builders.raw_objects import app, installation, tenant
from talkdesk_crds.kind import CustomResource
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import priority_of
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.informer.handlers import Handlers
from talkdesk_operator.informer.relist import Relist
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.observability.probes import Health
from talkdesk_operator.process.tuning import loading_what_stays
from talkdesk_operator.workqueue.queue import Cause, Result, WorkQueue


class Listings:
    """An API server that lists so many customers; the objects differ in their names alone."""

    def __init__(self, accounts: int) -> None:
        self.accounts = accounts
        self.asked = 0
        self.version = "9"
        self.app = app()

    def objects(self, kind: type[CustomResource], number: int) -> dict[str, Any]:
        if kind.INFO.kind == "TalkdeskInstallation":
            return installation(f"i{number}", account=f"a{number}", status={"phase": "Active"})
        return tenant(f"sentiment-a{number}", account=f"a{number}")

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert (method, query is not None) == ("GET", True)
        self.asked += 1
        kind = next(kind for kind in KINDS if path.endswith(kind.INFO.plural))
        if kind.INFO.kind == "TalkdeskApp":
            return {"metadata": {"resourceVersion": self.version}, "items": [self.app]}
        start, limit = int((query or {}).get("continue", "0")), int((query or {})["limit"])
        end = min(start + limit, self.accounts)
        more = {"continue": str(end)} if end < self.accounts else {}
        items = [self.objects(kind, number) for number in range(start, end)]
        return {"metadata": {"resourceVersion": self.version, **more}, "items": items}


@dataclass
class Stretches:
    """CPU time between the turns of a task that does nothing else."""

    longest: float = 0.0
    turns: int = 0

    async def watch(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - before)
            self.turns += 1


@dataclass
class Start:
    """The parts of a process between a listing and its reconciles."""

    listings: Listings
    cache: InformerCache = field(default_factory=InformerCache)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        clock, rng = ManualClock(), random.Random(1)  # noqa: S311 - a test
        metrics = Metrics(self.registry)
        self.queue = WorkQueue(metrics, scheduler=clock, rng=rng)
        self.health = Health(clock=clock.time, max_event_age=timedelta(seconds=90))
        now = clock.runtime_clock().now
        metrics.installations.count(self.cache.tally, now)
        self.handlers = Handlers(self.cache, self.queue, self.health, prioritize=priority_of, now=now)
        self.relist = Relist(self.listings, self.cache, Selection(), clock=clock.runtime_clock(), rng=rng)

    async def load(self) -> None:
        with loading_what_stays():
            await self.relist.load_until_successful(self.health, self.changed)

    async def changed(self, kind: str, keys: Any) -> None:
        await self.handlers.enqueue_all(kind, keys, Cause.STARTUP)

    async def reconcile_all(self, accounts: int) -> set[AccountKey]:
        """Work until so many accounts were reconciled, each of which is in order and costs no request."""
        begun: set[AccountKey] = set()
        stop = asyncio.Event()

        async def reconcile(key: AccountKey, _causes: frozenset[Cause]) -> Result:
            begun.add(key)
            if not key.is_app:
                assert self.cache.installations(key)
                assert self.cache.tenant(key)
            if len(begun) == accounts:
                stop.set()
            return Result()

        await self.queue.run(reconcile, stop)
        return begun


@asynccontextmanager
async def stretches() -> AsyncIterator[Stretches]:
    it = Stretches()
    task = asyncio.create_task(it.watch())
    try:
        yield it
    finally:
        task.cancel()
