"""Slots of accounts: the same in every process for ever, and spread evenly."""

from collections import Counter

from talkdesk_crds.names import LABEL_SHARD_SLOT
from talkdesk_crds.shard_slots import SLOTS, shard_slot, slot_label


def test_a_slot_never_changes_because_objects_bear_it() -> None:
    # Whoever changes these numbers has two releases work on the same accounts.
    known = {("team", "sentiment", "acc1"): 31, ("team", "sentiment", ""): 55, ("staging", "sentiment", "acc1"): 39}
    assert {key: shard_slot(*key) for key in known} == known


def test_accounts_are_spread_evenly_over_the_slots() -> None:
    counts = Counter(shard_slot("team", "sentiment", f"account-{number}") for number in range(SLOTS * 100))
    assert set(counts) == set(range(SLOTS))
    assert max(counts.values()) < 150


def test_the_label_is_the_slot() -> None:
    assert slot_label("team", "sentiment", "acc1") == {LABEL_SHARD_SLOT: str(shard_slot("team", "sentiment", "acc1"))}


def test_the_parts_of_a_key_are_told_apart() -> None:
    assert shard_slot("a", "b-c", "d") != shard_slot("a", "b", "c-d")
