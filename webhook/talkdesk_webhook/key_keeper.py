"""Keys that are there before events come.

Those that signed events of an app lately are fetched when the app appears, and again before they are too old. Which
these are is in each app's status (`events.signingKeys`), so a new process knows them, and so do the other
replicas when one of them has met a new key.

Belongs here: when keys are fetched ahead. Does not belong here: fetching (signing_keys), the status (event_reports).
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from talkdesk_runtime.clock import Clock
from talkdesk_webhook.known_app import KnownApp
from talkdesk_webhook.signing_keys import SigningKeys

__all__ = ["KeyKeeper"]

_LONGEST: Final = 30.0
"""Seconds between two rounds; a tenth of the time for which a key is used, if that is less."""
_PAUSE: Final = 1.0
"""Seconds between two rounds, however often apps change."""
_log = structlog.stdlib.get_logger(__name__)


class KeyKeeper:
    """Has keys fetched ahead."""

    def __init__(
        self,
        keys: SigningKeys,
        apps: Callable[[], Iterable[KnownApp]],
        changed: asyncio.Event,
        refresh_interval: timedelta,
        *,
        clock: Clock | None = None,
    ) -> None:
        """Take the apps that there are, and what is set when that changes."""
        self._keys = keys
        self._apps = apps
        self._changed = changed
        self._every = min(_LONGEST, refresh_interval.total_seconds() / 10)
        self._clock = clock or Clock.system()

    async def run(self) -> None:
        """Fetch now, after each change and now and then, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - the others would never be fetched again
                _log.error("signing_keys.not_fetched_ahead", kind=type(error).__name__)
            await self._clock.sleep(_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._changed.wait()

    async def refresh(self) -> None:
        """Fetch each key that is missing, or would be too old before the next round but one."""
        wanted = {
            (app.hosts.api_url, key_id) for app in self._apps() if app.verify_signatures for key_id in app.signing_keys
        }
        ahead = 2 * (self._every + _PAUSE)
        both = sorted(wanted | set(self._keys.in_use()))
        await asyncio.gather(*(self._keys.fetch_ahead(gateway, key_id, ahead) for gateway, key_id in both))
