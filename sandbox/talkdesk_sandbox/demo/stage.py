"""What a scenario needs of the place in which it is played: a local control plane (`environment`), or a kind cluster.

Belongs here: the protocols. Does not belong here: making such a place.
"""

from collections.abc import Sequence
from typing import Protocol

from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.demo.manifests import Example
from talkdesk_sandbox.demo.sync_client import SyncClient

__all__ = ["Stage", "Waits"]


class Waits(Protocol):
    """Waits for conditions in a cluster."""

    def until(self, what: str, arguments: Sequence[str], *, of: str, within: float) -> None:
        """Run `kubectl wait` with these arguments for at most `within` seconds. Raises DemoFailed."""


class Stage(Protocol):
    """A cluster with operator, webhook, an app, a simulator and a SCIM service."""

    @property
    def cluster(self) -> Cluster:
        """The cluster."""

    @property
    def waiter(self) -> Waits:
        """What waits for conditions in it."""

    @property
    def simulator(self) -> SyncClient:
        """The simulated Talkdesk."""

    @property
    def app(self) -> Example:
        """The app whose customers play."""

    @property
    def callback(self) -> str:
        """Where this machine reaches the webhook, for events of the app."""

    @property
    def scim_url(self) -> str:
        """Where the operator reaches the SCIM service."""

    def users_at_scim(self) -> int:
        """Count the users that the SCIM service has. Raises DemoFailed."""
