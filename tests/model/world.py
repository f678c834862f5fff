"""The world while somebody's turn is on: a state that changes in place, and becomes an immutable one again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from builders.api_server import HOME, Place
from model.kube import OURS, ModelServer, Stored
from model.state import LEAD, State
from model.talkdesk_truth import Happening, Truth, moment
from talkdesk_crds.names import installation_name
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.workqueue.contract import Cause

__all__ = ["World", "place_of"]

MINUTE = 60


def place_of(installation: str) -> Place:
    """Return where a TalkdeskInstallation stands."""
    return "talkdeskinstallations", HOME, installation_name("sentiment", installation)


class World:
    """Made of a state; `state` makes the next one."""

    def __init__(self, state: State) -> None:
        self.begun = state
        self.effect: Callable[[str, Callable[[], Any]], Any] = lambda _, happen: happen()
        self.server = ModelServer(state.cluster, self._affect, self.moment)
        self.seen: dict[Place, Stored] = dict(state.seen)
        self.talkdesk, self.scim, self.hook = state.talkdesk, state.scim, state.hook
        self.pending, self.acknowledged, self.lost = state.pending, state.acknowledged, state.lost
        self.acted, self.people, self.now = state.acted, state.people, state.now
        self.edited = state.edited
        self.timers = {cause: at for at, cause in state.timers}
        self.due = state.due
        self.spent = dict(state.spent)
        self.cache: InformerCache | None = None
        """The operator's, while it has its turn."""
        self.faults: list[str] = []
        """What is wrong with what somebody did, in words."""
        self.proven: set[str] = set()
        """Credentials with which Talkdesk answered in this turn."""
        self.read: dict[str, Happening | None] = {}
        """What waited at each installation when its state was read last in this turn."""

    def state(self) -> State:
        """Return the world as it is now."""
        return State(
            cluster=self.server.cluster_now(),
            seen=dict(self.seen),
            talkdesk=self.talkdesk,
            scim=self.scim,
            hook=self.hook,
            pending=self.pending,
            acknowledged=self.acknowledged,
            lost=self.lost,
            acted=self.acted,
            people=self.people,
            edited=self.edited,
            now=self.now,
            timers=tuple(sorted((at, cause) for cause, at in self.timers.items())),
            due=self.due,
            spent=tuple(sorted(self.spent.items())),
        )

    def _affect(self, line: str, happen: Callable[[], Any]) -> Any:
        return self.effect(line, happen)

    def moment(self) -> datetime:
        """Return the time by the operator's clock."""
        return moment(self.now + LEAD)

    def spend(self, sort: str) -> None:
        """Count a disturbance."""
        self.spent[sort] = self.spent.get(sort, 0) + 1

    @property
    def disturbances(self) -> int:
        """How many disturbances there were."""
        return sum(count for sort, count in self.spent.items() if sort not in {"clock", "resync"})

    @property
    def is_behind(self) -> bool:
        """Whether the operator's cache is not up to date."""
        present = {place: raw["metadata"]["resourceVersion"] for place, raw in self.ours()}
        return present != {place: raw["metadata"]["resourceVersion"] for place, raw in self.seen.items()}

    def ours(self) -> list[tuple[Place, Stored]]:
        """Return the objects of our kinds."""
        return [(place, raw) for place, raw in self.server.cluster.objects.items() if place[0] in OURS]

    def see(self, place: Place) -> None:
        """Let the operator's watch bring what there is at a place."""
        raw, known = self.server.cluster.objects.get(place), self.seen.get(place)
        if raw is not None:
            self.seen[place] = raw
        elif known is not None:
            del self.seen[place]
        changed = None
        if self.cache is not None and raw is not None:
            changed = self.cache.observe(raw)
        elif self.cache is not None and known is not None:
            changed = self.cache.remove(known)
        if changed is not None and changed.keys:
            self.due |= {Cause.WATCH}

    def asks(self, kind: str, installation: str) -> bool:
        """Let the customer do something at Talkdesk, a minute after the last act; return whether it was offered."""
        now = max(self.now + MINUTE, self.talkdesk.earliest(kind, installation))
        changed = self.talkdesk.asks(kind, installation, now)
        if changed is None:
            return False
        self.now = now
        self.follow(changed)
        self.acted += 1
        return True

    def follow(self, truth: Truth) -> None:
        """Take what Talkdesk has become; what events it has made since are under way."""
        self.pending |= {each.number for each in truth.events[len(self.talkdesk.events) :]}
        self.talkdesk = truth

    def crashed(self, *, operator: bool) -> State:
        """Return the state after the process of the operator, or of the webhook, ended here and another one began."""
        spent = {**self.spent, "crash": self.spent.get("crash", 0) + 1}
        state = replace(self.state(), spent=tuple(sorted(spent.items())))
        if not operator:
            return state
        return replace(state, seen=dict(self.ours()), timers=(), due=frozenset({Cause.STARTUP}))
