"""Admission of calls: how many at once, and pauses that all calls of a key share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.adapters.talkdesk.limiter import Lane, Limiter
from talkdesk_operator.domain.ports.talkdesk import TalkdeskRateLimited
from talkdesk_runtime.clock import Clock


class Time:
    """Time that passes only while a caller sleeps."""

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


async def test_keys_do_not_wait_for_each_other() -> None:
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
async def test_a_long_pause_is_raised_with_the_time_that_is_left() -> None:
    time = Time()
    limiter = time.limiter(patience=10)
    limiter.pause("us", timedelta(seconds=30))
    time.seconds += 5
    with pytest.raises(TalkdeskRateLimited, match=r"reading: .*another 25 s") as failure:
        async with limiter.admitted("us", "reading"):
            pass
    assert failure.value.retry_after == timedelta(seconds=25)
    time.seconds += 20
    async with limiter.admitted("us", "reading"):
        assert time.naps == [5]


@pytest.mark.case(27)
async def test_a_later_shorter_pause_does_not_end_a_longer_one() -> None:
    time = Time()
    limiter = time.limiter()
    limiter.pause("us", timedelta(seconds=8))
    limiter.pause("us", timedelta(seconds=1))
    async with limiter.admitted("us", "reading"):
        assert time.naps == [8]


@pytest.mark.case(27)
async def test_background_calls_wait_for_a_pause_too() -> None:
    time = Time()
    limiter = time.limiter(patience=10)
    limiter.pause("us", timedelta(seconds=3))
    async with limiter.admitted("us", "reading", Lane(background=True)):
        assert time.naps == [3]
    limiter.pause("us", timedelta(seconds=30))
    with pytest.raises(TalkdeskRateLimited):
        async with limiter.admitted("us", "reading", Lane(background=True)):
            pass


@pytest.mark.case(27)
@pytest.mark.parametrize("seconds", [3, 600])
async def test_an_urgent_call_waits_only_for_a_pause_that_was_asked_of_its_own_caller(seconds: int) -> None:
    time = Time()
    limiter = time.limiter(patience=10)
    limiter.pause("us", timedelta(seconds=seconds), "acme")
    async with limiter.admitted("us", "answering", Lane("other", urgent=True)):
        assert time.naps == []
    await_own = limiter.admitted("us", "answering", Lane("acme", urgent=True))
    if seconds > 10:
        with pytest.raises(TalkdeskRateLimited, match="another 600 s"):
            await await_own.__aenter__()
    else:
        async with await_own:
            assert time.naps == [3]


@pytest.mark.case(27)
async def test_the_last_attempt_waits_for_no_pause() -> None:
    time = Time()
    limiter = time.limiter()
    limiter.pause("us", timedelta(seconds=600), "acme")
    async with limiter.admitted("us", "answering", Lane("acme", urgent=True, last_attempt=True)):
        assert time.naps == []


@pytest.mark.case(27)
async def test_an_urgent_call_does_not_wait_for_calls_that_sit_out_a_pause_or_hang() -> None:
    limiter = Time().limiter(concurrency=1)
    urgent = Lane("acme", urgent=True)
    async with asyncio.timeout(5), limiter.admitted("us", "reading"), limiter.admitted("us", "answering", urgent):
        pass


# --- The sweep leaves room.


@dataclass
class Crowd:
    """Calls that stay until they are let go."""

    limiter: Limiter
    inside: list[str] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def come(self, name: str, *, background: bool = False) -> None:
        """Let a call come, and everything happen that follows at once."""
        self.tasks[name] = asyncio.create_task(self._call(name, background=background))
        await run_pending_tasks()

    async def go(self, name: str) -> None:
        """Let a call end, or give up waiting."""
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks.pop(name), return_exceptions=True)
        await run_pending_tasks()

    async def _call(self, name: str, *, background: bool) -> None:
        async with self.limiter.admitted("us", name, Lane(background=background)):
            self.inside.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                self.inside.remove(name)


async def run_pending_tasks() -> None:
    """Give every task that can run the time to; nothing here waits for anything outside the loop."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def crowd(slots: int) -> AsyncIterator[Crowd]:
    made = Crowd(Time().limiter(concurrency=slots))
    yield made
    for name in list(made.tasks):
        await made.go(name)


@pytest.mark.case(13)
@pytest.mark.parametrize(("slots", "most"), [(1, 1), (2, 1), (3, 1), (4, 2), (7, 3), (64, 32)])
async def test_background_calls_take_half_of_the_slots_at_most_and_a_foreground_call_goes_at_once(
    crowd: Crowd, most: int
) -> None:
    for number in range(100):
        await crowd.come(f"sweep-{number}", background=True)
    assert crowd.inside == [f"sweep-{number}" for number in range(most)]
    if most > 1:
        await crowd.come("install")
        assert crowd.inside[-1] == "install"


@pytest.mark.case(13)
@pytest.mark.parametrize("slots", [4])
async def test_background_calls_never_take_the_last_slot(crowd: Crowd) -> None:
    for name in ("a", "b", "c"):
        await crowd.come(name)
    await crowd.come("sweep", background=True)
    assert crowd.inside == ["a", "b", "c"]
    await crowd.come("install")
    assert crowd.inside == ["a", "b", "c", "install"]
    await crowd.go("a")
    assert crowd.inside == ["b", "c", "install"]
    await crowd.go("b")
    assert crowd.inside == ["c", "install", "sweep"]


@pytest.mark.case(13)
@pytest.mark.parametrize("slots", [1])
async def test_a_single_slot_goes_to_foreground_calls_first(crowd: Crowd) -> None:
    await crowd.come("a")
    await crowd.come("sweep", background=True)
    await crowd.come("b")
    await crowd.go("a")
    assert crowd.inside == ["b"]
    await crowd.go("b")
    assert crowd.inside == ["sweep"]


@pytest.mark.parametrize("slots", [4])
async def test_calls_of_one_kind_go_in_the_order_they_came(crowd: Crowd) -> None:
    for name in "abcdefg":
        await crowd.come(name)
    for name in "abc":
        await crowd.go(name)
    assert crowd.inside == ["d", "e", "f", "g"]


@pytest.mark.parametrize("slots", [1])
@pytest.mark.parametrize("background", [False, True])
async def test_a_cancelled_waiter_is_skipped(crowd: Crowd, *, background: bool) -> None:
    await crowd.come("a")
    await crowd.come("b", background=background)
    await crowd.come("c", background=background)
    await crowd.go("b")
    await crowd.go("a")
    assert crowd.inside == ["c"]


@pytest.mark.parametrize("slots", [2])
@pytest.mark.parametrize("background", [False, True])
async def test_a_slot_granted_at_the_moment_of_a_cancellation_is_not_lost(crowd: Crowd, *, background: bool) -> None:
    for name in ("a", "b"):
        await crowd.come(name)
    await crowd.come("late", background=background)
    # Both at once: the ends hand a slot to "late", which was cancelled before it could look.
    for name in ("a", "b", "late"):
        crowd.tasks[name].cancel()
    await run_pending_tasks()
    crowd.tasks.clear()
    await crowd.come("c")
    await crowd.come("d")
    assert crowd.inside == ["c", "d"]


async def test_a_slot_that_is_granted_to_a_cancelled_call_is_freed() -> None:
    limiter = Time().limiter(concurrency=1)
    held = limiter.admitted("us", "holding")
    await held.__aenter__()

    async def call() -> None:
        async with limiter.admitted("us", "waiting"):
            pass

    waiting = asyncio.create_task(call())
    await run_pending_tasks()
    await held.__aexit__(None, None, None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5), limiter.admitted("us", "reading"):
        pass


@given(st.integers(1, 6), st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=40), st.randoms())
def test_bounds_hold_and_every_call_gets_a_slot(slots: int, calls: list[tuple[bool, int]], random: Random) -> None:
    running = {False: 0, True: 0}
    done = 0

    async def call(limiter: Limiter, turns: int, *, background: bool) -> None:
        nonlocal done
        async with limiter.admitted("us", "x", Lane(background=background)):
            running[background] += 1
            assert sum(running.values()) <= slots
            assert running[True] <= max(1, slots // 2)
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                running[background] -= 1
            done += 1

    async def play() -> int:
        limiter = Time().limiter(concurrency=slots)
        tasks = [asyncio.create_task(call(limiter, turns, background=background)) for background, turns in calls]
        await asyncio.sleep(0)
        given_up = [task for task in tasks if random.random() < 0.2 and task.cancel()]
        async with asyncio.timeout(5):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        async with asyncio.timeout(5), AsyncExitStack() as stack:
            for _ in range(slots):
                await stack.enter_async_context(limiter.admitted("us", "x"))
        return len(given_up)

    given_up = asyncio.run(play())
    assert done + given_up >= len(calls)
    assert running == {False: 0, True: 0}
