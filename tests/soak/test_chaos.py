"""A short storm: each kind of process is killed, and nothing that was acknowledged is lost. `make chaos` is long."""

from builders.say import Say
from soak.chaos import Storm, raging

STORM = Storm(events=300, accounts=90, kills=5)


async def test_a_storm_loses_nothing_that_was_acknowledged_and_deletes_nothing_that_is_needed(say: Say) -> None:
    async with raging(STORM) as chaos:
        outcome = await chaos.run()
    for line in outcome.lines():
        say(line)
    assert set(chaos.kills.done) == {"webhook", "operator", "API server", "standby"}
    assert chaos.lives.events >= STORM.events
    assert outcome.is_well, list(outcome.lines())
