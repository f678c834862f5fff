"""What a reconcile needs of deliveries.

Belongs here: the protocol, and how it is where nobody is told anything. Does not belong here: sending (`courier`).
"""

from collections.abc import Mapping
from typing import Protocol

from typing_extensions import override

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.domain.notifications.outbox import Deliveries
from talkdesk_operator.reconcilers.account_turns import AccountTurns

__all__ = ["NoNotifier", "Notifier"]


class Notifier(Protocol):
    """Deliveries in the background. Nothing here waits, and nothing is raised."""

    turns: AccountTurns
    """What came of deliveries is recorded when no reconcile of the account is under way."""

    def offer(self, installation: TalkdeskInstallation) -> None:
        """Take what an installation's status says is to be told; the same again changes nothing."""
        ...

    def follow(self, app: TalkdeskApp) -> None:
        """Take an app's endpoints as they are now: those that were edited are tried at once."""
        ...

    def deliveries(self, installation: TalkdeskInstallation) -> Mapping[str, Deliveries]:
        """Return what came of deliveries and is not in the status yet, by names of endpoints."""
        ...

    def recorded(self, installation: TalkdeskInstallation, deliveries: Mapping[str, Deliveries]) -> None:
        """Forget these: they are in the status."""
        ...


class NoNotifier(Notifier):
    """Tells nobody anything."""

    def __init__(self) -> None:
        self.turns = AccountTurns()

    @override
    def offer(self, installation: TalkdeskInstallation) -> None:
        pass

    @override
    def follow(self, app: TalkdeskApp) -> None:
        pass

    @override
    def deliveries(self, installation: TalkdeskInstallation) -> Mapping[str, Deliveries]:
        return {}

    @override
    def recorded(self, installation: TalkdeskInstallation, deliveries: Mapping[str, Deliveries]) -> None:
        pass
