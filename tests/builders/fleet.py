"""Replicas that divide accounts, all in this process: their Leases, and a stand-in for the work on a shard."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from builders.leases_api import Connection, LeasesApi
from builders.virtual_time import VirtualTime
from talkdesk_crds.shard_slots import SLOTS
from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.informer.kopf_watch import LeasePlace
from talkdesk_operator.observability.probes import Health, JointHealth, Stage
from talkdesk_operator.process.leader_election import Leadership
from talkdesk_operator.process.lease import ElectionTimes
from talkdesk_operator.process.lease_board import LeaseBoard
from talkdesk_operator.process.shard_set import ShardSet
from talkdesk_operator.process.shutdown import ShardShutdown, Shutdown

__all__ = ["Fleet", "Replica"]

PLAIN = "talkdesk-operator"
TIMES = ElectionTimes()


@dataclass(eq=False)
class Replica:
    """One process."""

    name: str
    shards: ShardSet
    shutdown: Shutdown
    task: "asyncio.Task[None]"
    health: JointHealth
    worked: "dict[Shard, Leadership]" = field(default_factory=dict)
    """What it works on."""
    killed: bool = False
    log: list[str] = field(default_factory=list)

    def slots(self) -> Counter[int]:
        """Return the parts of all accounts for which it could send something now."""
        open_ = [] if self.killed else [shard for shard, it in self.worked.items() if not it.fence.is_shut()]
        return Counter(slot for shard in open_ for slot in range(shard.index, SLOTS, shard.count))

    @property
    def held(self) -> list[int]:
        """The indexes of the shards that it works on."""
        return sorted(shard.index for shard in self.worked)


@dataclass(eq=False)
class Fleet:
    """All replicas."""

    loop: VirtualTime
    api: LeasesApi
    seed: int = 1
    replicas: list[Replica] = field(default_factory=list)
    load_seconds: float = 1.0
    """How long a shard is listed."""
    reconcile_seconds: float = 0.5
    """How long work goes on after the end has begun."""
    clashes: list[str] = field(default_factory=list)
    """Who could act for the same account at the same time."""

    def start(self, name: str, count: int) -> Replica:
        """Start a process with that number of shards."""
        clock, shutdown = self.loop.clock(), Shutdown()
        place = LeasePlace("system", PLAIN)
        board = LeaseBoard(Connection(self.api, name), place, name, count, times=TIMES, clock=clock)
        looks = Health(clock=clock.monotonic, max_event_age=timedelta(seconds=90))
        health = JointHealth(looks)
        worked: dict[Shard, Leadership] = {}

        async def work(shard: Shard, election: Leadership, own: Health, ending: ShardShutdown) -> None:
            await self._work(worked, shard, election, own, ending)

        shards = ShardSet(
            count=count,
            board=board,
            work=work,
            shutdown=shutdown,
            looks=looks,
            health=health,
            new_health=lambda: Health(clock=clock.monotonic, max_event_age=timedelta(seconds=90)),
            clock=clock,
            rng=random.Random(f"{self.seed} {name}"),  # noqa: S311 - a test
            times=TIMES,
            grace=timedelta(seconds=35),
        )
        replica = Replica(name, shards, shutdown, asyncio.create_task(shards.run(), name=name), health, worked)
        self.replicas.append(replica)
        return replica

    async def _work(
        self, worked: dict[Shard, Leadership], shard: Shard, election: Leadership, own: Health, ending: ShardShutdown
    ) -> None:
        """Do what a controller does, as far as anybody can see."""
        assert election.acquired.is_set()
        worked[shard] = election
        holding = ending.supervise(election.lost(), "leadership", abrupt=True)
        own.enter(Stage.LOADING)
        try:
            if await ending.completes_before(asyncio.sleep(self.load_seconds)):
                own.enter(Stage.RUNNING)
                while not ending.event.is_set():
                    own.record_event()
                    await ending.completes_before(asyncio.sleep(2))
                own.enter(Stage.STOPPING)
                hurried = asyncio.create_task(ending.hurried.wait())
                await asyncio.wait((hurried,), timeout=self.reconcile_seconds)
                hurried.cancel()
        finally:
            holding.cancel()
            await election.release(None if ending.hurried.is_set() else {})
            del worked[shard]

    def kill(self, replica: Replica) -> None:
        """Let it send nothing any more, from one moment to the next."""
        replica.killed = True
        self.api.away.add(replica.name)
        replica.task.cancel()

    async def end(self, replica: Replica) -> None:
        """End it in order."""
        replica.shutdown.begin("SIGTERM", 0)
        await replica.task

    def watch(self) -> None:
        """Note whether two could act for the same account now."""
        acting = [(each.name, each.slots()) for each in self.replicas]
        for slot, number in sum((slots for _, slots in acting), Counter()).items():
            if number > 1:
                who = [name for name, slots in acting if slots[slot]]
                self.clashes.append(f"{self.loop.time():.1f}: {who} at slot {slot}")

    async def passes(self, seconds: float) -> None:
        """Let time pass."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            await asyncio.sleep(0.25)
            self.watch()

    def spread(self) -> list[list[int]]:
        """Return what each living replica works on."""
        return [each.held for each in self.replicas if not each.killed and not each.task.done()]

    async def close(self) -> None:
        """End all."""
        for each in self.replicas:
            each.shutdown.begin("the end of the test", 0)
        await asyncio.gather(*(each.task for each in self.replicas), return_exceptions=True)
