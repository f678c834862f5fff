"""Talkdesk as an immutable value: its installations, the requests that wait, and what the customer has asked for.

In the model: an answer goes to whatever waits; nothing waiting is a 409; an uninstall that is acknowledged revokes the
credentials; an acknowledged rotation revokes the previous ones; the deadline ends what waits. A trial begins with the
approval of its install, and ends by its time, by an upgrade or by an uninstall; each is an event.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from typing_extensions import override

from builders.objects import NOON
from talkdesk_operator.domain.ports.talkdesk import Decision

__all__ = ["Happening", "Remote", "Trial", "Truth", "moment"]

_AFTER = {
    ("install", Decision.APPROVE): ("completed", True),
    ("install", Decision.REJECT): ("rejected", False),
    ("update", Decision.APPROVE): ("completed", True),
    ("update", Decision.REJECT): ("completed", True),
    ("uninstall", Decision.APPROVE): ("uninstalled", False),
}
"""By the request that waits and the answer: the state's word, and whether the customer has the app then."""
_USERS = ("u1", "u2")
_ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "restaff": ("update", {"users": ("u2", "u3")}),
    "try": ("install", {"plan": "trial"}),
    "upgrade": ("update", {"plan": "paid"}),
}
"""Acts of the customer that are a request for something more."""
_TRIAL = 3600
_WORDS = {"install": "installing", "update": "updating", "uninstall": "uninstalling"}


def moment(seconds: int) -> datetime:
    """Return a moment of the model's clock."""
    return NOON + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial of one installation."""

    began: int
    until: int
    ended: int = -1
    """When it ended; -1 while it runs."""
    reason: str = ""

    @property
    def suspends(self) -> bool:
        """Whether it ended in a way that takes something from the customer."""
        return self.ended >= 0 and self.reason == "trial_expired"


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that Talkdesk made."""

    number: int
    kind: str
    """`install`, `update`, `uninstall`, `rotate`, `trial-started`, `trial-ended`."""
    installation: str
    at: int
    client: str = ""
    """The credentials that it brings."""
    users: tuple[str, ...] = ()
    """The users whom an update asks for, which Talkdesk lists once it is approved; none: they stay as they are."""
    plan: str = ""
    """What is asked for: `trial`, `paid`, or nothing else than before."""
    trial: Trial | None = None
    """What the event tells of a trial."""

    @property
    def id(self) -> str:
        """The event's id."""
        return f"event-{self.number}"

    @override
    def __str__(self) -> str:
        return f"the {self.kind} of {self.installation} (event {self.number})"


@dataclass(frozen=True, slots=True)
class Remote:
    """One installation at Talkdesk."""

    state: str
    since: int
    waiting: Happening | None = None
    """The request that waits for an answer."""
    lives: bool = True
    """Whether the customer wants the app: asked for it, and for no uninstall since."""
    clients: tuple[str, ...] = ()
    """The credentials that are good."""
    rotating: str = ""
    """The credentials whose acknowledgement is waited for."""
    users: tuple[str, ...] = _USERS
    """Whom Talkdesk lists."""
    plan: str = "paid"
    trial: Trial | None = None
    before: tuple[str, int] | None = None
    """The state before, which a replica at Talkdesk may still show."""

    @property
    def is_unpaid(self) -> bool:
        """Whether the trial is over and the customer does not pay."""
        return self.trial is not None and self.trial.suspends and self.plan != "paid"

    def becomes(self, state: str, at: int) -> "Remote":
        """Return it in another state."""
        return replace(self, state=state, since=at, before=(self.state, self.since))


@dataclass(frozen=True, slots=True)
class Truth:
    """All of Talkdesk."""

    installations: tuple[tuple[str, Remote], ...] = ()
    events: tuple[Happening, ...] = ()
    answered: tuple[tuple[str, str], ...] = ()
    """The ids of events that were answered, with the answer."""
    mistaken: tuple[str, ...] = ()
    """The ids of events that were answered by a call that was meant for another one."""

    def find(self, installation: str) -> Remote | None:
        """Return an installation."""
        return dict(self.installations).get(installation)

    def put(self, installation: str, remote: Remote) -> "Truth":
        """Return it with another state of an installation."""
        return replace(self, installations=tuple(sorted({**dict(self.installations), installation: remote}.items())))

    def asks(self, kind: str, installation: str, at: int) -> "Truth | None":
        """Return what comes of an act of the customer's; None where Talkdesk does not offer it now."""
        known = self.find(installation)
        running = known is not None and known.trial is not None and known.trial.ended < 0
        if kind == "expire":
            return self._end_trial(installation, "trial_expired", at) if running else None
        kind, more = _ACTS.get(kind, (kind, {}))
        truth = self._end_trial(installation, "app_uninstalled", at) if kind == "uninstall" and running else self
        known, number = truth.find(installation), len(truth.events) + 1
        happening = Happening(number, kind, installation, at, f"client-{number}" if kind in _BRINGS else "", **more)
        changed = _CUSTOMER[kind](known, happening)
        if changed is None:
            return None
        return replace(truth.put(installation, changed), events=(*truth.events, happening))

    def earliest(self, kind: str, installation: str) -> int:
        """Return when something can happen at the earliest: a trial ends at its time."""
        known = self.find(installation)
        return known.trial.until if kind == "expire" and known is not None and known.trial is not None else 0

    def _with_trial(self, kind: str, installation: str, trial: Trial, at: int) -> "Truth":
        """Return it with the event of a change of a trial."""
        known = dict(self.installations)[installation]
        happening = Happening(len(self.events) + 1, kind, installation, at, trial=trial)
        return replace(self.put(installation, replace(known, trial=trial)), events=(*self.events, happening))

    def _end_trial(self, installation: str, reason: str, at: int) -> "Truth":
        trial = dict(self.installations)[installation].trial
        assert trial is not None
        return self._with_trial("trial-ended", installation, replace(trial, ended=at, reason=reason), at)

    def answer(self, installation: str, decision: Decision, at: int) -> "Truth | None":
        """Return what comes of an answer; None when nothing waits for one."""
        known = self.find(installation)
        after = _AFTER.get((known.waiting.kind, decision)) if known is not None and known.waiting is not None else None
        if known is None or known.waiting is None or after is None:
            return None
        state, lives = after
        remote = replace(known.becomes(state, at), waiting=None, lives=lives)
        if decision is Decision.APPROVE:
            remote = replace(remote, users=known.waiting.users or remote.users, plan=known.waiting.plan or remote.plan)
        if state == "uninstalled":
            remote = replace(remote, clients=(), rotating="")
        answered = (*self.answered, (known.waiting.id, decision.value))
        truth = replace(self.put(installation, remote), answered=answered)
        if state == "completed" and remote.trial is None and remote.plan == "trial":
            return truth._with_trial("trial-started", installation, Trial(at, at + _TRIAL), at)
        if remote.trial is not None and remote.trial.ended < 0 and remote.plan == "paid":
            return truth._end_trial(installation, "plan_upgraded", at)
        return truth

    def acknowledge(self, installation: str, client: str) -> "Truth | None":
        """Return what comes of the acknowledgement of credentials; None when nothing waits for it."""
        known = self.find(installation)
        if known is None or known.rotating != client:
            return None
        return self.put(installation, replace(known, clients=(client,), rotating=""))

    def expire(self, before: int, at: int) -> "Truth":
        """Return it with the end of all requests that have waited since then, and of trials whose time is over.

        An uninstall needs no answer then.
        """
        truth = self
        for name, known in self.installations:
            if known.waiting is None or known.waiting.at > before:
                continue
            kind = known.waiting.kind
            state = {"install": "timeout", "update": "completed", "uninstall": "uninstalled"}[kind]
            remote = replace(known.becomes(state, at), waiting=None, lives=kind == "update")
            truth = truth.put(name, replace(remote, clients=(), rotating="") if kind == "uninstall" else remote)
        for name, known in truth.installations:
            if known.trial is not None and known.trial.ended < 0 and known.trial.until <= at:
                truth = truth._end_trial(name, "trial_expired", known.trial.until)
        return truth


_BRINGS = frozenset({"install", "rotate"})


def _installs(known: Remote | None, happening: Happening) -> Remote | None:
    """Return a new installation; it may be under the id of one that has ended."""
    if known is not None and (known.lives or known.waiting is not None):
        return None
    before = (known.state, known.since) if known is not None else None
    return Remote("installing", happening.at, happening, clients=(happening.client,), before=before)


def _updates(known: Remote | None, happening: Happening) -> Remote | None:
    if known is None or known.waiting is not None or known.state != "completed":
        return None
    return replace(known.becomes("updating", happening.at), waiting=happening)


def _uninstalls(known: Remote | None, happening: Happening) -> Remote | None:
    if known is None or not known.lives:
        return None
    return replace(known.becomes("uninstalling", happening.at), waiting=happening, lives=False)


def _rotates(known: Remote | None, happening: Happening) -> Remote | None:
    if known is None or not known.lives:
        return None
    return replace(known, clients=(*known.clients, happening.client), rotating=happening.client)


_CUSTOMER = {"install": _installs, "update": _updates, "uninstall": _uninstalls, "rotate": _rotates}
