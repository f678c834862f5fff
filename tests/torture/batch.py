"""Many lives at once on one webhook and one operator, step by step, each with at most one disturbance in each step.

A SIGKILL ends the program for all of them. So each life is stopped exactly at its own point, and when all are, one blow
falls on all: the program is killed, what it had asked for is dropped, and another one starts. The same goes for the end
of streams from which an event was lost. What needs no blow happens to each life by itself. A step begins when all lives
have come to the same state as an undisturbed one after the step before; so no disturbance comes on top of another.
"""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final, cast

from builders.invariants import leaks, secrets_of, violations_so_far
from builders.platform import Platform
from torture.kube_proxy import KubeProxy
from torture.life import Life, living
from torture.play import QUIET, Differs, comes_to, take
from torture.points import Blow, Disturbance, Point
from torture.steps import STEPS
from torture.track import Track

__all__ = ["Batch", "Outcome", "Session"]

_STOPPED_WITHIN: Final = 0.8
"""Part of the patience until the blow falls, also where a life has not come to its point."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one disturbance."""

    disturbance: Disturbance
    problem: str = ""
    """What was different, or wrong; empty where nothing was."""
    reached: bool = True
    """Whether the disturbance took place."""


@dataclass
class Batch:
    """The outcomes, and what all lives together showed."""

    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What belongs to no disturbance."""
    met: list[list[Point]] = field(default_factory=list)
    """The points of each life."""
    snapshots: list[list[Any]] = field(default_factory=list)
    """What each life came to, where there was no reference."""
    lists: list[str] = field(default_factory=list)
    """The queries of all listings that webhook and operator asked for."""
    seconds: float = 0.0


@dataclass
class Session:
    """Webhook and operator, for some batches one after the other. Made by `programs.session`."""

    programs: Platform
    tracks: dict[str, Track]
    patience: float
    """Seconds until a step must have come to its end."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def batch(
        self, plans: Sequence[Mapping[str, Disturbance]], reference: Sequence[Any] = (), *, steps: int = len(STEPS)
    ) -> Batch:
        """Play a life with each of these disturbances by step, so many steps of it."""
        began, known, made = time.monotonic(), [len(each.lists) for each in self._proxies], Batch()
        async with AsyncExitStack() as stack:
            opening = [living(self.programs, self.tracks, next(self._numbers), each) for each in plans]
            lives = [await stack.enter_async_context(each) for each in opening]
            left = list(lives)
            for number in range(steps):
                wanted = reference[number] if reference else None
                left = await self._step(left, number, wanted, made)
            await self._check(lives, made, ended=steps == len(STEPS))
            made.met, made.snapshots = [each.track.met for each in lives], [each.snapshots for each in lives]
        new = (proxy.lists[count:] for proxy, count in zip(self._proxies, known, strict=True))
        made.lists = [query for each in new for query in each]
        made.seconds = time.monotonic() - began
        return made

    @property
    def _proxies(self) -> list[KubeProxy]:
        return [cast("KubeProxy", gate) for gate in self.programs.gates.values()]

    async def _step(self, lives: Sequence[Life], number: int, wanted: Any, made: Batch) -> list[Life]:
        """Take one step with all; return those that go on."""
        step = STEPS[number]
        for life in lives:
            life.track.begin(step.name)
        tasks = [asyncio.create_task(take(each, step, wanted, self.patience)) for each in lives]
        struck = await self._strike(lives, tasks)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        if wanted is not None and (struck or number == len(STEPS) - 1):
            await asyncio.sleep(QUIET)  # in which nothing may change any more
            good = [life for life, problem in zip(lives, done, strict=True) if problem is None]
            again = await asyncio.gather(
                *(comes_to(each, step, wanted, self.patience) for each in good), return_exceptions=True
            )
            found = dict(zip(good, again, strict=True))
            done = [problem or found[life] for life, problem in zip(lives, done, strict=True)]
        return [life for life, problem in zip(lives, done, strict=True) if _goes_on(life, problem, made)]

    async def _strike(self, lives: Sequence[Life], tasks: Sequence["asyncio.Task[None]"]) -> bool:
        """Let the blow fall when each life is at its point or has taken the step; return whether there was one."""
        blows = {each.track.disturbance.blow for each in lives if each.track.disturbance is not None} - {None}
        if not blows:
            return False
        (blow,) = blows
        stops = [asyncio.create_task(_stopped(life, task)) for life, task in zip(lives, tasks, strict=True)]
        _, moving = await asyncio.wait(stops, timeout=_STOPPED_WITHIN * self.patience)
        for each in moving:
            each.cancel()
        if blow is Blow.EXPIRE:
            for proxy in self._proxies:
                proxy.streams.expire()
        else:
            await self.programs.programs[str(blow)].kill()
        for life in lives:
            life.track.struck.set()
        if blow is Blow.KILL_OPERATOR:
            await self.programs.start_operator()
        elif blow is Blow.KILL_WEBHOOK:
            await self.programs.start_webhook()
        return True

    async def _check(self, lives: Sequence[Life], made: Batch, *, ended: bool) -> None:
        """Look whether the invariants hold: for each life that ended, and for all logs, metrics and objects."""
        await self.programs.watched.catch_up(self.programs.kube)
        secrets = set[bytes]()
        for life in lives:
            life.stack.may_lose_objects.add(life.account_id)  # a person purges it; the objects' uids are compared
            if ended:
                made.problems += [f"{each} ({life.token})" for each in violations_so_far(life.stack)]
            secrets |= secrets_of(life.stack)
        made.problems += await leaks(self.programs, secrets)


async def _stopped(life: Life, task: "asyncio.Task[None]") -> None:
    reached = asyncio.create_task(life.track.reached.wait())
    needs_none = life.track.disturbance is None or life.track.disturbance.blow is None
    await asyncio.wait((task,) if needs_none else (reached, task), return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()


def _goes_on(life: Life, problem: BaseException | None, made: Batch) -> bool:
    """Write down what came of the step's disturbance, if it had one; return whether the life goes on."""
    if problem is not None and not isinstance(problem, Differs):
        raise problem
    track, words = life.track, str(problem or "")
    if track.disturbance is not None:
        made.outcomes.append(Outcome(track.disturbance, words, reached=track.reached.is_set()))
    elif words:
        earlier = [str(each.disturbance) for each in made.outcomes if each.disturbance in track.disturbances.values()]
        made.problems.append("\n".join([f"a life without a disturbance in this step (before: {earlier})", words]))
    return not words
