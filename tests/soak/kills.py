"""Who is killed, and when: webhooks, the operator that leads and the one that does not, and the API server, in turn."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle

from builders.restartable import Restartable
from builders.serving import until
from soak.programs import Program
from soak.stage import Stage

__all__ = ["Kills"]

_CYCLE = ("webhook", "operator", "API server", "webhook", "standby")


@dataclass
class Kills:
    """Kills one after the other while events come."""

    stage: Stage
    api_server: Restartable
    rng: random.Random
    number: int
    done: Counter[str] = field(default_factory=Counter)
    _turns: Iterator[str] = field(default_factory=lambda: cycle(_CYCLE))

    async def run(self, events: Callable[[], int], target: int) -> None:
        """Kill `number` times, spread evenly over the events until the target."""
        for turn in range(1, self.number + 1):
            due = turn * target / (self.number + 1)
            await until(partial(_reached, events, due), within=3600)
            await self._kill(next(self._turns))

    async def _kill(self, whom: str) -> None:
        self.done[whom] += 1
        if whom == "API server":
            await asyncio.to_thread(self.api_server.kill)
            await self.api_server.start()
            return
        if whom == "webhook":
            await self.rng.choice(self.stage.webhooks).kill()
            return
        await self._operator(leading=whom == "operator").kill()

    def _operator(self, *, leading: bool) -> Program:
        """Return the one that leads, or one that does not; where there is none such, any."""
        chosen = [each for each in self.stage.operators if each.child is not None and each.leads is leading]
        return self.rng.choice(chosen or list(self.stage.operators))


def _reached(events: Callable[[], int], due: float) -> bool:
    return events() >= due
