"""Replicas that divide accounts: who gets what, and that no account is ever in two hands."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from builders.fleet import PLAIN, TIMES, Fleet, Replica
from builders.leases_api import LeasesApi
from builders.virtual_time import VirtualTime, run
from talkdesk_crds.names import ANNOTATION_FORMER_SHARDS, ANNOTATION_SHARDS
from talkdesk_operator.observability.probes import Stage
from talkdesk_operator.process.sharded import connections_for_leases

SETTLED = 60.0
"""Seconds after which nothing moves any more where nobody comes or goes; half of it was enough when tried."""


def simulated(story: Callable[[Fleet], Awaitable[None]], *, seed: int = 1, jitter: float = 0.0) -> Fleet:
    """Tell a story of replicas whose requests take up to `jitter` seconds each way; no account is in two hands."""
    rng = random.Random(seed)  # noqa: S311 - a test
    fleets: list[Fleet] = []

    async def moves(_sender: str, _part: str) -> None:
        await asyncio.sleep(rng.uniform(0, jitter))

    async def main(loop: VirtualTime) -> None:
        fleet = Fleet(loop, LeasesApi(moves=moves), seed)
        fleets.append(fleet)
        try:
            await story(fleet)
        finally:
            await fleet.close()

    def watch() -> bool:
        for fleet in fleets:
            fleet.watch()
        return False

    with capture_logs():
        run(main, watch)
    (fleet,) = fleets
    assert fleet.clashes == []
    return fleet


def numbers(fleet: Fleet) -> list[int]:
    return sorted(map(len, fleet.spread()))


def all_are_worked_on(fleet: Fleet, count: int) -> bool:
    return sorted(index for held in fleet.spread() for index in held) == list(range(count))


@pytest.mark.parametrize(
    ("replicas", "count", "fair"), [(1, 1, [1]), (1, 4, [4]), (3, 4, [1, 1, 2]), (5, 3, [0, 0, 1, 1, 1])]
)
def test_replicas_that_start_together_divide_the_shards(replicas: int, count: int, fair: list[int]) -> None:
    async def story(fleet: Fleet) -> None:
        for number in range(replicas):
            fleet.start(f"r{number}", count)
        await fleet.passes(SETTLED)
        assert numbers(fleet) == fair
        assert all_are_worked_on(fleet, count)

    simulated(story)


def test_one_replica_alone_has_all_of_many_shards_within_seconds() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.start("r0", 64)
        await fleet.passes(15)
        assert all_are_worked_on(fleet, 64)

    simulated(story)


@pytest.mark.case(49)
def test_the_shards_of_a_dead_replica_are_taken_over_when_their_leases_have_expired() -> None:
    async def story(fleet: Fleet) -> None:
        first = fleet.start("r0", 4)
        for name in ("r1", "r2"):
            fleet.start(name, 4)
        await fleet.passes(SETTLED)
        assert first.held
        fleet.kill(first)
        await fleet.passes(TIMES.lease_duration / 2)
        assert not all_are_worked_on(fleet, 4)
        await fleet.passes(SETTLED)
        assert all_are_worked_on(fleet, 4)
        assert numbers(fleet) == [2, 2]

    simulated(story)


def test_a_replica_that_joins_gets_a_share_from_those_who_have_more_and_they_do_not_ask_back() -> None:
    async def story(fleet: Fleet) -> None:
        for number in range(4):
            fleet.start(f"r{number}", 8)
            await fleet.passes(SETTLED)
        assert numbers(fleet) == [2, 2, 2, 2]
        before = fleet.spread()
        written = len(fleet.api.written)
        await fleet.passes(SETTLED)
        assert fleet.spread() == before
        assert not [holder for _, _, holder in fleet.api.written[written:] if not holder]

    simulated(story)


def test_a_replica_that_ends_gives_its_shards_to_the_others_at_once() -> None:
    async def story(fleet: Fleet) -> None:
        first = fleet.start("r0", 4)
        await fleet.passes(10)
        fleet.start("r1", 4)
        fleet.start("r2", 4)
        await fleet.passes(SETTLED)
        await fleet.end(first)
        await fleet.passes(TIMES.lease_duration - 3)
        assert all_are_worked_on(fleet, 4)

    simulated(story)


@pytest.mark.case(49)
@pytest.mark.parametrize("counts", [(1, 4), (4, 1), (4, 2), (2, 3), (1, 4, 2, 1)], ids=str)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_rolling_update_that_changes_the_number_of_shards_goes_on_and_ends_with_the_new_one(
    counts: tuple[int, ...], seed: int
) -> None:
    async def story(fleet: Fleet) -> None:
        old = [fleet.start(f"r{number} of {counts[0]}", counts[0]) for number in range(3)]
        await fleet.passes(SETTLED)
        for count in counts[1:]:
            new: list[Replica] = []
            for number, former in enumerate(old):
                new.append(fleet.start(f"r{number} of {count}", count))
                await fleet.passes(5)
                assert new[-1].health.not_ready() is None, "or the update would not go on"
                await fleet.end(former)
                await fleet.passes(5)
            old = new
            await fleet.passes(SETTLED)
            assert all_are_worked_on(fleet, count)
            assert int(fleet.api.annotations(PLAIN).get(ANNOTATION_SHARDS, "1")) == count
            assert ANNOTATION_FORMER_SHARDS not in fleet.api.annotations(PLAIN)

    simulated(story, seed=seed, jitter=0.2)


@pytest.mark.case(49)
@pytest.mark.parametrize("seed", range(12))
def test_no_account_is_ever_in_two_hands_whatever_comes_and_goes(seed: int) -> None:
    async def story(fleet: Fleet) -> None:
        rng = random.Random(seed)  # noqa: S311 - a test
        fleet.reconcile_seconds = rng.choice([0.2, 8.0, 20.0])
        for number in range(25):
            living = [each for each in fleet.replicas if not each.killed and not each.task.done()]
            match rng.choice(("start", "start", "kill", "end", "cut")):
                case "start" if len(living) < 6:
                    fleet.start(f"r{number}", rng.choice((1, 2, 3, 4)))
                case "kill" if living:
                    fleet.kill(rng.choice(living))
                case "end" if living:
                    rng.choice(living).shutdown.begin("SIGTERM", 0)
                case "cut" if living:
                    name = rng.choice(living).name
                    fleet.api.away.add(name)
                    await fleet.passes(rng.uniform(1, 20))
                    fleet.api.away.discard(name)
                case _:
                    pass
            await fleet.passes(rng.uniform(0, 20))
        await fleet.passes(2 * SETTLED)

    simulated(story, seed=seed, jitter=1.0)


def test_a_replica_of_another_number_stands_by_ready_and_takes_nothing() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.start("r0", 2)
        await fleet.passes(SETTLED)
        other = fleet.start("r1", 4)
        await fleet.passes(SETTLED)
        assert other.held == []
        assert other.health.not_ready() is None
        assert other.health.stage is Stage.STANDBY
        assert all_are_worked_on(fleet, 2)

    simulated(story)


def test_a_replica_that_holds_shards_is_ready_when_all_are_loaded_and_live_as_long_as_each_is() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.load_seconds = 30
        it = fleet.start("r0", 2)
        await fleet.passes(1)
        assert it.health.not_ready() == "loading"
        await fleet.passes(SETTLED)
        assert it.health.not_ready() is None
        assert it.health.stage is Stage.RUNNING
        assert it.health.not_live() is None

    simulated(story)


@pytest.mark.case(49)
def test_a_lease_that_is_lost_ends_the_process_and_its_other_shards_in_order() -> None:
    async def story(fleet: Fleet) -> None:
        it = fleet.start("r0", 2)
        await fleet.passes(SETTLED)
        name = f"{PLAIN}-1-of-2"
        stolen = fleet.api.leases[name]
        stolen["spec"]["holderIdentity"] = "thief"
        stolen["metadata"]["resourceVersion"] = str(fleet.api.version + 1000)
        fleet.api.version += 1000
        await fleet.passes(10)
        assert it.task.done()
        assert (it.shutdown.reason, it.shutdown.code) == ("leadership ended", 1)
        assert fleet.api.holder(PLAIN) == ""
        assert fleet.api.holder(name) == "thief"

    simulated(story)


def test_a_shard_that_does_not_end_when_it_is_given_up_ends_the_process() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.reconcile_seconds = 10_000
        it = fleet.start("r0", 2)
        await fleet.passes(10)
        fleet.start("r1", 2)
        await fleet.passes(SETTLED)
        assert it.shutdown.event.is_set()
        assert (it.shutdown.reason, it.shutdown.code) == ("a shard did not end in time", 1)
        it.shutdown.begin("a second signal", 1, abrupt=True)

    simulated(story)


def test_work_that_fails_ends_the_process_with_what_it_raised() -> None:
    async def story(fleet: Fleet) -> None:
        it = fleet.start("r0", 1)

        async def fails(*_: object) -> None:
            raise ZeroDivisionError

        it.shards.work = fails
        await fleet.passes(5)
        assert it.task.done()
        assert isinstance(it.task.exception(), ZeroDivisionError)
        assert (it.shutdown.reason, it.shutdown.code) == ("ZeroDivisionError", 1)

    simulated(story)


def test_a_replica_without_the_right_to_look_is_not_ready() -> None:
    async def story(fleet: Fleet) -> None:
        fleet.api.away.add("r0")
        it = fleet.start("r0", 2)
        await fleet.passes(SETTLED)
        assert it.health.not_ready() == "starting"
        fleet.api.away.discard("r0")
        await fleet.passes(SETTLED)
        assert it.health.not_ready() is None

    simulated(story)


@pytest.mark.parametrize("count", [2, 8, 64])
def test_there_is_a_connection_for_each_lease_and_for_looks(count: int) -> None:
    assert connections_for_leases(count) >= count + 2


@pytest.mark.case(49)
def test_a_shard_that_may_not_be_worked_on_any_more_is_noticed_when_a_stopped_process_goes_on() -> None:
    async def story(fleet: Fleet) -> None:
        it = fleet.start("r0", 2)
        await fleet.passes(SETTLED)
        assert not it.shards.has_expired()
        # From one moment to the next, as for a process that was stopped.
        for held in it.worked.values():
            held.fence._elapsed = lambda: fleet.loop.time() + TIMES.lease_duration
        assert it.shards.has_expired()

    simulated(story)
