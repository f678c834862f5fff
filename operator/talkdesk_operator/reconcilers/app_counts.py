"""Count what is left of an app's customers, and what an edit of the app will delete: of all its accounts at once.

Belongs here: which accounts are counted, and how often. Does not belong here: what counts (`domain.tenant`), and what
follows from it (`app_lifetime`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.app_deletion import Remaining, remaining_of
from talkdesk_operator.domain.tenant.pending_deletions import PendingDeletions, pending_of
from talkdesk_operator.reconcilers.app_accounts import AppAccounts
from talkdesk_operator.reconcilers.share import Survey
from talkdesk_runtime.lru import LruMap

__all__ = ["AppCounts", "Counts"]

_WAIT_FOR_EACH: Final = timedelta(milliseconds=10)
"""How much later the next count comes for each account: counting takes some thousandths of the time."""
_MAX_APPS: Final = 256


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted of an app."""

    remaining: Remaining
    """Nothing unless the app is being deleted."""
    pending: PendingDeletions
    accounts: int
    of: tuple[int, bool]
    """The app's generation, and whether it was being deleted."""
    time: datetime

    @property
    def wait(self) -> timedelta:
        """How long it is good enough to be shown."""
        return _WAIT_FOR_EACH * self.accounts


class AppCounts:
    """Counts the accounts in the cache, or those that a survey shows."""

    def __init__(self, cache: Cache, now: Callable[[], datetime], survey: Survey | None) -> None:
        self._cache = cache
        self._now = now
        self._accounts = AppAccounts(cache, survey)
        self._surveyed: LruMap[str, Counts] = LruMap(_MAX_APPS)
        """By the app's uid."""

    async def look(self, view: CompiledApp, until: datetime | None, *, deleting: bool) -> Counts:
        """Count what is left, if `deleting`, and what an edit deletes at `until`, if there is one. Raises KubeError.

        A survey is not repeated for each event of the app: that something is left stays true for a while. That
        nothing is left is always found out anew.
        """
        metadata, now = view.resource.metadata, self._now()
        of = (metadata.generation, deleting)
        known = self._surveyed.get(metadata.uid)
        if known is not None and known.of == of and now < known.time + known.wait and (known.remaining or not deleting):
            return known
        remaining, pending, accounts = Remaining(), PendingDeletions(), 0
        async for key, cache in self._accounts(view.resource):
            accounts += 1
            installations, tenant = cache.installations(key), cache.tenant(key)
            if until is not None:
                pending += pending_of(view, installations, tenant, now, until)
            if deleting:
                unreadable = any(problem.key is not None for problem in cache.unreadable(key))
                remaining += remaining_of(installations, tenant, unreadable=unreadable)
        counts = Counts(remaining, pending, accounts, of, now)
        if self._accounts.surveyed:
            self._surveyed.put(metadata.uid, counts)
        return counts

    def wait(self, app: TalkdeskApp) -> timedelta:
        """Return after how long it is worth the trouble to count again."""
        known = self._surveyed.get(app.metadata.uid)
        if known is None:
            return _WAIT_FOR_EACH * len(self._cache.keys_of_app(*app.key))
        return known.time + known.wait - self._now()
