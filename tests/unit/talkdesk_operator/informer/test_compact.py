"""What is packed reads as it read at first, and only so many objects are models at once."""

from typing import Any

import pytest

from builders.raw_objects import app, installation, request, tenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Unreadable
from talkdesk_operator.informer.cached_object import object_key_of
from talkdesk_operator.informer.compact import CompactObject, Compactor

MANAGED = [{"manager": "talkdesk-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]


def pack(packer: Compactor, raw: dict[str, Any]) -> CompactObject:
    return packer.pack(raw, object_key_of(raw))


@pytest.mark.parametrize(
    "raw",
    [
        app(),
        installation("i1", spec={"request": request()}),
        tenant(spec={"values": {"size": 3, "ratio": 0.5, "deep": [{"a": None}], "text": "ä😀"}}),
        installation("bad", spec={"paused": "perhaps"}),
    ],
)
def test_what_is_opened_later_equals_what_was_read_at_first(raw: dict[str, Any]) -> None:
    packer = Compactor(opened=1)
    packed = pack(packer, raw)
    first = packer.open(packed)
    pack(packer, installation("another"))
    again = packer.open(packed)
    assert again is not first
    assert again == first
    assert isinstance(again, Unreadable) or again.model_fields_set == first.model_fields_set  # type: ignore[union-attr]


def test_what_is_asked_of_every_object_stands_beside_the_json() -> None:
    packed = pack(Compactor(), installation("i1", version="7", uid="u1"))
    assert (packed.uid, packed.version, packed.key) == ("u1", "7", AccountKey("team", "sentiment", "a1"))
    assert pack(Compactor(), app()).key is None


def test_managed_fields_are_not_kept() -> None:
    raw = installation("i1")
    raw["metadata"]["managedFields"] = MANAGED
    assert b"managedFields" not in pack(Compactor(), raw).json
    assert raw["metadata"]["managedFields"] == MANAGED


def test_the_longest_unused_model_goes_first() -> None:
    packer = Compactor(opened=2)
    first, second = pack(packer, installation("i1")), pack(packer, installation("i2"))
    kept, dropped = packer.open(first), packer.open(second)
    packer.open(first)
    pack(packer, installation("i3"))
    assert packer.open(first) is kept
    assert packer.open(second) is not dropped


def test_a_glance_gives_the_model_that_is_there_and_keeps_no_other() -> None:
    packer = Compactor(opened=1)
    first, second = pack(packer, installation("i1")), pack(packer, installation("i2"))
    known = packer.open(second)
    assert packer.glance(second) is known
    assert packer.glance(first) == packer.glance(first)
    assert packer.open(second) is known


def test_a_newer_version_does_not_answer_for_an_older_one() -> None:
    packer = Compactor()
    old, new = (pack(packer, installation("i1", version=version)) for version in ("1", "2"))
    assert [packer.glance(each).metadata.resource_version for each in (old, new)] == ["1", "2"]  # type: ignore[union-attr]
    assert packer.open(old) == packer.glance(old)


def test_a_forgotten_object_can_still_be_opened_by_whoever_has_it() -> None:
    packer = Compactor()
    packed = pack(packer, installation("i1"))
    before = packer.open(packed)
    packer.forget(packed.place)
    assert packer.open(packed) == before


def test_objects_of_an_account_have_the_words_of_its_key_in_common() -> None:
    packer = Compactor()
    one, other = pack(packer, installation("i1")).key, pack(packer, tenant()).key
    assert one is not None
    assert other is not None
    assert one.account_id is other.account_id
