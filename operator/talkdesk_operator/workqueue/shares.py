"""Which share of the workers each app may have, so that one whose Talkdesk hangs leaves the others theirs.

Belongs here: how many reconciles of an app run, and the keys that wait for its share. Does not belong here: order,
merging (`queue`).

Where there is one app it may have all workers. Of several, one that has work alone leaves an eighth free for the next
one. Of those that have work each may have half of what the others leave: of 32 workers the first app that hangs takes
16, the second 8, the third 4. An app has work while anything of it waits or is reconciled. The status of an app itself
neither waits nor takes a share.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority

__all__ = ["AppShares", "Entry"]

Entry: TypeAlias = tuple[Priority, float, int, AccountKey]
"""Class, order, number and key; the lowest goes first."""
_App: TypeAlias = tuple[str, str]
_RESERVED: Final = 8
"""One worker of so many is left free for apps that have no work at present."""


class AppShares:
    """The shares of all apps in one number of workers."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._reserve = max(1, workers // _RESERVED)
        self._apps: set[_App] = set()
        self._work: Counter[_App] = Counter()
        self._active: Counter[_App] = Counter()
        self._held: dict[_App, list[Entry]] = {}

    def note_app(self, key: AccountKey, *, exists: bool) -> None:
        """Take note that there is such an app, or none any more; what is left of its accounts goes on."""
        if exists:
            self._apps.add(_app(key))
        else:
            self._apps.discard(_app(key))

    def see(self, key: AccountKey) -> None:
        """Take note of new work."""
        if not key.is_app:
            self._work[_app(key)] += 1

    def may_start(self, key: AccountKey) -> bool:
        """Return whether a reconcile of this key is within its app's share."""
        return key.is_app or self._free(_app(key)) > 0

    def begin(self, key: AccountKey) -> None:
        """Count a reconcile."""
        if not key.is_app:
            self._active[_app(key)] += 1

    def end(self, key: AccountKey) -> None:
        """Count it, and the work that it was for, no longer."""
        if not key.is_app:
            for counted in (self._active, self._work):
                counted[_app(key)] -= 1
                if not counted[_app(key)]:
                    del counted[_app(key)]

    def hold(self, entry: Entry) -> None:
        """Keep an entry until its app's share allows it."""
        heapq.heappush(self._held.setdefault(_app(entry[3]), []), entry)

    def released(self, stands: Callable[[Entry], object]) -> Iterator[Entry]:
        """Yield the entries that their apps' shares allow now, and keep them no longer; drop those that are void."""
        for app in tuple(self._held):
            held, free = self._held[app], self._free(app)
            while held and free > 0:
                entry = heapq.heappop(held)
                if stands(entry):
                    free -= 1
                    yield entry
            if not held:
                del self._held[app]

    def _free(self, app: _App) -> int:
        """Return how many more reconciles the app may have."""
        active = self._active[app]
        left = self._workers - (self._active.total() - active)
        if any(other != app for other in self._work):
            return max(1, (left + 1) // 2) - active
        if any(other != app for other in self._apps):
            return max(1, left - self._reserve) - active
        return left - active


def _app(key: AccountKey) -> _App:
    return key.namespace, key.app
