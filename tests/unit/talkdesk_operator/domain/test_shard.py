"""Shards: each account has one, for each number of shards, and selectors show every object to one of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.label_selectors import selects
from talkdesk_crds.names import LABEL_SHARD_SLOT
from talkdesk_crds.shard_slots import SLOTS, shard_slot, slot_label
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.shard import WHOLE, Shard, fits, selector_of

KEY = AccountKey("team", "sentiment", "acc1")
COUNTS = st.integers(min_value=2, max_value=16)
LABELS = st.none() | st.sampled_from(["", "x", "-1", "64", "07"]) | st.integers(0, SLOTS - 1).map(str)


def shards(count: int) -> list[Shard]:
    return [Shard(index, count) for index in range(count)]


def shows(selector: str, value: str | None) -> bool:
    return selects(selector, None if value is None else {LABEL_SHARD_SLOT: value})


@given(st.text(max_size=20), st.text(max_size=20), COUNTS)
def test_each_account_has_exactly_one_shard(app: str, account: str, count: int) -> None:
    key = AccountKey("team", app, account)
    (owner,) = [shard for shard in shards(count) if shard.owns(key)]
    assert shows(owner.selector, str(shard_slot("team", app, account)))


@given(LABELS, COUNTS)
def test_whatever_its_label_is_an_object_is_shown_to_exactly_one_shard(label: str | None, count: int) -> None:
    assert len([shard for shard in shards(count) if shows(shard.selector, label)]) == 1


def test_what_has_no_label_that_makes_sense_is_shown_to_the_first_shard() -> None:
    assert shows(Shard(0, 4).selector, None)


def test_the_only_shard_has_everything_and_no_selector() -> None:
    assert WHOLE.owns(KEY)
    assert WHOLE.owns(AccountKey.of_app("team", "sentiment"))
    assert WHOLE.selector == ""


@given(LABELS, st.integers(1, SLOTS))
def test_some_slots_after_the_others_show_every_object_exactly_once(label: str | None, width: int) -> None:
    some = [range(first, min(first + width, SLOTS)) for first in range(0, SLOTS, width)]
    selectors = [selector_of(slots, strays=slots[0] == 0) for slots in some]
    assert len([each for each in selectors if shows(each, label)]) == 1


@pytest.mark.parametrize(
    ("key", "labels", "expected"),
    [
        (KEY, slot_label("team", "sentiment", "acc1"), True),
        (KEY, {LABEL_SHARD_SLOT: "1"}, False),
        (KEY, {}, False),
        (KEY, None, False),
        (None, {}, True),
    ],
)
def test_a_label_fits_when_it_is_the_slot_of_the_account(key: Any, labels: Any, *, expected: bool) -> None:
    assert fits(key, {"metadata": {"labels": labels}}) is expected
