"""Whose turn it is to write for an account: a reconcile of it, or what came of deliveries meanwhile.

Belongs here: one lock for each account that is in use. Does not belong here: the order of reconciles (`workqueue`).
"""

import asyncio
from weakref import WeakValueDictionary

from talkdesk_operator.domain.account_key import AccountKey

__all__ = ["AccountTurns"]


class AccountTurns:
    """Locks by account. A reconcile holds its own until it ends, so that nobody else's write has it begin anew."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[AccountKey, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: AccountKey) -> asyncio.Lock:
        """Return the account's lock."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
