"""The app of another namespace: nothing of its quiet customer may move, and its busy one is served all the time."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from builders.platform import Platform
from builders.stack import Customer, stack
from builders.watched import WITHIN
from fields.look import look_at_app, versions
from talkdesk_runtime.background import in_background
from talkdesk_sandbox.simulator import commands

__all__ = ["Bystander", "bystander"]


@dataclass
class Bystander:
    """Made by `bystander`."""

    quiet: Customer
    busy: Customer
    before: dict[str, str]
    """Uids and versions of what is the quiet customer's, and what the app says."""
    served: int = 0
    longest: float = 0.0
    """Seconds from an event to the end of what follows from it."""
    failed: list[str] = field(default_factory=list)

    async def moved(self) -> list[str]:
        """Return what of the quiet customer's has another version than at the beginning."""
        now = await _state(self.quiet)
        return [
            f"the other app and its customer: {name}: {self.before.get(name, 'absent')} -> {now.get(name, 'absent')}"
            for name in sorted(self.before.keys() | now.keys())
            if self.before.get(name) != now.get(name)
        ]

    async def keep_busy(self) -> None:
        """Let the busy customer's events come one after the other, updates and rotations by turns, without end."""
        for number in itertools.count():
            began = time.monotonic()
            try:
                await (self._update(number) if number % 2 == 0 else self._rotation())
            except (AssertionError, TimeoutError) as error:
                self.failed.append(f"an event of the other app's customer was not handled: {error}")
                return
            self.served += 1
            self.longest = max(self.longest, time.monotonic() - began)
            await asyncio.sleep(0.2)

    async def _update(self, number: int) -> None:
        command = commands.Update(installation=self.busy.installation_id, licenses=3 + number % 5)
        outcome = self.busy.stack.simulator.update(command)
        await self.busy.stack.delivered(outcome)
        await self.busy.becomes("Active", within=WITHIN)

    async def _rotation(self) -> None:
        outcome = self.busy.stack.simulator.rotate(commands.Rotate(installation=self.busy.installation_id))
        await self.busy.stack.delivered(outcome)
        await self.busy.until_acknowledged(outcome.events[0].id, within=WITHIN)


async def _state(quiet: Customer) -> dict[str, str]:
    return {**await look_at_app(quiet.stack), **await versions(quiet)}


@asynccontextmanager
async def bystander(home: Platform) -> AsyncIterator[Bystander]:
    """Make the app and its customers, and keep one of them busy until the end of the block."""
    async with stack(home, resyncPeriod="1d") as talkdesk:
        quiet, busy = await asyncio.gather(talkdesk.install(), talkdesk.install())
        await asyncio.gather(quiet.converges("Active"), busy.converges("Active"))
        await talkdesk.become_ready()
        made = Bystander(quiet, busy, await _state(quiet))
        async with in_background(made.keep_busy(), "events of another app's customer"):
            yield made
