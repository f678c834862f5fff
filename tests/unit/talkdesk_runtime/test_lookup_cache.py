import asyncio

import pytest

from builders.ports import clock_of
from talkdesk_runtime.lookup_cache import Loaded, LookupCache, LookupFailed, LookupThrottled, TokenBucket, _Recent


class Source:
    """Answers with its current value, counts, and can be held back or down."""

    def __init__(self, *, fresh_for: float = 10, usable_for: float = 100) -> None:
        self.values: dict[str, str | None] = {"a": "A"}
        self.asked: list[str] = []
        self.down = False
        self.open = asyncio.Event()
        self.open.set()
        self._times = fresh_for, usable_for

    async def load(self, key: str) -> Loaded[str]:
        self.asked.append(key)
        await self.open.wait()
        if self.down:
            raise LookupFailed("down")
        return Loaded(self.values.get(key), *self._times)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lookups(
    source: Source, clock: Clock, *, size: int = 10, per_second: float = 1, burst: int = 5
) -> LookupCache[str, str]:
    return LookupCache(source.load, size=size, budget=TokenBucket(per_second, burst), clock=clock_of(clock))


async def test_a_fresh_value_is_not_read_again() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    assert [await cache.get("a"), await cache.get("a")] == ["A", "A"]
    clock.now += 9.9
    await cache.get("a")
    assert source.asked == ["a"]
    clock.now += 0.2
    source.values["a"] = "A2"
    assert await cache.get("a") == "A2"


async def test_that_there_is_none_is_cached_too() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    assert [await cache.get("b"), await cache.get("b")] == [None, None]
    assert source.asked == ["b"]
    clock.now += 10
    source.values["b"] = "B"
    assert await cache.get("b") == "B"


@pytest.mark.case(4)
async def test_many_callers_at_once_share_one_read() -> None:
    source, clock = Source(), Clock()
    source.open.clear()
    cache = lookups(source, clock)
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(50)]
    await asyncio.sleep(0)
    source.open.set()
    assert await asyncio.gather(*waiting) == ["A"] * 50
    assert source.asked == ["a"]


async def test_when_one_caller_is_cancelled_the_others_get_the_value() -> None:
    source, clock = Source(), Clock()
    source.open.clear()
    cache = lookups(source, clock)
    first, second = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.open.set()
    assert await second == "A"
    assert source.asked == ["a"]


async def test_a_failure_without_a_waiting_caller_is_not_logged() -> None:
    source, clock = Source(), Clock()
    source.open.clear()
    source.down = True
    cache = lookups(source, clock)
    only = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    only.cancel()
    source.open.set()
    for _ in range(3):
        await asyncio.sleep(0)
    source.down = False
    assert await cache.get("a") == "A"


async def test_while_the_source_is_down_an_old_value_is_used_until_it_expires() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    await cache.get("a")
    source.down = True
    clock.now += 50
    assert [await cache.get("a"), await cache.get("a")] == ["A", "A"]
    assert len(source.asked) == 2  # the second failure is not run into at once
    clock.now += 49
    assert await cache.get("a") == "A"
    clock.now += 1
    with pytest.raises(LookupFailed):
        await cache.get("a")


async def test_without_a_cached_value_a_failure_is_raised() -> None:
    source, clock = Source(), Clock()
    source.down = True
    with pytest.raises(LookupFailed, match="down"):
        await lookups(source, clock).get("a")


async def test_unknown_keys_are_read_at_a_bounded_rate_only() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    for n in range(5):
        await cache.get(f"made-up-{n}")
    with pytest.raises(LookupThrottled):
        await cache.get("made-up-5")
    assert len(source.asked) == 5
    clock.now += 1
    await cache.get("made-up-6")
    with pytest.raises(LookupThrottled):
        await cache.get("made-up-7")


async def test_unknown_keys_do_not_delay_known_ones() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    await cache.get("a")
    clock.now += 11
    for n in range(5):
        await cache.get(f"made-up-{n}")
    assert await cache.get("a") == "A"
    assert source.asked.count("a") == 2


async def test_when_it_is_full_the_least_recently_used_entry_is_dropped() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock, size=2)
    for key in ("a", "b", "a", "c", "a"):
        await cache.get(key)
    assert source.asked == ["a", "b", "c"]


async def test_made_up_keys_push_no_value_out() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock, size=10, per_second=1000, burst=1000)
    assert await cache.get("a") == "A"
    for number in range(100):
        clock.now += 0.01
        assert await cache.get(f"made up {number}") is None
    source.asked.clear()
    assert await cache.get("a") == "A"
    assert source.asked == []


async def test_a_key_that_is_asked_for_again_is_read_in_the_middle_of_a_flood() -> None:
    source, clock = Source(), Clock()
    bucket = TokenBucket(per_second=1, burst=1)
    cache: LookupCache[str, str] = LookupCache(
        source.load, size=10, budget=TokenBucket(1, 1), asked_again=bucket, clock=clock_of(clock)
    )

    async def flood() -> int:
        refused = 0
        for number in range(1_000):
            clock.now += 0.005
            try:
                await cache.get(f"made up at {clock.now} {number}")
            except LookupThrottled:
                refused += 1
        return refused

    assert await flood() > 990
    with pytest.raises(LookupThrottled):
        await cache.get("a")
    assert await flood() > 990
    assert await cache.get("a") == "A"


async def test_what_appears_and_goes_is_seen_each_time() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    for value in (None, "B", None, "B2"):
        source.values["b"] = value
        clock.now += 10
        assert await cache.get("b") == value


async def test_of_millions_of_keys_only_the_newest_are_remembered() -> None:
    recent = _Recent()
    assert not any(recent.add(number) for number in range(200_000))
    assert recent.add(199_999)
    assert recent.add(150_000)
    assert not recent.add(1)


def test_a_token_bucket_refills_but_never_above_its_burst() -> None:
    budget = TokenBucket(per_second=2, burst=3)
    assert [budget.take(0) for _ in range(4)] == [True, True, True, False]
    assert [budget.take(0.5), budget.take(0.5)] == [True, False]
    assert [budget.take(1000) for _ in range(4)] == [True, True, True, False]


async def test_who_has_a_reserve_is_served_from_it_first_and_whoever_has_none_never() -> None:
    source, clock = Source(), Clock()
    cache, reserve, nothing = lookups(source, clock, burst=1), TokenBucket(1, 2), TokenBucket(0, 0)
    for key in ("b", "c", "d"):
        await cache.get(key, own_budget=TokenBucket(1, 1), reserves=(nothing, reserve))
    assert source.asked == ["b", "c", "d"]  # two from the reserve, one from the budget of all
    with pytest.raises(LookupThrottled):
        await cache.get("e", reserves=(reserve,))
    with pytest.raises(LookupThrottled):
        await cache.get("e")
    clock.now += 1
    with pytest.raises(LookupThrottled):
        await cache.get("e", own_budget=nothing)
    assert await cache.get("a", reserves=(reserve,)) == "A"


async def test_a_value_can_be_read_before_it_is_old() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    await cache.get("a")
    clock.now += 5
    await cache.get("a", ahead=4)
    assert source.asked == ["a"]
    await cache.get("a", ahead=5)
    assert source.asked == ["a", "a"]
    clock.now += 9
    await cache.get("a")
    assert source.asked == ["a", "a"]


async def test_it_is_known_which_keys_take_from_no_budget() -> None:
    source, clock = Source(), Clock()
    cache = lookups(source, clock)
    assert not cache.has("a")
    assert not cache.is_absent("b")
    await cache.get("a")
    await cache.get("b")
    assert cache.has("a")
    assert cache.has("b")
    assert (cache.is_absent("a"), cache.is_absent("b")) == (False, True)
    clock.now += 11
    assert cache.has("a")  # old, and read again free of charge
    assert not cache.has("b")
    assert not cache.is_absent("b")  # that was said too long ago
