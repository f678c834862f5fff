"""The unit of work: everything about one customer's account of one app is reconciled together."""

from dataclasses import dataclass
from typing import Self

__all__ = ["AccountKey"]


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """The unit of work: a customer's account of one app. Its installations and its tenant share it."""

    namespace: str
    app: str
    """Name of the TalkdeskApp."""
    account_id: str
    """Empty for the app itself, whose status is a piece of work like any other."""

    @classmethod
    def of_app(cls, namespace: str, name: str) -> Self:
        """Return the key of the app itself."""
        return cls(namespace, name, "")

    @property
    def is_app(self) -> bool:
        """Whether this is the app itself, not an account of it."""
        return not self.account_id
