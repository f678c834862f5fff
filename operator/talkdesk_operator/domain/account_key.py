"""The key of the work queue: one customer's account of one app.

All installations of an account and its tenant are reconciled together, because an answer to Talkdesk names no event
and answers whatever is pending.

Belongs here: the key alone, because informer, queue, reconcilers and decisions share it.
"""

from dataclasses import dataclass
from typing import Self

__all__ = ["AccountKey"]


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """A customer's account of one app, or the app itself. The account's installations and its tenant share one key."""

    namespace: str
    app: str
    """Name of the TalkdeskApp."""
    account_id: str
    """Empty for the app itself, whose status is reconciled under a key of its own."""

    @classmethod
    def of_app(cls, namespace: str, name: str) -> Self:
        """Return the key of the app itself."""
        return cls(namespace, name, "")

    @property
    def is_app(self) -> bool:
        """Whether this is the app itself, not an account of it."""
        return not self.account_id
