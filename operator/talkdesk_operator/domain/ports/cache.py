"""What is known of the cluster's objects of our kinds, without asking the API server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey

__all__ = ["Cache", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that this version can't understand."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: str
    """Its resourceVersion."""
    reason: str
    """Which fields are wrong, without their values."""
    key: AccountKey | None
    """The account it belongs to, where as much can be read; None for an app."""


class Cache(Protocol):
    """A view of the cluster that may lag behind it by moments, and holds our own writes at once."""

    def app(self, namespace: str, name: str) -> TalkdeskApp | None:
        """Return the app, or None when there is none that can be read."""
        ...

    def installations(self, key: AccountKey) -> Sequence[TalkdeskInstallation]:
        """Return the account's installations that can be read."""
        ...

    def tenant(self, key: AccountKey) -> TalkdeskTenant | None:
        """Return the account's tenant, or None."""
        ...

    def unreadable(self, key: AccountKey) -> Sequence[Unreadable]:
        """Return what of the account can't be read."""
        ...

    def current(self, installation: TalkdeskInstallation) -> TalkdeskInstallation | None:
        """Return the newest known version of the installation; None when it is gone."""
        ...
