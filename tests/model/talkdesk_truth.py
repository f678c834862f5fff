"""Talkdesk as an immutable value: its installations, the requests that wait, and what the customer has asked for.

In the model: an answer goes to whatever waits; nothing waiting is a 409; an uninstall that is acknowledged revokes the
credentials; an acknowledged rotation revokes the previous ones; the deadline ends what waits.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from typing_extensions import override

from builders.objects import NOON
from talkdesk_operator.domain.ports.talkdesk import Decision

__all__ = ["Happening", "Remote", "Truth", "moment"]

_AFTER = {
    ("install", Decision.APPROVE): ("completed", True),
    ("install", Decision.REJECT): ("rejected", False),
    ("update", Decision.APPROVE): ("completed", True),
    ("update", Decision.REJECT): ("completed", True),
    ("uninstall", Decision.APPROVE): ("uninstalled", False),
}
"""By the request that waits and the answer: the state's word, and whether the customer has the app then."""
_USERS = ("u1", "u2")
_ACTS = {"restaff": ("update", ("u2", "u3"))}
"""Acts of the customer that are a request with other users."""
_WORDS = {"install": "installing", "update": "updating", "uninstall": "uninstalling"}


def moment(seconds: int) -> datetime:
    """Return a moment of the model's clock."""
    return NOON + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that Talkdesk made."""

    number: int
    kind: str
    """`install`, `update`, `uninstall`, `rotate`."""
    installation: str
    at: int
    client: str = ""
    """The credentials that it brings."""
    users: tuple[str, ...] = ()
    """The users whom an update asks for, which Talkdesk lists once it is approved; none: they stay as they are."""

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
    before: tuple[str, int] | None = None
    """The state before, which a replica at Talkdesk may still show."""

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
        known, number = self.find(installation), len(self.events) + 1
        kind, users = _ACTS.get(kind, (kind, ()))
        happening = Happening(number, kind, installation, at, f"client-{number}" if kind in _BRINGS else "", users)
        changed = _CUSTOMER[kind](known, happening)
        if changed is None:
            return None
        return replace(self.put(installation, changed), events=(*self.events, happening))

    def answer(self, installation: str, decision: Decision, at: int) -> "Truth | None":
        """Return what comes of an answer; None when nothing waits for one."""
        known = self.find(installation)
        after = _AFTER.get((known.waiting.kind, decision)) if known is not None and known.waiting is not None else None
        if known is None or known.waiting is None or after is None:
            return None
        state, lives = after
        remote = replace(known.becomes(state, at), waiting=None, lives=lives)
        if decision is Decision.APPROVE and known.waiting.users:
            remote = replace(remote, users=known.waiting.users)
        if state == "uninstalled":
            remote = replace(remote, clients=(), rotating="")
        answered = (*self.answered, (known.waiting.id, decision.value))
        return replace(self.put(installation, remote), answered=answered)

    def acknowledge(self, installation: str, client: str) -> "Truth | None":
        """Return what comes of the acknowledgement of credentials; None when nothing waits for it."""
        known = self.find(installation)
        if known is None or known.rotating != client:
            return None
        return self.put(installation, replace(known, clients=(client,), rotating=""))

    def expire(self, before: int, at: int) -> "Truth":
        """Return it with the end of all requests that have waited since then; an uninstall needs no answer then."""
        truth = self
        for name, known in self.installations:
            if known.waiting is None or known.waiting.at > before:
                continue
            kind = known.waiting.kind
            state = {"install": "timeout", "update": "completed", "uninstall": "uninstalled"}[kind]
            remote = replace(known.becomes(state, at), waiting=None, lives=kind == "update")
            truth = truth.put(name, replace(remote, clients=(), rotating="") if kind == "uninstall" else remote)
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
