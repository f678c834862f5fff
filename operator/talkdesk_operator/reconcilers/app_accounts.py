"""All accounts of an app, whoever works on them: those in the cache, or those that a survey shows.

Belongs here: walking through them. Does not belong here: what is counted of each (`app_counts`, `rollouts`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.reconcilers.share import Survey

__all__ = ["AppAccounts"]

_AT_ONCE: Final = 50
"""Accounts that are counted without letting others work."""


class AppAccounts:
    """The accounts in the cache, or those that a survey shows."""

    def __init__(self, cache: Cache, survey: Survey | None) -> None:
        self._cache = cache
        self._survey = survey

    @property
    def surveyed(self) -> bool:
        """Whether walking through them costs requests."""
        return self._survey is not None

    async def __call__(self, app: TalkdeskApp) -> AsyncIterator[tuple[AccountKey, Cache]]:
        """Yield the app's accounts with who knows them, and let others work between some of them. Raises KubeError."""
        async with aclosing(self._caches(app)) as caches:
            async for cache in caches:
                for number, key in enumerate(cache.keys_of_app(*app.key), start=1):
                    yield key, cache
                    if number % _AT_ONCE == 0:
                        await asyncio.sleep(0)

    async def _caches(self, app: TalkdeskApp) -> AsyncGenerator[Cache, None]:
        if self._survey is None:
            yield self._cache
            return
        async with aclosing(self._survey(*app.key)) as caches:
            async for cache in caches:
                yield cache
