import asyncio

from talkdesk_operator.process.shutdown import ShardShutdown, Shutdown


async def test_a_shard_that_is_given_up_ends_alone() -> None:
    process = Shutdown()
    one, other = ShardShutdown(process=process), ShardShutdown(process=process)
    with one.among_all(), other.among_all():
        one.begin("given up", 0)
        assert one.event.is_set()
        assert not process.event.is_set()
        assert not other.event.is_set()


async def test_a_shard_that_fails_ends_the_process_and_the_other_shards_in_order() -> None:
    process = Shutdown()
    one, other = ShardShutdown(process=process), ShardShutdown(process=process)
    with one.among_all(), other.among_all():
        one.begin("leadership ended", 1, abrupt=True)
        assert (process.reason, process.code) == ("leadership ended", 1)
        assert one.hurried.is_set()
        assert other.event.is_set()
        assert not other.hurried.is_set(), "its Lease is its own"
        assert not process.hurried.is_set()


async def test_the_end_of_the_process_is_that_of_all_shards_and_a_second_signal_hurries_them() -> None:
    process = Shutdown()
    shard = ShardShutdown(process=process)
    with shard.among_all():
        process.begin("SIGTERM", 0)
        assert shard.event.is_set()
        assert not shard.hurried.is_set()
        process.begin("SIGTERM", 0, abrupt=True)
        assert shard.hurried.is_set()
    assert process.code == shard.code == 0


async def test_a_shard_that_comes_when_the_process_ends_ends_at_once() -> None:
    process = Shutdown()
    process.begin("SIGTERM", 0)
    late = ShardShutdown(process=process)
    with late.among_all():
        assert late.event.is_set()
    process.begin("SIGTERM", 0, abrupt=True)
    assert not late.hurried.is_set(), "it is gone"


async def test_a_shard_that_is_given_up_may_lose_its_lease_meanwhile() -> None:
    process = Shutdown()
    shard = ShardShutdown(process=process)
    with shard.among_all():
        shard.begin("another number of shards counts", 0)
        await asyncio.wait((shard.supervise(asyncio.sleep(0), "leadership", abrupt=True),))
        await asyncio.sleep(0)
        assert shard.hurried.is_set()
        assert not process.event.is_set()
