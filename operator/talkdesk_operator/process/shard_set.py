"""The shards that this process works on, where accounts are divided among several: each with a Lease and a controller.

    look at all Leases ──▶ give up what we may not, or were asked for ──▶ take what is free ──▶ ask for one ──▶ look …
                                      │                                        │
                                      └──▶ controller ends in order            └──▶ controller lists, and works

A process keeps nothing of a shard that it does not hold: memory would not fall with the number of shards. So who takes
a shard lists it first, which is a part of all. A Lease that is lost, not given up, is the end of the process as ever.

Belongs here: beginning and ending the work on a shard. Does not belong here: which ones (`spread`), whether the layout
counts (`layout`), what a controller does.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.observability.probes import Health, JointHealth, Stage
from talkdesk_operator.process.layout import FirstShard, Ground, OtherShard
from talkdesk_operator.process.leader_election import Leadership
from talkdesk_operator.process.lease import ElectionTimes
from talkdesk_operator.process.lease_board import LeaseBoard
from talkdesk_operator.process.shutdown import ShardShutdown, Shutdown
from talkdesk_operator.process.spread import Seen, to_ask_for, to_give_up, to_take
from talkdesk_runtime.clock import Clock

__all__ = ["ShardSet", "Work"]


class Work(Protocol):
    """Works on one shard."""

    async def __call__(self, shard: Shard, election: Leadership, health: Health, shutdown: ShardShutdown, /) -> None:
        """Work while the Lease is held, until the end begins; give the Lease back."""
        ...


@dataclass(eq=False, slots=True)
class _Held:
    """A shard that was asked for, or is worked on."""

    election: Leadership
    shutdown: ShardShutdown
    task: "asyncio.Task[None]"


@dataclass(eq=False, slots=True, kw_only=True)
class ShardSet:
    """Takes shards and gives them up, until the process ends. Use it once."""

    count: int
    """Of all shards."""
    board: LeaseBoard
    work: Work
    shutdown: Shutdown
    looks: Health
    """Of the looks at the Leases."""
    health: JointHealth
    new_health: Callable[[], Health]
    clock: Clock
    rng: random.Random
    times: ElectionTimes
    grace: timedelta
    """For the end of a shard that is given up; the process ends when it takes longer."""
    _held: dict[int, _Held] = field(default_factory=dict)
    _failures: list[BaseException] = field(default_factory=list)

    async def run(self) -> None:
        """Work on shards until the end of the process begins, and end in order; raise what any of them raised."""
        try:
            while await self.shutdown.completes_before(self._turn()):
                pass
        except BaseException as error:
            self.shutdown.begin(type(error).__name__, 1)
            raise
        finally:
            self.looks.enter(Stage.STOPPING)
            await asyncio.gather(*(each.task for each in self._held.values()), return_exceptions=True)
        for failure in self._failures:
            raise failure

    def has_expired(self) -> bool:
        """Return whether one of the shards may not be worked on any more and has not been given up."""
        return any(each.election.fence.has_expired() for each in self._held.values())

    async def _turn(self) -> None:
        self.board.news.clear()
        if await self.board.look():
            self.looks.record_event()
            if self.looks.stage is Stage.STARTING:
                self.looks.enter(Stage.STANDBY)
            self._give_up()
            self._take()
            await self._ask()
        news = asyncio.create_task(self.board.news.wait())
        try:
            await asyncio.wait((news,), timeout=self.times.retry_period * self.rng.uniform(0.9, 1.0))
        finally:
            news.cancel()

    def _give_up(self) -> None:
        if not self.board.layout.lets_act(self.count):
            # The first Lease is ours only if we wrote that, and wait for the others.
            for index in [index for index in self._held if index]:
                self._end(index, "another number of shards counts")
            return
        asked = to_give_up(self.board.identity, self.board.seen())
        if asked in self._held and not self._is_giving_up():
            self._end(asked, "another replica has fewer")

    def _take(self) -> None:
        first, *others = self.board.seen()
        self.rng.shuffle(others)
        known: Sequence[Seen] = (first, *others) if self.board.layout.lets_act(self.count) else (first,)
        free = [lease for lease in known if lease.holder or lease.index not in self._held]
        for index in to_take(self.board.identity, free, self.times.retry_period):
            if index not in self._held:
                self._begin(index)

    async def _ask(self) -> None:
        if not self.board.layout.lets_act(self.count) or self._is_giving_up():
            return
        index = to_ask_for(self.board.identity, self.board.seen())
        if index is not None and await self.board.leases[index].ask():
            self._log().info("shards.asked", shard=index, holder=self.board.leases[index].holder)

    def _is_giving_up(self) -> bool:
        return any(each.shutdown.event.is_set() for each in self._held.values())

    def _begin(self, index: int) -> None:
        shutdown = ShardShutdown(process=self.shutdown)
        ground = self._ground(index)
        lease = self.board.leases[index]
        election = Leadership(lease, clock=self.clock, rng=self.rng, times=self.times, ground=ground)
        task = asyncio.create_task(self._hold(Shard(index, self.count), election, shutdown), name=lease.name)
        self._held[index] = _Held(election, shutdown, task)
        task.add_done_callback(lambda task: self._ended(index, task))

    def _ground(self, index: int) -> Ground:
        board = self.board
        if index:
            return OtherShard(look=board.look, confirmed=lambda: board.confirmed)
        nobody_else = board.look_and_see_nobody_else
        return FirstShard(self.count, wait=self.times.lease_duration, clock=self.clock, nobody_else=nobody_else)

    async def _hold(self, shard: Shard, election: Leadership, shutdown: ShardShutdown) -> None:
        health = self.new_health()
        with shutdown.among_all():
            await shutdown.completes_before(election.try_once())
            if not election.acquired.is_set():
                await election.release({})
                return
            try:
                with self.health.including(health):
                    await self.work(shard, election, health, shutdown)
            finally:
                await election.release(None)  # unless it was given back, in order

    def _end(self, index: int, reason: str) -> None:
        """Give a shard up in order; the process ends if that takes too long."""
        held = self._held[index]
        if held.shutdown.event.is_set():
            return
        self._log().info("shards.given_up", shard=index, reason=reason)
        held.shutdown.begin(reason, 0)
        late = asyncio.get_running_loop().call_later(
            self.grace.total_seconds(), self.shutdown.begin, "a shard did not end in time", 1
        )
        held.task.add_done_callback(lambda _: late.cancel())

    def _ended(self, index: int, task: "asyncio.Task[None]") -> None:
        del self._held[index]
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._failures.append(failure)
            self.shutdown.begin(type(failure).__name__, 1)

    def _log(self) -> structlog.stdlib.BoundLogger:
        return structlog.stdlib.get_logger(__name__)
