"""The port to the informer cache: our kinds' objects, without a request to the API server.

Belongs here: questions about the cached objects. Does not belong here: watching, and parsing what was watched
(`informer`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey

__all__ = ["Cache", "Mislabeled", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that this version of the operator cannot parse."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: str
    """Its resourceVersion."""
    reason: str
    """Which fields are wrong, without their values."""
    key: AccountKey | None
    """The account that it belongs to, where that can be read; None for an app."""
    reported: str = ""
    """The message of its condition Ready, where that has the reason InvalidSpec."""


@dataclass(frozen=True, slots=True)
class Mislabeled:
    """An object that does not bear the label of its account's slot."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: str
    """Its resourceVersion."""


class Cache(Protocol):
    """A view of the cluster. It may be slightly stale, but it always contains the operator's own writes."""

    def app(self, namespace: str, name: str) -> TalkdeskApp | None:
        """Return the app; None when there is none, or none that can be read."""
        ...

    def apps(self) -> Iterable[TalkdeskApp]:
        """Yield every app that can be read."""
        ...

    def keys_of_app(self, namespace: str, name: str) -> Sequence[AccountKey]:
        """Return the accounts of an app, whether or not the app itself exists."""
        ...

    def installations(self, key: AccountKey) -> Sequence[TalkdeskInstallation]:
        """Return the account's installations that can be read."""
        ...

    def tenant(self, key: AccountKey) -> TalkdeskTenant | None:
        """Return the account's tenant; None when there is none, or none that can be read."""
        ...

    def unreadable(self, key: AccountKey) -> Sequence[Unreadable]:
        """Return the account's objects that cannot be read."""
        ...

    def mislabeled(self, key: AccountKey) -> Sequence[Mislabeled]:
        """Return the account's objects whose label of the slot is missing or wrong, whether or not they can be read."""
        ...

    def current(self, installation: TalkdeskInstallation) -> TalkdeskInstallation | None:
        """Return the newest known version of the installation; None when it is gone."""
        ...
