"""An end, or silence, in the middle of taking a Lease: nobody waits for a Lease that nobody works by."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from builders.fleet import PLAIN, TIMES, Fleet
from builders.leases_api import Connection, LeasesApi
from builders.virtual_time import VirtualTime, run
from talkdesk_operator.process.layout import Ground, OtherShard
from talkdesk_operator.process.leader_election import Leadership
from talkdesk_operator.process.lease import Lease

OURS = f"{PLAIN}-1-of-2"


class Silent:
    """Lets no answer to a write come back, as long as it is asked to; `written` is set when one would."""

    def __init__(self) -> None:
        self.api = LeasesApi(moves=self.moves)
        self.silent = True
        self.written = asyncio.Event()

    async def moves(self, sender: str, part: str) -> None:
        await asyncio.sleep(0)
        method = [method for who, method in self.api.asked if who == sender][-1:]
        if self.silent and part == "back" and method != ["GET"]:
            self.written.set()
            await asyncio.Event().wait()


def told(story: Callable[[VirtualTime], Awaitable[None]]) -> None:
    async def main(loop: VirtualTime) -> None:
        await story(loop)

    with capture_logs():
        run(main)


def leadership(loop: VirtualTime, api: LeasesApi, ground: Ground | None = None) -> Leadership:
    lease = Lease(Connection(api, "me"), "system", OURS, "me", TIMES, loop.clock())
    rng = random.Random(1)  # noqa: S311 - a test
    return Leadership(lease, clock=loop.clock(), rng=rng, times=TIMES, ground=ground)


@pytest.mark.case(49)
def test_a_lease_is_given_back_when_the_end_comes_between_its_being_taken_and_the_answer() -> None:
    async def story(loop: VirtualTime) -> None:
        it = Silent()
        election = leadership(loop, it.api)
        taking = asyncio.create_task(election.acquire())
        await it.written.wait()
        assert it.api.holder(OURS) == "me"
        taking.cancel()
        it.silent = False
        await election.release({})
        assert it.api.holder(OURS) == ""

    told(story)


@pytest.mark.case(49)
def test_a_replica_that_ends_while_it_takes_a_shard_leaves_no_lease_behind() -> None:
    async def story(loop: VirtualTime) -> None:
        it = Silent()
        fleet = Fleet(loop, it.api)
        replica = fleet.start("me", 2)
        await it.written.wait()
        assert "me" in {it.api.holder(name) for name in it.api.leases}
        it.silent = False
        await fleet.end(replica)
        assert {it.api.holder(name) for name in it.api.leases} == {""}

    told(story)


@pytest.mark.case(49)
def test_a_lease_whose_taking_was_not_answered_is_given_back() -> None:
    async def story(loop: VirtualTime) -> None:
        it = Silent()
        election = leadership(loop, it.api)
        assert not await election.try_once()
        it.silent = False
        await election.release({})
        assert it.api.holder(OURS) == ""

    told(story)


def test_who_got_a_conflict_asks_for_nothing_more_at_the_end() -> None:
    async def story(loop: VirtualTime) -> None:
        api = LeasesApi()
        mine, other = (
            leadership(loop, api),
            Lease(Connection(api, "other"), "system", OURS, "other", TIMES, loop.clock()),
        )
        assert await other.read()

        async def moves(sender: str, part: str) -> None:
            if (sender, part) == ("me", "back") and not api.holder(OURS):
                assert await other.take()

        api.moves = moves
        assert not await mine.try_once()
        asked = len(api.asked)
        await mine.release({})
        assert (api.holder(OURS), len(api.asked)) == ("other", asked)

    told(story)


@pytest.mark.case(49)
@pytest.mark.parametrize("took", [0.0, 9.0, 10.0, 60.0])
def test_a_look_after_the_take_that_comes_too_late_gives_the_lease_back_and_is_no_loss(took: float) -> None:
    async def story(loop: VirtualTime) -> None:
        sent: list[float] = []

        async def look() -> bool:
            sent.append(loop.time())
            await asyncio.sleep(took)
            return True

        api = LeasesApi()
        election = leadership(loop, api, OtherShard(look=look, confirmed=lambda: sent[-1]))
        leads = await election.try_once()
        assert leads == (took < TIMES.renew_deadline)
        assert not election.fence.has_expired()
        assert api.holder(OURS) == ("me" if leads else "")
        await election.release({})
        assert api.holder(OURS) == ""

    told(story)


@pytest.mark.case(49)
def test_who_gets_no_answer_after_the_take_gives_the_lease_back_and_asks_again_the_next_time() -> None:
    async def story(loop: VirtualTime) -> None:
        answers = [False, True]

        async def look() -> bool:
            return answers.pop(0)

        api = LeasesApi()
        # An answer from before the take says that all is well.
        election = leadership(loop, api, OtherShard(look=look, confirmed=loop.time))
        assert not await election.try_once()
        assert election.fence.is_shut()
        assert api.holder(OURS) == ""
        assert await election.try_once()
        assert answers == []
        assert api.holder(OURS) == "me"
        await election.release({})

    told(story)
