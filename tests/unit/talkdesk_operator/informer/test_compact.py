"""What is compact reads as it read at first, and only so many objects are models at once."""

from typing import Any

import pytest

from builders.raw_objects import app, installation, request, tenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Unreadable
from talkdesk_operator.informer.cached_object import object_key_of
from talkdesk_operator.informer.compact import CompactObject, Compactor

MANAGED = [{"manager": "talkdesk-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]


def pack(compactor: Compactor, raw: dict[str, Any]) -> CompactObject:
    return compactor.pack(raw, object_key_of(raw))


@pytest.mark.parametrize(
    "raw",
    [
        app(),
        installation("i1", spec={"request": request()}),
        tenant(spec={"values": {"size": 3, "ratio": 0.5, "deep": [{"a": None}], "text": "ä😀"}}),
        installation("bad", spec={"paused": "perhaps"}),
    ],
)
def test_an_object_read_from_its_compact_form_equals_the_original(raw: dict[str, Any]) -> None:
    compactor = Compactor(models=1)
    compact = pack(compactor, raw)
    first = compactor.open(compact)
    pack(compactor, installation("another"))
    again = compactor.open(compact)
    assert again is not first or isinstance(first, Unreadable)
    assert again == first
    assert isinstance(again, Unreadable) or again.model_fields_set == first.model_fields_set  # type: ignore[union-attr]


def test_uid_version_and_account_are_known_without_reading_the_json() -> None:
    compact = pack(Compactor(), installation("i1", version="7", uid="u1"))
    assert (compact.uid, compact.version, compact.key) == ("u1", "7", AccountKey("team", "sentiment", "a1"))
    assert pack(Compactor(), app()).key is None


def test_managed_fields_are_not_kept() -> None:
    raw = installation("i1")
    raw["metadata"]["managedFields"] = MANAGED
    assert b"managedFields" not in pack(Compactor(), raw).json
    assert raw["metadata"]["managedFields"] == MANAGED


def test_the_longest_unused_model_goes_first() -> None:
    compactor = Compactor(models=2)
    first, second = pack(compactor, installation("i1")), pack(compactor, installation("i2"))
    kept, dropped = compactor.open(first), compactor.open(second)
    compactor.open(first)
    pack(compactor, installation("i3"))
    assert compactor.open(first) is kept
    assert compactor.open(second) is not dropped


def test_a_peek_uses_the_model_that_is_there_and_keeps_no_other() -> None:
    compactor = Compactor(models=1)
    first, second = pack(compactor, installation("i1")), pack(compactor, installation("i2"))
    known = compactor.open(second)
    assert compactor.peek(second) is known
    assert compactor.peek(first) == compactor.peek(first)
    assert compactor.open(second) is known


def test_the_model_of_a_newer_version_is_not_used_for_an_older_one() -> None:
    compactor = Compactor()
    old, new = (pack(compactor, installation("i1", version=version)) for version in ("1", "2"))
    assert [compactor.peek(each).metadata.resource_version for each in (old, new)] == ["1", "2"]  # type: ignore[union-attr]
    assert compactor.open(old) == compactor.peek(old)


def test_a_compact_object_can_be_read_after_its_model_was_dropped() -> None:
    compactor = Compactor()
    compact = pack(compactor, installation("i1"))
    before = compactor.open(compact)
    compactor.forget(compact.object_key)
    assert compactor.open(compact) == before


def test_objects_of_an_account_share_the_strings_of_its_key() -> None:
    compactor = Compactor()
    one, other = pack(compactor, installation("i1")).key, pack(compactor, tenant()).key
    assert one is not None
    assert other is not None
    assert one.account_id is other.account_id
