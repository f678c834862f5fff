"""What an informer lists and watches: some namespaces or all, and of these the objects of one shard.

Belongs here: the query of a listing or a watch. Does not belong here: whose an account is (`domain.shard`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.shard import WHOLE, Shard

__all__ = ["Selection"]

_SHARED = frozenset(kind.INFO.plural for kind in (TalkdeskInstallation, TalkdeskTenant))
"""Kinds whose objects bear the label of a slot. An app belongs to all shards."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of our kinds are shown."""

    namespaces: tuple[str, ...] = ()
    """None for the whole cluster."""
    shard: Shard = WHOLE

    @property
    def places(self) -> Sequence[str]:
        """The namespaces to ask for, one request each; an empty one for all."""
        return self.namespaces or ("",)

    def query(self, plural: str) -> Mapping[str, str]:
        """Return the members of a request's query that select the objects of a kind; none for all of them."""
        selector = self.shard.selector if plural in _SHARED else ""
        return {"labelSelector": selector} if selector else {}
