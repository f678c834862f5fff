"""Leader election: one operator works, the others stand by.

    candidate ──▶ leader ──▶ renewing ──▶ released: the Lease is empty, the next one follows at once
        │                      │
        └─▶ given back         └────────▶ lost: not renewed in time, or somebody else has it

The rules are those of Kubernetes' own controllers. The official Python client has such a loop, but it compares wall
clocks, so a clock that jumps takes a Lease from a leader that is alive; it ends at the first lost connection, lets a
request hang for longer than the leadership, and never gives the Lease back.

* Nobody's timestamps are compared with one's own clock. A candidate counts from when it saw the Lease change last, a
  leader from before it sent its last renewal, both by a clock that goes on while a process or a machine is stopped.
* A leader may act for `renew_deadline` after a renewal; its `fence` is shut then, and never opens again. Another one
  begins after `lease_duration` at the earliest.
* Holding the Lease is not enough where accounts are divided: its `ground` says from when on we may act (`layout`).
* A process that loses the Lease ends: a fresh start is the one state that is surely right, and after the pod's restart
  it is a candidate again.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import structlog

from talkdesk_operator.process.layout import FirstShard, Ground, Verdict
from talkdesk_operator.process.lease import ElectionTimes, Lease
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.fence import Fence

__all__ = ["ElectionTimes", "Leadership"]


class Leadership:
    """One candidate for one Lease, and its leadership. Use each once."""

    def __init__(
        self,
        lease: Lease,
        *,
        clock: Clock,
        rng: random.Random,
        times: ElectionTimes | None = None,
        ground: Ground | None = None,
    ) -> None:
        """Take a Lease of a connection that no fence restricts; without a ground it is the one of the only shard."""
        self._times = times or ElectionTimes()
        self._lease = lease
        self._ground = ground or FirstShard(1, wait=self._times.lease_duration, clock=clock)
        self._clock = clock
        self._rng = rng
        self._news = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None
        self._released = False
        self._tried = False
        self._may_act = asyncio.Event()
        self._log = structlog.stdlib.get_logger(__name__).bind(lease=lease.name)
        self.fence = Fence(clock.monotonic)
        """Open while this is the leader for sure."""
        self.attempted = asyncio.Event()
        """Set when the Lease was asked for once, with or without success."""
        self.acquired = asyncio.Event()
        """Set when this became the leader; it may have lost the Lease since."""
        self.left_behind: Mapping[str, str] = {}
        """What the leader before noted when it gave the Lease back: the newest versions that it had seen."""

    async def acquire(self) -> None:
        """Wait until we are the leader."""
        if self.acquired.is_set():
            return
        self._log.info("leader.candidate", identity=self._lease.identity)
        while not await self.try_once():
            left = self._lease.expires_in()
            await self._wait(left if 0 < left < self._times.retry_period else self._retry())

    async def try_once(self) -> bool:
        """Ask for the Lease, and wait until we may act where we get it; return whether we are the leader."""
        if not await self._attempt():
            self.attempted.set()
            return False
        self._renewal = asyncio.create_task(self._renew(), name="renewal of the Lease")
        if not self._may_act.is_set():
            self.attempted.set()
            await self._wait_for_the_ground(self._renewal)
        if not self._may_act.is_set():
            self._renewal = None
            return False
        self.acquired.set()
        self.attempted.set()
        self._log.info("leader.acquired", identity=self._lease.identity)
        return True

    def observe(self, lease: Mapping[str, Any]) -> None:
        """Take the Lease as a watch shows it, so that no candidate waits for its next look."""
        if self._lease.observe(lease):
            self._news.set()

    async def lost(self) -> None:
        """Wait until we are no longer the leader, or may not be. Raises what ended the renewal, if it was an error."""
        if self._renewal is None:
            raise RuntimeError("acquire comes first")
        while not self._renewal.done() and (left := self.fence.left()) > 0:
            await asyncio.wait((self._renewal,), timeout=left)
        self.fence.shut()
        if self._released:
            return
        self._log.warning("leader.lost")
        if self._renewal.done():
            self._renewal.result()

    async def release(self, versions: Mapping[str, str] | None) -> None:
        """End the candidacy; give the Lease back if we have it, with the newest versions that we have seen of objects.

        Without them it is left to expire: requests of ours may still be on their way.
        """
        self.fence.shut()
        # The end may have come between a write and its answer.
        has_it = self._renewal is not None or (self._tried and self._lease.may_be_ours())
        if self._released or not has_it:
            return
        self._released = True
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        if versions is not None and await self._lease.give_back(versions):
            self._log.info("leader.released")

    async def _attempt(self) -> bool:
        """Ask for the Lease; return whether we have it."""
        if not self._lease.is_known_since(self._times.retry_period) and not await self._lease.read():
            return False
        if not self._lease.may_be_taken():
            return False
        noted = self._lease.note()
        noted = noted if self._ground.begin(self._lease.known()) else {}
        self._tried = True
        verdict = await self._take()
        if verdict is Verdict.ACT:
            self._open()
            verdict = Verdict.ACT if self._may_act.is_set() else Verdict.GIVE_BACK
        if verdict is Verdict.GIVE_BACK:
            await self._lease.give_back(noted)
        if verdict not in (Verdict.ACT, Verdict.WAIT):
            return False
        self.left_behind = noted
        return True

    async def _take(self) -> Verdict | None:
        """Take the Lease or renew it, and judge; return None when that failed."""
        while await self._lease.take(self._ground.annotations()):
            verdict = await self._ground.written()
            if verdict is not Verdict.WRITE:
                return verdict
        return None

    def _open(self) -> None:
        """Open the fence, or keep it open, for as long as Lease and ground allow."""
        until = min(self._lease.renewed, self._ground.confirmed()) + self._times.renew_deadline
        # What is past when it begins would be a loss, which ends the process.
        if until > self._clock.monotonic():
            self.fence.open_until(until)
            self._may_act.set()

    async def _renew(self) -> None:
        """Renew until somebody else has the Lease, or it is too late."""
        while True:
            await self._wait(self._retry())
            if not self._lease.is_ours() or self._is_too_late():
                return
            if await self._take() is None and await self._lease.read() and not self._lease.is_ours():
                return
            self._open()

    def _is_too_late(self) -> bool:
        if self._may_act.is_set():
            return self.fence.is_shut()
        return self._clock.monotonic() - self._lease.renewed >= self._times.renew_deadline

    async def _wait_for_the_ground(self, renewal: "asyncio.Task[None]") -> None:
        """Wait until we may act, or have the Lease no longer."""
        self._log.info("leader.waits_for_former_shards")
        acting = asyncio.create_task(self._may_act.wait())
        try:
            await asyncio.wait((acting, renewal), return_when=asyncio.FIRST_COMPLETED)
        finally:
            acting.cancel()
        if renewal.done():
            renewal.result()

    async def _wait(self, seconds: float) -> None:
        """Wait for so long, or until somebody else was seen to change the Lease."""
        waiting = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait((waiting,), timeout=seconds)
        finally:
            waiting.cancel()
        self._news.clear()

    def _retry(self) -> float:
        return self._times.retry_period * self._rng.uniform(0.9, 1.0)
