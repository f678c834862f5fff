"""Admission of calls: how many at once, and pauses that all calls of a key share."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from talkdesk_operator.adapters.talkdesk.clock import Clock
from talkdesk_operator.adapters.talkdesk.limiter import Limiter
from talkdesk_operator.domain.talkdesk import RateLimited


class Time:
    """Time that only passes while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.naps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds

    def limiter(self, concurrency: int = 2, patience: float = 10) -> Limiter:
        clock = Clock(monotonic=lambda: self.seconds, now=lambda: datetime.now(UTC), sleep=self.sleep)
        return Limiter(concurrency=concurrency, patience=timedelta(seconds=patience), clock=clock)


async def test_no_more_calls_of_a_key_run_at_once_than_allowed() -> None:
    limiter = Time().limiter(concurrency=2)
    running, most = 0, 0

    async def call() -> None:
        nonlocal running, most
        async with limiter.admitted("us", "reading"):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(call() for _ in range(20)))
    assert most == 2


async def test_keys_dont_hold_each_other_up() -> None:
    limiter = Time().limiter(concurrency=1)
    async with asyncio.timeout(5), limiter.admitted("us", "reading"), limiter.admitted("eu", "reading"):
        pass


async def test_a_failed_call_gives_its_slot_back() -> None:
    limiter = Time().limiter(concurrency=1)
    for _ in range(2):
        async with asyncio.timeout(5):
            with pytest.raises(ZeroDivisionError):
                async with limiter.admitted("us", "reading"):
                    raise ZeroDivisionError


@pytest.mark.case(27)
async def test_a_short_pause_is_waited_out_once() -> None:
    time = Time()
    limiter = time.limiter(patience=10)
    limiter.pause("us", timedelta(seconds=3))
    async with limiter.admitted("eu", "reading"):
        assert time.naps == []
    for _ in range(2):
        async with limiter.admitted("us", "reading"):
            assert time.naps == [3]


@pytest.mark.case(27)
async def test_a_long_pause_is_given_back_with_the_time_that_is_left() -> None:
    time = Time()
    limiter = time.limiter(patience=10)
    limiter.pause("us", timedelta(seconds=30))
    time.seconds += 5
    with pytest.raises(RateLimited, match=r"reading: .*another 25 s") as failure:
        async with limiter.admitted("us", "reading"):
            pass
    assert failure.value.retry_after == timedelta(seconds=25)
    time.seconds += 20
    async with limiter.admitted("us", "reading"):
        assert time.naps == [5]


@pytest.mark.case(27)
async def test_a_later_shorter_pause_doesnt_end_a_longer_one() -> None:
    time = Time()
    limiter = time.limiter()
    limiter.pause("us", timedelta(seconds=8))
    limiter.pause("us", timedelta(seconds=1))
    async with limiter.admitted("us", "reading"):
        assert time.naps == [8]
