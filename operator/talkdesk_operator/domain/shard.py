"""A shard: the accounts that one holder of a Lease works on, where several share them.

Shard i of n has the slots s with s mod n = i. Who works on an account follows from its key alone. The labels of objects
only keep those of other shards away; the selectors of all shards together show every object exactly once, also one
whose label is missing or makes no sense: shard 0 takes these.

Belongs here: which account is whose, pure. Does not belong here: which process holds a shard.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from talkdesk_crds.names import LABEL_SHARD_SLOT
from talkdesk_crds.shard_slots import SLOTS, shard_slot
from talkdesk_operator.domain.account_key import AccountKey

__all__ = ["WHOLE", "Shard", "fits", "selector_of"]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` shards."""

    index: int
    count: int

    @property
    def is_whole(self) -> bool:
        """Whether it is the only one: labels don't matter then."""
        return self.count == 1

    @property
    def slots(self) -> range:
        """The slots that belong to it."""
        return range(self.index, SLOTS, self.count)

    @property
    def selector(self) -> str:
        """The label selector of its objects; empty for all."""
        return selector_of(self.slots, strays=self.index == 0)

    def owns(self, key: AccountKey) -> bool:
        """Return whether this shard works on an account; on an app's status, by the key of the app itself."""
        return self.is_whole or shard_slot(key.namespace, key.app, key.account_id) % self.count == self.index


def selector_of(slots: Collection[int], *, strays: bool) -> str:
    """Return the label selector of some slots, and with `strays` of what has no label that makes sense."""
    if not strays:
        return f"{LABEL_SHARD_SLOT} in ({_listed(slots)})"
    others = [slot for slot in range(SLOTS) if slot not in slots]
    return f"{LABEL_SHARD_SLOT} notin ({_listed(others)})" if others else ""


WHOLE: Final = Shard(0, 1)
"""All accounts."""


def fits(key: AccountKey | None, raw: Mapping[str, Any]) -> bool:
    """Return whether an object has the label of its account's slot; one whose account can't be read always fits."""
    if key is None:
        return True
    labels = raw["metadata"].get("labels") or {}
    return labels.get(LABEL_SHARD_SLOT) == str(shard_slot(key.namespace, key.app, key.account_id))


def _listed(slots: Iterable[int]) -> str:
    return ",".join(map(str, slots))
