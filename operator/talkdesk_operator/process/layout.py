"""How many shards there are, where replicas may disagree about it, and whether the holder of a shard's Lease may act.

The first shard's Lease has the plain name in every layout, and says which layout counts: so of two, one counts. Nobody
acts on a shard of another one, and for a while nobody acts at all:

    layout M ──▶ the first Lease is taken: layout N, former M ──▶ nobody of M can be at work any more ──▶ layout N
                 (who sees it gives M's shards up)                (then nobody is left who acts by M)

* Whoever holds another shard than the first acts for `renew_deadline` after it sent the request whose answer said that
  its layout counts and has no former one. So when the first Lease has said something else for `lease_duration`, nobody
  of the former layout acts any more, whether or not they have seen it. That needs no right to look at their Leases.
* Where these can be looked at and nobody holds any, that is waited for no longer: a Lease is given back when the last
  request was sent, and who takes one asks for the layout after that.
* A change that was not brought to its end stands in the Lease, so whoever takes it next waits anew.

Belongs here: what the Leases say, and what follows from it for one holder. Does not belong here: asking for a Lease
(`leader_election`), which process takes which (`spread`, `shard_set`).
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Protocol, Self

from talkdesk_crds.names import ANNOTATION_FORMER_SHARDS, ANNOTATION_SHARDS
from talkdesk_crds.shard_slots import SLOTS
from talkdesk_operator.domain.shard import Shard
from talkdesk_runtime.clock import Clock

__all__ = ["FirstShard", "Ground", "Layout", "OtherShard", "Verdict", "lease_name", "shard_of"]

NEVER: Final = float("-inf")
ALWAYS: Final = float("inf")
_SUFFIX: Final = re.compile(r"-(\d{1,2})-of-(\d{1,2})")
_COUNT: Final = re.compile(r"[0-9]{1,4}")
"""Anybody who may write Leases may have written anything: Python reads no number of thousands of digits."""
_LONGEST_FORMER: Final = 200
"""What is more is cut off: it is written again, with more, and an object has room for so much only."""


def lease_name(plain: str, shard: Shard) -> str:
    """Return the name of a shard's Lease; that of the first is the plain one."""
    return plain if shard.index == 0 else f"{plain}-{shard.index}-of-{shard.count}"


def shard_of(plain: str, name: str) -> Shard | None:
    """Return the further shard whose Lease has that name, in whatever layout; None for the first, and for others'."""
    found = _SUFFIX.fullmatch(name.removeprefix(plain)) if name.startswith(plain) else None
    if found is None:
        return None
    shard = Shard(int(found[1]), int(found[2]))
    return shard if 0 < shard.index < shard.count <= SLOTS and lease_name(plain, shard) == name else None


@dataclass(frozen=True, slots=True)
class Layout:
    """What the first shard's Lease says."""

    count: int
    """How many shards there are; 0 where nobody can say."""
    former: str = ""
    """Whose shards may still be worked on by another layout, in words; empty for nobody's."""

    @classmethod
    def in_lease(cls, lease: Mapping[str, Any] | None) -> Self:
        """Read it; a Lease without a word is one of a time without shards, or of one shard."""
        if lease is None:
            return cls(0)
        annotations = lease["metadata"].get("annotations") or {}
        count = str(annotations.get(ANNOTATION_SHARDS) or 1)
        former = str(annotations.get(ANNOTATION_FORMER_SHARDS) or "")
        return cls(int(count) if _COUNT.fullmatch(count) else 0, former[:_LONGEST_FORMER])

    def lets_act(self, count: int) -> bool:
        """Return whether shards of that layout are worked on."""
        return self.count == count and not self.former


class Verdict(Enum):
    """What follows when a Lease was taken or renewed."""

    ACT = auto()
    """It may be worked on, for as long as `confirmed` says."""
    WAIT = auto()
    """The Lease is kept, but nothing is done yet."""
    WRITE = auto()
    """Something is to be written in it, at once."""
    GIVE_BACK = auto()
    """It must not be worked on."""


class Ground(Protocol):
    """On what the holder of a Lease acts, beside holding it. One for each holding."""

    def begin(self, lease: Mapping[str, Any] | None) -> bool:
        """Take the Lease as it was before it is taken; return whether what its last holder noted counts."""
        ...

    def annotations(self) -> Mapping[str, str | None]:
        """Return what is to be written in the Lease; None for what must not be there."""
        ...

    async def written(self) -> Verdict:
        """Judge after the Lease was taken or renewed."""
        ...

    def confirmed(self) -> float:
        """Return the moment for which it is known that the layout counts, by the clock of the election."""
        ...


class FirstShard:
    """The first shard's: its Lease itself says the layout."""

    def __init__(
        self, count: int, *, wait: float, clock: Clock, nobody_else: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """Wait so many seconds for holders of another layout, or until `nobody_else` sees that there are none."""
        self._count = count
        self._wait = wait
        self._clock = clock
        self._nobody_else = nobody_else
        self._former = ""
        self._since: float | None = None
        self._is_settled = False

    def begin(self, lease: Mapping[str, Any] | None) -> bool:
        """Keep in mind which other layout may be at work."""
        layout = Layout.in_lease(lease)
        self._former, self._since, self._is_settled = "", None, False
        # Without a Lease there is none to be known of; who can look at the others does so.
        if not layout.lets_act(self._count) and (lease is not None or self._nobody_else is not None):
            self._former = ",".join(dict.fromkeys([*filter(None, layout.former.split(",")), str(layout.count)]))
        # The last holder knew its own shard.
        return not self._former

    def annotations(self) -> Mapping[str, str | None]:
        """Say the layout, and what may be left of the former one."""
        count = None if self._count == 1 else str(self._count)
        return {ANNOTATION_SHARDS: count, ANNOTATION_FORMER_SHARDS: self._former or None}

    async def written(self) -> Verdict:
        """Act once the Lease says that there is no former layout."""
        if not self._former:
            self._is_settled = True
            return Verdict.ACT
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since < self._wait and not (self._nobody_else is not None and await self._nobody_else()):
            return Verdict.WAIT
        self._former = ""
        return Verdict.WRITE

    def confirmed(self) -> float:
        """Return always, once it is so: nobody else can change it while the Lease is held."""
        return ALWAYS if self._is_settled else NEVER


class OtherShard:
    """Any other's: the layout is asked for after the Lease was taken, and again and again."""

    def __init__(self, *, look: Callable[[], Awaitable[bool]], confirmed: Callable[[], float]) -> None:
        """Take what asks for the layout, and when one of these was sent last whose answer was that ours counts.

        The former returns whether there was an answer.
        """
        self._look = look
        self._confirmed = confirmed
        self._looked = False

    def begin(self, lease: Mapping[str, Any] | None) -> bool:  # noqa: ARG002 - it says nothing of the layout
        """Ask for the layout anew; only the same layout has a Lease of that name."""
        self._looked = False
        return True

    def annotations(self) -> Mapping[str, str | None]:
        """Say nothing."""
        return {}

    async def written(self) -> Verdict:
        """Ask for the layout once the Lease is taken. While it is held, whoever has it asks.

        An answer from before counts for nothing: since then, another layout may have seen that nobody holds this Lease.
        """
        if not self._looked:
            if not await self._look():
                return Verdict.GIVE_BACK
            self._looked = True
        return Verdict.GIVE_BACK if self._confirmed() == NEVER else Verdict.ACT

    def confirmed(self) -> float:
        """Return when the request was sent that showed it last."""
        return self._confirmed()
