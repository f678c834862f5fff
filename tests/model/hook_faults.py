"""What may become of a call to the partner's service, but for what the service answers by itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn

from model.hook_truth import TAKES, Doing, Instead
from model.turn import Option
from model.world import World
from talkdesk_operator.domain.ports.hooks import Answer, Reply, Unanswered

__all__ = ["CALLS", "hook_faults"]

CALLS = frozenset({"PUT-SERVICE", "DELETE-SERVICE", "POLL-SERVICE"})
"""Verbs of calls to the service."""
_NOTHING = Unanswered("no answer in time", sent=True)
_UNKNOWN = Reply(404, {})
_MADE = Reply(201, None, problem="is no JSON")


@dataclass(frozen=True, slots=True)
class _Fault:
    name: str
    answer: Answer
    has_effect: bool = False
    same: bool = False
    """Whether the operator treats it as another one that is tried anyway."""


_OF_CALLS = (
    _Fault("is lost on its way", _NOTHING),
    _Fault("has its effect, and the answer is lost", _NOTHING, has_effect=True),
    _Fault("finds nobody there", Unanswered("no connection", sent=False)),
    _Fault("gets a 409", Reply(409, {})),
    _Fault("gets a 400", Reply(400, {"description": "not so"})),
    _Fault("gets a 503", Reply(503, {})),
    _Fault("has its effect, and gets a 500", Reply(500, {}), has_effect=True),
    _Fault("has its effect, and gets a 201 that can't be read", _MADE, has_effect=True),
    _Fault("gets a 302", Reply(302, {}), same=True),
    _Fault("gets a 408", Reply(408, {}), same=True),
    _Fault("gets a 422", Reply(422, {"error": "AsyncRequired"}), same=True),
    _Fault("gets a 422 for something else at once", Reply(422, {"error": "ConcurrencyError"}), same=True),
    _Fault("gets a 429", Reply(429, {}), same=True),
)
_OF_POLLS = (
    _Fault("is lost on its way", _NOTHING),
    _Fault("gets a 404", _UNKNOWN),
    _Fault("gets a 503", Reply(503, {}), same=True),
    _Fault("gets a 200 that can't be read", Reply(200, None, problem="is no JSON"), same=True),
)


def hook_faults(world: World, line: str, *, wide: bool) -> Iterator[Option]:
    """Yield them for one call."""
    verb, what = line.split(" ", 1)
    polls, doing = verb == "POLL-SERVICE", world.hook.doing
    for each in _OF_POLLS if polls else _OF_CALLS:
        if (wide or not each.same) and not _lies(each.answer, verb, doing):
            yield Option(each.name, "fault", partial(_answer, world, each))
    if polls:
        for left in (True, False):
            name = f"is told that it failed, and {'something' if left else 'nothing'} is there"
            yield Option(name, "fault", partial(_fail, world, left=left))
    elif doing is None:
        yield Option("is answered with 202", "fault", partial(_begin, world, what))


def _lies(answer: Answer, verb: str, doing: Doing | None) -> bool:
    """Return whether no service answers so that keeps to the protocol."""
    if answer == _MADE:
        return verb == "DELETE-SERVICE" or doing is not None
    # Of a deletion a 404 says that it is done.
    return answer == _UNKNOWN and doing is not None and doing.held is None


def _answer(world: World, fault: _Fault, happen: Callable[[], Any]) -> NoReturn:
    if fault.has_effect:
        happen()
    if isinstance(fault.answer, Reply) and fault.answer.status < 300:
        world.hook = world.hook.at(world.now + TAKES)  # it is no 202
    raise Instead(fault.answer)


def _fail(world: World, happen: Callable[[], Any], *, left: bool) -> NoReturn:
    doing, before = world.hook.doing, world.hook.held
    happen()
    if doing is not None:
        world.hook = replace(world.hook, doing=None).having(doing.held if left else before)
    raise Instead(Reply(200, {"state": "failed", "description": "it did not work"}))


def _begin(world: World, key: str, happen: Callable[[], Any]) -> NoReturn:
    """Have the service do a while later what it would do at once."""
    before = world.hook.at(world.now)
    happen()
    after = world.hook
    if after.doing is None and after.held != before.held:
        doing = Doing(world.now + TAKES, key, after.held)
        world.hook = replace(after, held=before.held, used=before.used, gone=before.gone, doing=doing)
    raise Instead(Reply(202, {}))
