"""Which shards a process takes and which it asks for, so that replicas hold about the same number.

Each decides by what it sees of all Leases, and nobody decides for others:

* Who holds some waits longer before it takes another that is free: somebody with fewer comes first.
* Who holds at least two fewer than another asks that one for a shard, by an annotation of its Lease; it is given up in
  order, and kept for who asked for a while.

Belongs here: these decisions, pure. Does not belong here: looking at Leases and changing them (`lease_board`,
`shard_set`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Seen", "to_ask_for", "to_give_up", "to_take"]

_LONGEST: Final = 4
"""Who holds so many shards, or more, waits for no longer: one process alone has all of them in a few seconds."""
_RESERVED: Final = 3
"""Waits for so many retry periods more where somebody else has asked for it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A shard's Lease as it was seen last."""

    index: int
    holder: str
    """Who works on it; empty when nobody does."""
    free_for: float = 0.0
    """Seconds for which nobody has it, as far as was seen."""
    wanted_by: str = ""

    def belongs_to(self) -> str:
        """Return who will have it when what is under way is done."""
        return self.wanted_by or self.holder


def to_take(me: str, leases: Sequence[Seen], period: float) -> list[int]:
    """Return the shards to take now, of those that are free, in that order; `period` is that of looks, in seconds."""
    held = sum(lease.holder == me for lease in leases)
    taken: list[int] = []
    for lease in leases:
        if not lease.holder and lease.free_for >= _patience(me, lease, held + len(taken)) * period:
            taken.append(lease.index)
    return taken


def _patience(me: str, lease: Seen, held: int) -> int:
    if lease.wanted_by == me:
        return 0
    return min(held, _LONGEST) + (_RESERVED if lease.wanted_by else 0)


def to_ask_for(me: str, leases: Sequence[Seen]) -> int | None:
    """Return the shard to ask its holder for, if any; the first is left where it is."""
    under_way = any(not lease.holder or (lease.wanted_by == me and lease.holder != me) for lease in leases)
    if under_way:
        return None
    counts = Counter(lease.belongs_to() for lease in leases)
    most = max(counts.values())
    if most < counts[me] + 2:
        return None
    offers = [lease.index for lease in leases if counts[lease.holder] == most and not lease.wanted_by and lease.index]
    return max(offers, default=None)


def to_give_up(me: str, leases: Sequence[Seen]) -> int | None:
    """Return the shard to give up because somebody asked for it, if any; one at a time."""
    asked = [lease.index for lease in leases if lease.holder == me and lease.wanted_by not in ("", me)]
    return asked[0] if asked else None
