"""The way to one endpoint for one installation: what was delivered, and when it is tried again.

Belongs here: the memory of one lane. Does not belong here: sending (`courier`).
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from talkdesk_crds.app_notifications import NotificationEndpoint
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.domain.notifications.outbox import Deliveries, DeliveryFailure

__all__ = ["Lane", "LaneKey"]


class LaneKey(NamedTuple):
    """Names a lane."""

    namespace: str
    installation: str
    """Name of the TalkdeskInstallation."""
    endpoint: str


@dataclass
class Lane:
    """One lane. All of it is lost with the process: what was delivered and not recorded is delivered again."""

    key: LaneKey
    installation: TalkdeskInstallation
    endpoint: NotificationEndpoint
    delivered: set[str] = field(default_factory=set)
    """Ids that are not recorded as delivered yet."""
    failure: DeliveryFailure | None = None
    """Why the last attempt failed, as long as that is not recorded."""
    hurried: bool = False
    """Whether the next attempt is made whatever the status says."""
    task: asyncio.Task[None] | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def made(self) -> Deliveries | None:
        """What is to be recorded; None where nothing is."""
        if not self.delivered and self.failure is None:
            return None
        return Deliveries(frozenset(self.delivered), self.failure)

    def forget(self, recorded: Deliveries) -> None:
        """Forget what is recorded."""
        self.delivered -= recorded.delivered
        if self.failure is recorded.failure:
            self.failure = None

    def take(self, endpoint: NotificationEndpoint) -> None:
        """Take the endpoint as it is now: one that was edited is tried at once."""
        if endpoint != self.endpoint:
            self.endpoint = endpoint
            self.hurry()

    def hurry(self) -> None:
        """Have the next attempt made now."""
        self.hurried = True
        self._woken.set()

    async def sleep(self, time: timedelta) -> None:
        """Wait for so long, or until somebody is in a hurry."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(time.total_seconds(), 0.0)):
                await self._woken.wait()
        self._woken.clear()
