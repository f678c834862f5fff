"""Whether events can be taken and stored: the port for them is open, and the API server was reachable a moment ago.

Belongs here: the probe and how long its result holds. Does not belong here: liveness, which needs no other process.
"""

from collections.abc import Callable
from typing import Final

from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.lookup_cache import Loaded, LookupCache, LookupFailed, TokenBucket
from talkdesk_webhook.apps import KubeReader

__all__ = ["Readiness"]

_PROBE_INTERVAL: Final = 2.0
_HOLDS_FOR: Final = 15.0
"""One lost probe, or a restart of the API server, must not take every replica out of service at once."""


class Readiness:
    """Asks the API server for its version, which every service account may."""

    def __init__(
        self, kube: KubeReader, accepting: Callable[[], str | None] = lambda: None, *, clock: Clock | None = None
    ) -> None:
        """Take what says why the port for events takes none, or None: the port of the probes can't show it."""
        self._kube = kube
        self._accepting = accepting
        self._probe: LookupCache[str, bool] = LookupCache(
            self._ask, size=1, budget=TokenBucket(2.0, 10), clock=clock or Clock.system()
        )

    async def not_ready(self) -> str | None:
        """Return why no event should be sent here, or None."""
        if (obstacle := self._accepting()) is not None:
            return obstacle
        try:
            await self._probe.get("/version")
        except LookupFailed:
            return "the API server can't be reached"
        return None

    async def _ask(self, path: str) -> Loaded[bool]:
        try:
            await self._kube.request("GET", path)
        except KubeError as error:
            raise LookupFailed(str(error)) from None
        return Loaded(value=True, fresh_for=_PROBE_INTERVAL, usable_for=_HOLDS_FOR)
