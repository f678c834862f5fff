"""Whether events can be stored at all: that is, whether the API server was reachable a moment ago.

Belongs here: the probe and how long its answer holds. Does not belong here: liveness, which is answering at all.
"""

import time
from collections.abc import Callable
from typing import Final

from talkdesk_runtime.kube_errors import KubeError
from talkdesk_webhook.apps import KubeReads
from talkdesk_webhook.lookups import Budget, Loaded, LookupFailed, Lookups

__all__ = ["Readiness"]

_ASKED_EVERY: Final = 2.0
_HOLDS_FOR: Final = 15.0
"""One lost probe, or a restart of the API server, must not take every replica out of service at once."""


class Readiness:
    """Asks the API server for its version, which every service account may."""

    def __init__(self, kube: KubeReads, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._probe: Lookups[str, bool] = Lookups(self._ask, size=1, budget=Budget(2.0, 10), clock=clock)

    async def ready(self) -> bool:
        """Return whether the API server answered within the last seconds."""
        try:
            return await self._probe.get("/version") is True
        except LookupFailed:
            return False

    async def _ask(self, path: str) -> Loaded[bool]:
        try:
            await self._kube.request("GET", path)
        except KubeError as error:
            raise LookupFailed(str(error)) from None
        return Loaded(value=True, fresh_for=_ASKED_EVERY, usable_for=_HOLDS_FOR)
