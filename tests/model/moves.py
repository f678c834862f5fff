"""Who may act next in a state: Talkdesk delivers, the customer asks, people intervene, the operator reconciles, time.

Belongs here: the moves. Does not belong here: what goes wrong within one (`faults`), in which order they are tried
(`search`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from model import people
from model.actors import deliver, operate
from model.app_status import is_recorded, record_policies
from model.faults import Bounds
from model.state import State
from model.talkdesk_truth import Happening
from model.world import World
from talkdesk_operator.workqueue.contract import Cause

__all__ = ["DAY", "Move", "Scene", "between", "fair_move", "moves", "step_clock"]

DAY = 86_400
OPERATE = "the operator reconciles"
RECORD = "the operator reconciles the app"
_DEADLINE = 7 * DAY
_SOON = 900
"""Talkdesk has delivered an event, or has given it up, within so many seconds."""


@dataclass(frozen=True)
class Scene:
    """What a run of the world begins with, and what may happen in it."""

    name: str
    app: Mapping[str, Any]
    script: tuple[tuple[str, str], ...]
    """What the customer may do, in this order: an act and an installation."""
    before: tuple[tuple[str, str], ...] = ()
    """What the customer did before, and what has come to rest since."""
    people: tuple[str, ...] = ()
    """What people may do, each once."""
    besides: tuple[Mapping[str, Any], ...] = ()
    """What is in the cluster beside the app."""
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class Move:
    """One move; `perform` makes it in a world."""

    name: str
    perform: Callable[[World], None]
    sort: str = ""
    """What disturbance it is; empty for what happens anyway."""
    is_turn: bool = False
    """Whether requests are made in it, each of them a point of choice."""
    is_operators: bool = False
    """Whether the operator makes it, and not the webhook."""
    asks: bool = False
    """Whether the customer asks for something, of which Talkdesk makes an event."""


def moves(scene: Scene, state: State) -> Iterator[Move]:
    """Yield what may happen next."""
    world = World(state)
    yield from _deliveries(world, scene.bounds)
    if state.due or world.is_behind:
        yield Move(OPERATE, operate, is_turn=True, is_operators=True)
        if state.due and world.is_behind and scene.bounds.allow(world, "stale"):
            yield Move("the operator reconciles with a stale cache", _stale, "stale", is_turn=True, is_operators=True)
    elif not is_recorded(world):
        pass
    elif (step := _clock(scene, state)) is not None:
        yield step
    if not is_recorded(world):
        yield Move(RECORD, record_policies)
    yield from _acts(scene, world)
    if scene.bounds.allow(world, "outage"):
        yield Move("operator and clock stop for eight days", _outage, "outage")


def fair_move(state: State) -> str:
    """Return the move that comes next where nothing more goes wrong; empty where time has to pass first."""
    if state.due or World(state).is_behind:
        return OPERATE
    if not is_recorded(World(state)):
        return RECORD
    return _delivery(state.talkdesk.events[min(state.pending) - 1]) if state.pending else ""


def _delivery(happening: Happening) -> str:
    return f"Talkdesk delivers {happening}"


def _deliveries(world: World, bounds: Bounds) -> Iterator[Move]:
    for number in sorted(world.pending):
        what = world.talkdesk.events[number - 1]
        yield Move(_delivery(what), partial(_deliver, number), is_turn=True)
        if bounds.allow(world, "given up"):
            yield Move(f"Talkdesk gives up {what}", partial(_give_up, number), "given up")
    if bounds.allow(world, "again"):
        for number in sorted(world.acknowledged):
            what = world.talkdesk.events[number - 1]
            yield Move(f"Talkdesk delivers {what} again", partial(_deliver, number), "again", is_turn=True)


def _acts(scene: Scene, world: World) -> Iterator[Move]:
    if world.acted < len(scene.script):
        kind, installation = scene.script[world.acted]
        if world.talkdesk.asks(kind, installation, 0) is not None:
            name = f"the trial of {installation} ends" if kind == "expire" else f"the customer: {kind} {installation}"
            yield Move(name, partial(_ask, kind, installation), asks=True)
    for act in scene.people:
        if people.may(world, act):
            yield Move(f"a person: {act}", partial(_do, act))


def _deliver(number: int, world: World) -> None:
    deliver(world, number)


def _ask(kind: str, installation: str, world: World) -> None:
    world.asks(kind, installation)


def _do(act: str, world: World) -> None:
    people.do(world, act)


def _step(at: int, cause: str, world: World) -> None:
    step_clock(world, at, cause)


def _stale(world: World) -> None:
    operate(world, stale=True)


def _give_up(number: int, world: World) -> None:
    world.pending -= {number}
    world.lost |= {number}


def _outage(world: World) -> None:
    world.now += 8 * DAY
    world.follow(world.talkdesk.expire(world.now - _DEADLINE, world.now))
    world.seen, world.timers, world.due = dict(world.ours()), {}, frozenset({Cause.STARTUP})


def _clock(scene: Scene, state: State) -> Move | None:
    """Return the step to the next time at which the operator is woken; a resync only so often."""
    spent = dict(state.spent)
    if spent.get("clock", 0) >= scene.bounds.clock:
        return None
    for at, cause in state.timers:
        if cause == Cause.RESYNC and spent.get("resync", 0) >= scene.bounds.resyncs:
            continue
        if state.pending and at > state.now + _SOON:
            return None
        return Move("time passes", partial(_step, at, cause))
    return None


def step_clock(world: World, at: int, cause: str) -> None:
    """Let the clock reach a timer."""
    world.now = max(at, world.now)
    world.follow(world.talkdesk.expire(world.now - _DEADLINE, world.now))
    due = [each for each, when in world.timers.items() if when <= world.now]
    world.due |= {Cause(each) for each in due}
    world.timers = {each: when for each, when in world.timers.items() if each not in due}
    for sort in ("clock", "resync") if cause == Cause.RESYNC else ("clock",):
        world.spend(sort)


def between(scene: Scene, world: World) -> Iterator[tuple[str, Callable[[World], None]]]:
    """Yield what others may do right before a request of somebody's, and whether the operator sees it at once."""
    acts = tuple(_acts(scene, world))
    at_once = (
        Move(f"{act.name}, which is delivered at once", partial(_with_delivery, act)) for act in acts if act.asks
    )
    for move in (*_deliveries(world, Bounds(0)), *acts, *at_once):
        for seen in (False, True):
            if seen and world.cache is None:
                continue
            name = f"({move.name}{', and the watch shows it' if seen else ''})"
            yield name, partial(_within_and_seen if seen else _within, move)


def _with_delivery(act: Move, world: World) -> None:
    act.perform(world)
    deliver(world, len(world.talkdesk.events))


def _within(move: Move, world: World) -> None:
    effect = world.effect
    world.effect = lambda _, happen: happen()
    try:
        move.perform(world)
    finally:
        world.effect = effect


def _within_and_seen(move: Move, world: World) -> None:
    before = dict(world.ours())
    _within(move, world)
    for place, raw in world.ours():
        if before.get(place) is not raw:
            world.see(place)
    for place in before:
        if world.server.at(place) is None:
            world.see(place)
