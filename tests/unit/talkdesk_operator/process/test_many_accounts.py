"""Twenty thousand accounts in order, from the first listing to the last reconcile: nothing keeps the loop to itself.

What is measured is CPU time between two turns of a task that does nothing, as a share of what the first listing takes
in the same run: neither a busy machine nor a slow one changes it.
"""

import gc
import time
from collections.abc import Iterator

import pytest

from builders.many_accounts import Listings, Start, stretches
from builders.raw_objects import app

ACCOUNTS = 20_000
LONGEST_SHARE = 1 / 12
"""The part of a first listing's time (1.5 s of CPU) for which nothing may keep the event loop; 1/55 when measured."""


@pytest.fixture(autouse=True)
def _tuned() -> Iterator[None]:
    """Keep the objects of the test run itself out of the way, as those of the imports are in the process."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 3)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.case(76)
async def test_a_start_with_twenty_thousand_accounts_keeps_the_loop_free() -> None:
    it = Start(Listings(ACCOUNTS))
    began = time.thread_time()
    async with stretches() as found:
        await it.load()
        longest = (time.thread_time() - began) * LONGEST_SHARE
        assert found.longest < longest, "while listing"
        assert len(await it.reconcile_all(ACCOUNTS + 1)) == ACCOUNTS + 1
    assert found.longest < longest, "while reconciling"
    assert found.turns > ACCOUNTS, "each reconcile begins a turn of its own"


@pytest.mark.case(76)
async def test_a_scrape_and_an_edit_of_the_app_keep_the_loop_free_with_twenty_thousand_accounts() -> None:
    it = Start(Listings(ACCOUNTS))
    began = time.thread_time()
    await it.load()
    loaded = time.thread_time()
    longest = (loaded - began) * LONGEST_SHARE
    team = {"namespace": "team", "app": "sentiment"}
    assert it.registry.get_sample_value("talkdesk_installations", {**team, "phase": "Active"}) == ACCOUNTS
    assert time.thread_time() - loaded < longest
    async with stretches() as found:
        edited = app(version="10", spec={"resyncPeriod": "5m"})
        await it.handlers.on_object(event={"type": "MODIFIED", "object": edited})  # type: ignore[typeddict-item]
        it.listings.version, it.listings.app = "11", edited
        await it.relist.load(it.changed)
    assert found.longest < longest


async def test_a_watch_goes_on_from_the_first_listing_and_lists_again_only_for_the_next() -> None:
    it = Start(Listings(3))
    await it.load()
    before = it.listings.asked
    assert await it.relist.resume("talkdesktenants", "", it.changed) == "9"
    assert it.listings.asked == before
    assert await it.relist.resume("talkdesktenants", "", it.changed) == "9"
    assert it.listings.asked == before + 1
