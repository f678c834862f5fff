"""What can be disturbed in a life, and how: a point is one request or one event of a watch, named without chance.

Belongs here: names and their text form. Does not belong here: what is done at a point (`track`, the proxies).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from typing_extensions import override

__all__ = ["ANSWERS", "KILLS", "WATCHES", "Blow", "Disturbance", "Kind", "Point"]


class Kind(StrEnum):
    """A disturbance."""

    KILL_BEFORE = "kill-before"
    """SIGKILL before the request reaches the server."""
    KILL_AFTER = "kill-after"
    """SIGKILL after the server has answered, before the answer gets back."""
    LOST_ANSWER = "lost-answer"
    """The connection is cut after the effect."""
    CONFLICT = "409"
    CONCURRENCY = "422"
    """Of a partner's service, which says that it is at something else for the tenant."""
    BUSY = "429"
    """With Retry-After."""
    BROKEN = "500"
    UNAVAILABLE = "503"
    LATE_EVENT = "late-event"
    """An event of a watch, with all after it in its stream, comes after the next one of another stream."""
    LOST_EVENT = "lost-event"
    """An event of a watch, with all after it in its stream, never comes; later the stream ends with 410."""


KILLS: Final = frozenset({Kind.KILL_BEFORE, Kind.KILL_AFTER})
ANSWERS: Final = frozenset({Kind.CONFLICT, Kind.CONCURRENCY, Kind.BUSY, Kind.BROKEN, Kind.UNAVAILABLE})
WATCHES: Final = frozenset({Kind.LATE_EVENT, Kind.LOST_EVENT})


class Blow(StrEnum):
    """What falls on all lives of a batch at once."""

    KILL_OPERATOR = "operator"
    KILL_WEBHOOK = "webhook"
    EXPIRE = "expire"
    """All streams end with 410."""


_TEXT: Final = re.compile(r"(?P<actor>\w+) (?P<server>\w+): (?P<action>.+) #(?P<number>\d+) in (?P<step>.+)")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A request of one of the programs, or an event that is sent to it."""

    step: str
    """The step of the life in which it comes."""
    actor: str
    """`operator` or `webhook`."""
    server: str
    """`kubernetes`, `talkdesk`, `scim` or `hook`, and `watch` for an event."""
    action: str
    """Method and path, or change and object, with words in the place of what differs from life to life."""
    number: int = 1
    """Which one it is of those with the same action in that step, from 1."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no point, such as: operator kubernetes: PATCH talkdesktenants/RECORD #2 in an upgrade"
            )
        return cls(found["step"], found["actor"], found["server"], found["action"], int(found["number"]))

    @override
    def __str__(self) -> str:
        return f"{self.actor} {self.server}: {self.action} #{self.number} in {self.step}"

    @property
    def is_read(self) -> bool:
        """Return whether it changes nothing."""
        return self.action.startswith("GET ")

    @property
    def sort(self) -> tuple[str, str, str, str]:
        """What points have in common of which a sample takes one: actor, server, method and kind of object."""
        method, _, place = self.action.partition(" ")
        words = [word for word in re.split(r"[/ ?(]", place) if word and not word.isupper()]
        return self.actor, self.server, method, "/".join(words[:2])


@dataclass(frozen=True, slots=True, order=True)
class Disturbance:
    """One thing that goes wrong, once."""

    kind: Kind
    point: Point

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises ValueError."""
        kind, _, point = text.partition(" at ")
        return cls(Kind(kind), Point.parse(point))

    @property
    def blow(self) -> Blow | None:
        """Return the blow that it needs; None where it happens to each life by itself."""
        if self.kind in KILLS:
            return Blow(self.point.actor)
        return Blow.EXPIRE if self.kind is Kind.LOST_EVENT else None

    @override
    def __str__(self) -> str:
        return f"{self.kind} at {self.point}"
