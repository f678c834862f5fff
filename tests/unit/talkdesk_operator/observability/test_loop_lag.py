import asyncio

import pytest

from builders.manual_clock import ManualClock
from talkdesk_operator.observability.loop_lag import LoopLag


@pytest.mark.case(76)
async def test_the_longest_delay_of_the_last_two_minutes_is_reported() -> None:
    clock, late = ManualClock(), [0.0, 0.5, 0.1]

    async def sleep(seconds: float) -> None:
        if not late:
            await asyncio.Event().wait()
        clock.advance(seconds + late.pop(0))

    lag = LoopLag(clock.time, sleep)
    running = asyncio.create_task(lag.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert lag.longest() == pytest.approx(0.5)
    clock.advance(70)
    assert lag.longest() == pytest.approx(0.5), "it belongs to the window before"
    clock.advance(70)
    assert lag.longest() == 0
    running.cancel()
