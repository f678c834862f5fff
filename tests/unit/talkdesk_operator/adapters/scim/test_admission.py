"""Which calls to a service may be made now: pauses that it asked for, and its circuit breaker."""

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from builders.scim import HandClock
from talkdesk_operator.adapters.scim.admission import Admission
from talkdesk_operator.domain.ports.scim_errors import (
    ScimCircuitOpen,
    ScimError,
    ScimRateLimited,
    ScimRefused,
    ScimUnavailable,
)

ORIGIN = "https://scim.example.com"
PATIENCE = timedelta(seconds=10)
DOWN = ScimUnavailable("down")

pytestmark = pytest.mark.case(64)


class Calls:
    """Calls to one service, on time that passes only while a call waits or a test moves it."""

    def __init__(self) -> None:
        self.time = HandClock()
        self.admission = Admission(self.time.clock)

    async def call(self, error: ScimError | None = None, *, origin: str = ORIGIN) -> None:
        async with self.admission.admit(origin, "reading", PATIENCE) as outcome:
            outcome.error = error

    async def fail(self, times: int = 8) -> None:
        for _ in range(times):
            await self.call(DOWN)


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_after_eight_failures_in_a_row_no_call_is_made_for_thirty_seconds(calls: Calls) -> None:
    await calls.fail(7)
    await calls.call(ScimRefused("one user"))
    await calls.fail()
    for passed, left in ((0, 30), (10, 20)):
        calls.time.at += passed
        with pytest.raises(ScimCircuitOpen) as failure:
            await calls.call()
        assert failure.value.retry_after == timedelta(seconds=left)
    await calls.call(origin="https://other.example.com")
    calls.time.at += 20
    await calls.call()
    assert calls.time.slept == []


async def test_a_call_waits_for_the_outcome_of_the_probe_and_then_goes(calls: Calls) -> None:
    await calls.fail()
    calls.time.at += 30
    async with AsyncExitStack() as probe:
        await probe.enter_async_context(calls.admission.admit(ORIGIN, "reading", PATIENCE))
        with pytest.raises(ScimCircuitOpen) as failure:
            await calls.call()
        assert failure.value.retry_after == timedelta(seconds=1)
        assert sum(calls.time.slept) == 10
    await calls.call()


async def test_a_probe_that_fails_opens_the_circuit_for_as_long_again(calls: Calls) -> None:
    await calls.fail()
    calls.time.at += 30
    await calls.call(DOWN)
    with pytest.raises(ScimCircuitOpen) as failure:
        await calls.call()
    assert failure.value.retry_after == timedelta(seconds=30)


async def test_a_429_is_a_pause_and_neither_failure_nor_success(calls: Calls) -> None:
    await calls.fail(7)
    await calls.call(ScimRateLimited("slow", retry_after=timedelta(seconds=5)))
    await calls.call(DOWN)
    assert calls.time.slept == [5]
    with pytest.raises(ScimCircuitOpen):
        await calls.call()


async def test_a_pause_that_is_longer_than_the_patience_is_raised(calls: Calls) -> None:
    await calls.call(ScimRateLimited("slow", retry_after=timedelta(seconds=60)))
    await calls.call(ScimRateLimited("slow"), origin="https://other.example.com")
    with pytest.raises(ScimRateLimited) as failure:
        await calls.call()
    assert failure.value.retry_after == timedelta(seconds=60)
