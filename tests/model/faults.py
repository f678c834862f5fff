"""What may go wrong with a request, and who may act right before it: the choices at each point of a turn.

A fault of Talkdesk's API or the API server is an error as the adapters raise it. Where an answer is lost, the request
had its effect, or it had none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from model.actors import operate_beside
from model.hook_faults import CALLS, hook_faults
from model.talkdesk_port import remote_of
from model.turn import Option, Turn, is_write
from model.world import World
from talkdesk_operator.domain.ports import scim_errors as scim
from talkdesk_operator.domain.ports import talkdesk
from talkdesk_runtime import kube_errors as kube

__all__ = ["Bounds", "options"]

Happen = Callable[[], Any]
Between = Callable[[World], Iterator[tuple[str, Callable[[World], None]]]]
"""Yields what others may do right before a request, by its name."""

_ON_ITS_WAY = "is lost on its way"
_CLUSTER: dict[str, Exception] = {
    _ON_ITS_WAY: kube.KubeUnreachable("no response", broken=True),
    "gets a 403": kube.KubeForbidden("no right"),
    "gets a 404 that names nothing": kube.KubeNotFound("the path leads nowhere"),
    "gets a 409": kube.KubeConflict("somebody else wrote"),
    "gets a 503": kube.KubeOverloaded("overloaded"),
    "gets a 401": kube.KubeUnauthorized("who are you"),
    "gets a 429": kube.KubeOverloaded("too many requests"),
    "gets a 500": kube.KubeOverloaded("internal error"),
}
_TALKDESK: dict[str, Exception] = {
    _ON_ITS_WAY: talkdesk.TalkdeskUnavailable("no response"),
    "gets a 401": talkdesk.TalkdeskUnauthorized("401"),
    "gets a 403": talkdesk.TalkdeskForbidden("403"),
    "gets a 404": talkdesk.TalkdeskNotFound("404"),
    "gets a 409": talkdesk.TalkdeskConflict("409"),
    "gets a 429": talkdesk.TalkdeskRateLimited("429"),
    "gets a 503": talkdesk.TalkdeskUnavailable("503"),
}
_SCIM: dict[str, Exception] = {
    _ON_ITS_WAY: scim.ScimUnavailable("no response"),
    "gets a 400": scim.ScimRefused("400"),
    "gets a 401": scim.ScimUnauthorized("401"),
    "gets a 403": scim.ScimForbidden("403"),
    "gets a 404": scim.ScimNotFound("404"),
    "gets a 409": scim.ScimTaken("409"),
    "gets a 429": scim.ScimRateLimited("429"),
    "gets a 503": scim.ScimUnavailable("503"),
    "finds nobody there": scim.ScimUnreachable("no connection"),
}
_LOST = "has its effect, and the answer is lost"
_FACTS = frozenset({"account", "subscription"})
"""They are read beside the installation, and whatever fails there counts as that."""
_NO_CONFLICT = frozenset({"GET", "LIST", "ASK", "DRY-RUN", "ACKNOWLEDGE", "DEACTIVATE-USER"})
"""Reads conflict with nothing; and a 409 to an acknowledgement says that it was made, which no fault can say."""


@dataclass(frozen=True, slots=True)
class _Server:
    """Whose answers can be what."""

    errors: Mapping[str, Exception]
    same: frozenset[str]
    """Errors that the operator treats as another one that is tried anyway."""
    lost: Exception
    """What it means that the answer to a write is lost."""


_CLUSTERS = _Server(_CLUSTER, frozenset({"gets a 401", "gets a 429", "gets a 500"}), _CLUSTER[_ON_ITS_WAY])
_TALKDESKS = _Server(
    _TALKDESK, frozenset({"gets a 429", "gets a 503"}), talkdesk.TalkdeskOutcomeUnknown("the connection broke")
)
_SCIMS = _Server(_SCIM, frozenset({"gets a 403", "gets a 404", "gets a 503", "finds nobody there"}), _SCIM[_ON_ITS_WAY])
_SERVERS = dict.fromkeys(("ASK", "ANSWER", "ACKNOWLEDGE"), _TALKDESKS) | dict.fromkeys(
    ("PUT-USER", "DEACTIVATE-USER"), _SCIMS
)
"""By the verb; the API server for all others."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may happen in one run of the world."""

    total: int = 1
    """Disturbances of all sorts together."""
    each: dict[str, int] = field(default_factory=dict)
    """By sort; 0 for a sort that is not here."""
    clock: int = 2
    """How often the clock reaches a timer, beside the way to rest."""
    resyncs: int = 1
    """How often it is time for a resync, beside those at the end."""
    wide: bool = False
    """Whether all errors are tried, also those that mean the same to the operator."""
    at: tuple[str, ...] = ()
    """The requests that may fail, by a part of their line; none: all of them."""

    def allow(self, world: World, sort: str) -> bool:
        """Return whether there may be one more of a sort."""
        return world.disturbances < self.total and world.spent.get(sort, 0) < self.each.get(sort, 0)


def options(bounds: Bounds, between: Between, turn: Turn, line: str) -> Sequence[Option]:
    """Return what may happen at a request but for its success."""
    found: list[Option] = []
    if bounds.allow(turn.world, "fault") and (not bounds.at or any(part in line for part in bounds.at)):
        found += _faults(turn.world, line, wide=bounds.wide)
    if bounds.allow(turn.world, "between"):
        found += [_before(turn.world, name, act, "between") for name, act in between(turn.world)]
    if bounds.allow(turn.world, "leader") and turn.world.cache is not None:
        found.append(_before(turn.world, "(another leader reconciles)", operate_beside, "leader"))
    return found


def _faults(world: World, line: str, *, wide: bool) -> Iterator[Option]:
    verb, what = line.split(" ", 1)
    if verb in CALLS:
        yield from hook_faults(world, line, wide=wide)
        return
    server = _SERVERS.get(verb, _CLUSTERS)
    for name, error in server.errors.items():
        if ((name in server.same or what in _FACTS) and not wide and name != _ON_ITS_WAY) or (
            name == "gets a 409" and verb in _NO_CONFLICT
        ):
            continue
        lost = is_write(line) and name == _ON_ITS_WAY
        yield Option(name, "fault", partial(_raise, server.lost if lost else error))
    if is_write(line):
        yield Option(_LOST, "fault", partial(_lost, server.lost))
    if verb == "ASK" and what.startswith("installation "):
        yield from _lag(world, what.removeprefix("installation "))


def _lag(world: World, installation: str) -> Iterator[Option]:
    """Yield an answer of a replica at Talkdesk that shows the state before."""
    remote = world.talkdesk.find(installation)
    if remote is None or remote.before is None:
        return
    old = remote_of(installation, *remote.before)

    def lag(happen: Happen) -> Any:
        happen()
        world.read[installation] = None
        return old

    yield Option(f"is answered by a replica that still shows {old.state}", "fault", lag)


def _before(world: World, name: str, act: Callable[[World], None], sort: str) -> Option:
    def happen(then: Happen) -> Any:
        act(world)
        return then()

    return Option(f"right before it {name}", sort, happen)


def _raise(error: Exception, _: Happen) -> NoReturn:
    raise error.with_traceback(None)


def _lost(error: Exception, happen: Happen) -> NoReturn:
    with suppress(kube.KubeError, talkdesk.TalkdeskError, scim.ScimError):  # the answer that is lost may be a refusal
        happen()
    raise error.with_traceback(None)
