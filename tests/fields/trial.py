"""One value of one field, tried while customers live: what the change did, and whether its undoing restored all."""

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from builders.stack import APP
from fields.bystander import Bystander
from fields.change import Change
from fields.effects import Effect
from fields.log import Log
from fields.look import Look, differences, look
from fields.place import Place
from fields.schema import ITEM, Field
from fields.values import Value
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["Outcome", "Trial"]

_SHOWN_WITHIN: Final = 30.0
"""Seconds until what a change does must be seen, and until all is as before it once it is undone."""
_PAUSE: Final = 0.2
_SCHEMA: Final = re.compile(
    r"in body (must|should)|Required value|Unsupported value|Too (long|many)|Duplicate value|can't be empty"
)
"""How the API server says that a value is none that the schema allows."""


@dataclass
class Outcome:
    """What became of a value."""

    of: Field
    value: Value
    refused: bool = False
    problems: list[str] = field(default_factory=list)
    """Everything that is not as it should be."""
    broken: bool = False
    """The place is not as it was before, so that nothing more can be tried there."""
    seconds: float = 0.0


@dataclass
class Trial:
    """What is needed to try a value in a place."""

    place: Place
    bystander: Bystander
    log: Log
    known: Look | None = None
    """What there was after the last undoing, which is what there was before."""

    async def run(self, of: Field, value: Value, effect: Effect, whose: str) -> Outcome:
        """Make the change, judge it, undo it, and compare."""
        outcome, began = Outcome(of, value), time.monotonic()
        change = Change(self.place, of, value, whose)
        try:
            await self._run(change, effect, outcome)
        except AssertionError as error:
            outcome.problems.append(str(error))
            outcome.broken = True
        if not outcome.refused:
            outcome.problems += self.log.faults() + await self.bystander.moved() + self.bystander.failed
        outcome.seconds = time.monotonic() - began
        return outcome

    async def _run(self, change: Change, effect: Effect, outcome: Outcome) -> None:
        before = self.known if self.known is not None else await self._look()
        self.known = None
        try:
            await change.make()
        except KubeError as error:
            outcome.refused, self.known = True, before
            outcome.problems += _refusal(change.of, effect, str(error))
            return
        if effect.refused:
            outcome.problems.append("it was taken, and should be refused")
        else:
            outcome.problems += await self._settled(lambda: self._judged(before, change, effect))
        if effect.ends:
            return
        try:
            await change.undo()
        except KubeError as error:
            outcome.problems.append(f"it can't be undone: {error}")
            outcome.broken = True
            return
        left = await self._settled(lambda: self._left(before, effect))
        outcome.problems += [f"after the undoing: {each}" for each in left]
        outcome.broken = bool(left)
        self.known = None if left or effect.leaves else before

    async def _settled(self, judge: Callable[[], Coroutine[Any, Any, list[str]]]) -> list[str]:
        """Return what is still wrong when there was time enough for it to become right."""
        wrong = [f"nothing could be seen within {_SHOWN_WITHIN:.0f} s"]
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHOWN_WITHIN):
                async for _ in _pauses():
                    wrong = await judge()
                    if not wrong:
                        break
        return wrong

    async def _judged(self, before: Look, change: Change, effect: Effect) -> list[str]:
        whose = tuple(self.place.customers) if change.of.kind == APP else (change.whose,)
        return list(effect.judge(before, await self._look(), _own(change), whose))

    async def _left(self, before: Look, effect: Effect) -> list[str]:
        found = differences(before, await self._look())
        return [each for each in found if not (effect.leaves and re.search(effect.leaves, each.partition(": ")[2]))]

    async def _look(self) -> Look:
        return await look(self.place, self.place.customers)


async def _pauses() -> AsyncIterator[None]:
    """Yield without end, with a pause between."""
    for _ in itertools.count():
        yield
        await asyncio.sleep(_PAUSE)


def _own(change: Change) -> str:
    """Return how the paths of the changed field begin in a look; of an item it is the whole list."""
    path = change.of.path.partition(ITEM)[0]
    prefix = "" if change.of.kind == APP else f"{change.whose}: "
    return f"{prefix}{change.of.kind}.spec.{path}"


def _refusal(of: Field, effect: Effect, words: str) -> list[str]:
    if effect.refused and not re.search(effect.refused, words) and not _SCHEMA.search(words):
        return [f"it was refused in other words than {effect.refused!r}: {words}"]
    if not any(word.removesuffix(ITEM) in words for word in of.path.split(".")[-2:]):
        return [f"it was refused without the name of the field: {words}"]
    return []
