"""A start, or a takeover, with many customers in order: `make bench ARGS=--start`.

Belongs here: the operator's own part, from the listings' objects to the last account's turn, as CPU time of one core.
Does not belong here: the API server's part, which sends some ten megabytes for a thousand customers.
"""

import asyncio
import sys
import time
from typing import Final

from benchmarks.figures import Figure, at_most, plain
from builders.many_accounts import Listings, Start, stretches
from talkdesk_operator.process.tuning import tune

__all__ = ["measure"]

_ACCOUNTS: Final = frozenset({5_000, 10_000})
_SECONDS: Final = 15
"""The aim at 10,000; linear beyond."""
_LONGEST: Final = 0.05


def measure(accounts: int) -> list[Figure]:
    """Measure starts of several sizes, the smallest first; of `accounts` too when these are more."""
    tune()
    sizes = _ACCOUNTS | {max(accounts, *_ACCOUNTS)}
    return [figure for accounts in sorted(sizes) for figure in asyncio.run(_start(accounts))]


async def _start(accounts: int) -> list[Figure]:
    sys.stderr.write(f"bench: a start with {accounts} accounts\n")
    it = Start(Listings(accounts))
    async with stretches() as found:
        began = time.thread_time()
        await it.load()
        listed = time.thread_time()
        await it.reconcile_all(accounts + 1)
        ended = time.thread_time()
    name = f"start with {accounts}"
    return [
        plain(f"{name}: listed and queued", listed - began, "s"),
        at_most(f"{name}: all had their turn", ended - began, "s", _SECONDS * max(1, accounts / 10_000)),
        at_most(f"{name}: longest stretch of the loop", found.longest, "s", _LONGEST),
    ]
