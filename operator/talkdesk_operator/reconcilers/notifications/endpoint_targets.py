"""How endpoints are called, remembered for some seconds: many installations tell the same one at the same time.

Belongs here: this memory. Does not belong here: reading Secrets and judging them (`hooks.targets`).
"""

from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_notifications import NotificationEndpoint
from talkdesk_operator.domain.ports.hooks import HookTarget
from talkdesk_operator.domain.reconcile.failure import Failure
from talkdesk_operator.reconcilers.hooks.targets import ReadSecret, target_of
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lru import LruMap

__all__ = ["EndpointTargets"]

_VALID: Final = 10.0
"""Seconds. A key that was replaced is used for so long afterwards, and one that was missing is not seen."""
_MOST: Final = 256


class EndpointTargets:
    """Reads Secrets in the app's namespace."""

    def __init__(self, read_secret: ReadSecret, clock: Clock) -> None:
        """Take `Cluster.read_secret`."""
        self._read_secret = read_secret
        self._clock = clock
        self._known: LruMap[tuple[str, NotificationEndpoint], tuple[float, HookTarget | Failure]] = LruMap(_MOST)

    async def of(self, app: TalkdeskApp, endpoint: NotificationEndpoint) -> HookTarget | Failure:
        """Return how the endpoint is called; a Failure says what is missing. Raises KubeError."""
        key, now = (app.metadata.uid, endpoint), self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        namespace, name = app.metadata.namespace, f"{app.metadata.namespace}/{app.metadata.name}/{endpoint.name}"
        found = await target_of(self._read_secret, namespace, name, endpoint, endpoint.url, {})
        self._known.put(key, (now + _VALID, found))
        return found
