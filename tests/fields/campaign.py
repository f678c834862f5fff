"""All fields of all specs, changed in several places at once under one operator."""

import asyncio
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final

from builders.invariants import violations
from builders.stack import APP
from fields.bystander import Bystander, bystander
from fields.cases import CASES
from fields.change import content, place_of, shown
from fields.effects import NOTHING, Case
from fields.home import Home
from fields.log import Log
from fields.place import PAID, TRIAL, newcomer, place
from fields.schema import Field
from fields.trial import Outcome, Trial
from fields.values import Value, values

__all__ = ["Campaign"]

_PLAIN: Final = frozenset({"removed", "null", "empty", "an unknown member"})
"""Values that are tried last where not all are: they mostly mean the default."""
_REFUSALS: Final = 4
"""How often a field that can't be changed is tried where not all values are."""
PLACES: Final = 4
"""Places in which fields are changed at once; the machine has two cores, and most of a change is waiting."""


@dataclass
class Campaign:
    """Tries fields, and keeps what was found."""

    home: Home
    full: bool
    """All values of each field, not one that is taken and those before it."""
    say: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)
    invariants: list[str] = field(default_factory=list)
    """What is wrong at the end by the invariants of all scenarios."""
    served: int = 0
    longest: float = 0.0
    seconds: float = 0.0

    async def run(self, fields: Sequence[Field]) -> None:
        """Try these fields in all places of the home."""
        began = time.monotonic()
        waiting = list(fields)[::-1]
        async with bystander(self.home.platform) as beside:
            log = Log(self.home.platform)
            workers = [self._work(namespace, waiting, beside, log) for namespace in self.home.places]
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker)
            self.served, self.longest = beside.served, beside.longest
        beyond = sorted({f"{right.verb} {right.resource}" for right in self.home.platform.beyond_roles()})
        self.say(f"asked for by odd values, and refused: {', '.join(beyond) or 'nothing'}")
        self.seconds = time.monotonic() - began

    @property
    def problems(self) -> list[str]:
        """What was found, a text for each value."""
        found = [
            "\n    ".join([f"{each.of.name} = {shown(each.value)}", *each.problems])
            for each in self.outcomes
            if each.problems
        ]
        return found + self.invariants

    def figures(self) -> str:
        """Return what was done, in a line."""
        refused = sum(each.refused for each in self.outcomes)
        fields, taken = len({each.of.name for each in self.outcomes}), len(self.outcomes) - refused
        return (
            f"{fields} fields, {len(self.outcomes)} values tried: {refused} refused, {taken} taken,"
            f" {len(self.problems)} not as they should be; meanwhile {self.served} events of another app's customer,"
            f" the slowest handled in {self.longest:.1f} s; {self.seconds:.0f} s"
        )

    async def _work(self, namespace: str, waiting: list[Field], beside: Bystander, log: Log) -> None:
        while waiting and not self.home.platform.operator.ended:
            async with place(self.home.platform, namespace, self.home.user) as made:
                trial, whole = Trial(made, beside, log), True
                while waiting and whole and not self.home.platform.operator.ended:
                    whole = await self._field(waiting.pop(), trial)
                if whole:
                    self.invariants += await violations(made.talkdesk)

    async def _field(self, of: Field, trial: Trial) -> bool:
        """Try values of a field; return whether the place can still be used."""
        case, made = CASES[of.name], trial.place
        whose = TRIAL if of.steps()[0] == "trial" and of.kind != APP else PAID
        now = content(made.shown(of.kind, whose)["spec"], place_of(of))
        tried = Tried(self.full)
        for value in _in_order(of, case, values(of, now) + case.given, full=self.full):
            if not tried.wants(case, value):
                continue
            effect = case.effect(value)
            async with AsyncExitStack() as stack:
                at, who = trial, whose
                if effect.ends:
                    there, who = await stack.enter_async_context(newcomer(made, self.home.user))
                    at = replace(trial, place=there, known=None)
                outcome = await at.run(of, value, effect, who)
            tried.note(case, outcome)
            self.outcomes.append(outcome)
            self.say(_line(outcome))
            if outcome.broken and not effect.ends:
                return False
        return True


@dataclass
class Tried:
    """What was tried of one field: where not all values are, one of each kind is enough."""

    full: bool
    special: bool = False
    ordinary: bool = False
    refused: int = 0

    def wants(self, case: Case, value: Value) -> bool:
        """Return whether the value is to be tried."""
        done = self.special if _is_special(case, value) else self.ordinary
        return self.full or not (done or self.refused >= _REFUSALS)

    def note(self, case: Case, outcome: Outcome) -> None:
        """Take note of what became of a value."""
        self.refused += outcome.refused and bool(case.taken.refused)
        if outcome.refused:
            return
        if _is_special(case, outcome.value):
            self.special = True
        else:
            self.ordinary = True


def _is_special(case: Case, value: Value) -> bool:
    """Return whether the value does something that others of its field do not."""
    return value.name in case.special and case.effect(value) != NOTHING


def _in_order(of: Field, case: Case, known: list[Value], *, full: bool) -> list[Value]:
    """Return the values in the order in which they are tried, another one for each field."""
    turn = zlib.crc32(of.name.encode()) % len(known)
    turned = known[turn:] + known[:turn]
    if full:
        return turned
    return sorted(turned, key=lambda value: value.name in _PLAIN or case.effect(value) == NOTHING != case.taken)


def _line(outcome: Outcome) -> str:
    what = "refused" if outcome.refused else "taken"
    line = f"{outcome.of.name} = {shown(outcome.value)}: {what}, {outcome.seconds:.1f} s"
    return "\n    ".join([line, *(f"NOT AS IT SHOULD BE: {each}" for each in outcome.problems)])
