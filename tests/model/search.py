"""Breadth-first search over all states up to the bounds, and the way to rest from each of them.

From every state that is reached, all that is under way comes to an end without further disturbances: events arrive, the
operator works, time passes. In a bounded number of steps nothing is left to do; then what the customer wants is so, and
one more resync writes nothing.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import NamedTuple

from model.actors import deliver, operate, quietly
from model.app_status import is_recorded, record_policies
from model.faults import options
from model.hook_properties import unrecorded
from model.kube import OURS, Cluster, ModelServer
from model.moves import DAY, Move, Scene, between, fair_move, moves, step_clock
from model.properties import violations
from model.rest import late, shown, unfinished
from model.state import State, key_of
from model.turn import Choices, Turn
from model.world import World
from talkdesk_operator.workqueue.contract import Cause

__all__ = ["Found", "Search", "Step"]

_MOST_STEPS = 80
"""The longest way to rest that counts as bounded."""
_RESYNCS = 3
"""The first may find what got lost, and the second may be about that; the third writes nothing."""
_PATIENCE = 30
"""After so many steps the clock makes steps of a day at least: what fails is tried again for a week, or for months."""


class Step(NamedTuple):
    """How a state was reached from the one before."""

    before: bytes
    move: str
    choices: Choices
    crash: int
    """At which of its points the process ended; -1 for none."""


@dataclass(frozen=True)
class Found:
    """A violation, and the way to it."""

    scene: str
    what: str
    story: tuple[str, ...]
    states: int
    """How many states had been seen."""


@dataclass
class Search:
    """One scene."""

    scene: Scene
    states: int = 0
    transitions: int = 0
    turns: int = 0
    steps: dict[bytes, Step] = field(default_factory=dict)
    onward: dict[bytes, bytes] = field(default_factory=dict)
    """The next state where an event is delivered or the operator works, all going well."""
    settled: set[bytes] = field(default_factory=set)
    said: dict[str, str] = field(default_factory=dict)
    """What each status says in a state at rest, by the world."""
    rests: int = 0
    longest: int = 0
    """The longest way to rest."""
    seconds: float = 0.0
    """Of a processor's time."""

    def run(self) -> Found | None:
        """Return the first violation; None when there is none."""
        began = time.process_time()
        try:
            with quietly():
                return self._run()
        finally:
            self.seconds = time.process_time() - began

    def _run(self) -> Found | None:
        first = self._first()
        frontier = deque([(first, key_of(first))])
        self.steps[frontier[0][1]] = Step(b"", "", (), -1)
        while frontier:
            state, key = frontier.popleft()
            self.states += 1
            fair = fair_move(state)
            problem = next(chain(violations(state), unrecorded(state)), "") or (
                "" if fair else self._settle(state, key)
            )
            if problem:
                return self._found(problem, key)
            for move in moves(self.scene, state):
                for step, after, faults in self._branches(state, key, move):
                    self.transitions += 1
                    if faults:
                        return self._found(faults[0], key, step)
                    reached = key_of(after)
                    if move.name == fair and not any(step.choices) and step.crash < 0:
                        self.onward[key] = reached
                    if reached not in self.steps:
                        self.steps[reached] = step
                        frontier.append((after, reached))
        return self._circle()

    def _circle(self) -> Found | None:
        """Return a state from which deliveries and reconciles never end."""
        done: set[bytes] = set()
        for key in self.steps:
            passed, at = list[bytes](), key
            while at in self.onward and at not in done:
                passed.append(at)
                at = self.onward[at]
                if len(passed) > _MOST_STEPS:
                    return self._found(f"the operator is still at work after {_MOST_STEPS} steps", key)
            done.update(passed)
        return None

    def _first(self) -> State:
        server = ModelServer(Cluster({}, {}, {}, 100), lambda _, happen: happen(), World(_NOTHING).moment)
        for raw in (self.scene.app, *self.scene.besides):
            server.put(raw)
        cluster = server.cluster_now()
        world = World(
            State(cluster=cluster, seen={place: raw for place, raw in cluster.objects.items() if place[0] in OURS})
        )
        for kind, installation in self.scene.before:
            assert world.asks(kind, installation)
            while fair_move(state := world.state()):
                world = World(state)
                _advance(world)
        world.acted = 0
        return world.state()

    def _branches(self, state: State, key: bytes, move: Move) -> Iterator[tuple[Step, State, list[str]]]:
        """Yield every way in which a move can go."""
        undone: list[Choices] = [()]
        while undone:
            choices = undone.pop()
            turn = self._play(state, move, choices)
            self.turns += 1
            yield Step(key, move.name, choices, -1), turn.world.state(), turn.world.faults
            for number, (_, crashed) in enumerate(turn.crashes):
                yield Step(key, move.name, choices, number), crashed, []
            for point in range(len(choices), len(turn.width)):
                undone += [(*turn.taken[:point], other) for other in range(1, turn.width[point])]

    def _play(self, state: State, move: Move, choices: Choices) -> Turn:
        world = World(state)
        if move.sort:
            world.spend(move.sort)
        turn = Turn(world, choices, partial(options, self.scene.bounds, partial(between, self.scene)))
        if not move.is_turn:
            move.perform(world)
            return turn
        world.effect = turn.effect
        turn.restarted = lambda now: now.crashed(operator=move.is_operators)
        turn.may_crash = lambda now: self.scene.bounds.allow(now, "crash")
        move.perform(world)
        turn.crashed("the end")
        return turn

    def _settle(self, state: State, key: bytes) -> str:
        """Return what is wrong with the way to rest from a state."""
        passed, began = list[bytes](), state
        for number in range(_MOST_STEPS):
            if key in self.settled:
                break
            passed.append(key)
            after = self._fair(state, slowly=number > _PATIENCE)
            if isinstance(after, str):
                return after
            if after is None:
                break
            if late(began, after):
                return "what can be finished within a day is not"
            state, key = after, key_of(after)
        else:
            return f"it does not come to rest within {_MOST_STEPS} steps"
        self.longest = max(self.longest, len(passed))
        self.settled.update(passed)
        return ""

    def _fair(self, state: State, *, slowly: bool) -> State | str | None:
        """Return the next state of the way to rest; words when something is wrong with it, None at its end."""
        world = World(state)
        if not _advance(world):
            retries = [at for at, cause in state.timers if cause != Cause.RESYNC]
            near = [at for at in retries if at <= state.now + DAY]
            if near:
                step_clock(world, max(min(near), state.now + DAY if slowly else 0), Cause.RETRY)
            elif problem := self._at_rest(state):
                return problem
            elif retries:
                world.timers.pop(Cause.RESYNC, None)
                step_clock(world, min(retries), Cause.RETRY)
            else:
                return None
        return world.faults[0] if world.faults else world.state()

    def _at_rest(self, state: State) -> str:
        """Return what is not as it should be when nothing is left to do but resyncs."""
        self.rests += 1
        for _ in range(_RESYNCS):
            before = state.cluster.version
            after = self._resync(state)
            if isinstance(after, str):
                return after
            state = after
            if state.cluster.version == before:
                return next(unfinished(state), "") or self._differs(state)
        return "each resync writes something though nothing has changed"

    def _differs(self, state: State) -> str:
        """Return what a status says otherwise than it did of the same world in another state at rest."""
        for known, said in shown(state):
            if self.said.setdefault(known, said) != said:
                return f"a status is no function of the world: it says {said}, and of the same {self.said[known]}"
        return ""

    def _resync(self, state: State) -> State | str:
        """Return the state after a resync and what follows from it."""
        world = World(state)
        world.now += 600
        world.due |= {Cause.RESYNC}
        operate(world)
        for _ in range(_MOST_STEPS):
            state = world.state()
            if world.faults:
                return world.faults[0]
            near = [at for at, cause in state.timers if cause != Cause.RESYNC and at <= state.now + DAY]
            world = World(state)
            if world.due or world.is_behind:
                operate(world)
            elif near:
                step_clock(world, min(near), Cause.RETRY)
            else:
                return state
        return "a resync does not come to an end"

    def _found(self, what: str, key: bytes, last: Step | None = None) -> Found:
        """Return a violation with the way to it, in words."""
        path = [] if last is None else [last]
        while self.steps[key].before:
            path.append(self.steps[key])
            key = self.steps[key].before
        return Found(self.scene.name, what, tuple(self._story(path[::-1])), self.states)

    def _story(self, path: list[Step]) -> Iterator[str]:
        state = self._first()
        for step in path:
            move = next(each for each in moves(self.scene, state) if each.name == step.move)
            turn = self._play(state, move, step.choices)
            yield move.name
            told = turn.told
            if step.crash >= 0:
                line, state = turn.crashes[step.crash]
                told = told[: told.index(line)] if line in told else told
                yield from (f"    {each}" for each in told)
                yield f"    the process ends before {line}"
            else:
                state = turn.world.state()
                yield from (f"    {each}" for each in told)


def _advance(world: World) -> bool:
    """Make the move that comes next where nothing more goes wrong; return whether there is one before time passes."""
    if world.due or world.is_behind:
        operate(world)
    elif not is_recorded(world):
        record_policies(world)
    elif world.pending:
        deliver(world, min(world.pending))
    else:
        return False
    return True


_NOTHING = State(cluster=Cluster({}, {}, {}, 0), seen={})
