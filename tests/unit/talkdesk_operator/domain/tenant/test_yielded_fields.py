"""What is applied in the place of fields that are left to others, by what `managedFields` say of them."""

from typing import Any

import pytest

from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS, FIELD_MANAGER, LABEL_TENANT
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector
from talkdesk_operator.domain.tenant.managed_fields import fingerprint
from talkdesk_operator.domain.tenant.yielded_fields import Yielded, held_entry, without_ignored, yielded

NOON = "2026-01-01T12:00:00Z"
MARK = f"f:{ANNOTATION_IGNORE_FIELDS}"
LEAF: dict[str, Any] = {}


def ours(fields: dict[str, Any], **entry: Any) -> dict[str, Any]:
    known = {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": "v1", "time": NOON}
    return known | {"fieldsV1": fields} | entry


def theirs(fields: dict[str, Any], **entry: Any) -> dict[str, Any]:
    return ours(fields) | {"manager": "autoscaler", "operation": "Update", "subresource": "scale"} | entry


def obj(ignored: str, *entries: Any, **members: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "x", "annotations": {ANNOTATION_IGNORE_FIELDS: ignored}}
    metadata |= {"managedFields": list(entries)} if entries else {}
    return {"apiVersion": "v1", "kind": "Widget", "metadata": metadata, **members}


def applied(ignored: str, wanted: dict[str, Any], live: dict[str, Any], *entries: Any) -> tuple[dict[str, Any], bool]:
    """Return what is applied beside metadata, and whether it is bound to the version that was read."""
    found = yielded(obj(ignored, **wanted), obj(ignored, *entries, **live))
    return {key: found.manifest[key] for key in found.manifest if key not in obj("")}, found.is_bound


REPLICAS = {"f:spec": {"f:replicas": LEAF}}
TWO, FIVE = {"spec": {"replicas": 2, "x": 1}}, {"spec": {"replicas": 5, "x": 1}}


def test_a_field_that_somebody_else_owns_is_left_out() -> None:
    left = ({"spec": {"x": 1}}, False)
    assert applied("/spec/replicas", TWO, FIVE, ours({"f:spec": {"f:x": LEAF}}), theirs(REPLICAS)) == left
    assert applied("/spec/replicas", TWO, FIVE, theirs(REPLICAS)) == left


def test_a_field_that_nobody_owns_is_left_out() -> None:
    assert applied("/spec/replicas", TWO, FIVE, ours({"f:spec": {"f:x": LEAF}})) == ({"spec": {"x": 1}}, False)
    assert applied("/spec/replicas", TWO, FIVE) == ({"spec": {"x": 1}}, False)


def test_a_field_that_only_we_own_is_applied_as_it_is_and_to_that_version_alone() -> None:
    assert applied("/spec/replicas", TWO, FIVE, ours(REPLICAS)) == (FIVE, True)
    assert applied("/spec/replicas", {"spec": {"x": 1}}, FIVE, ours(REPLICAS)) == (FIVE, True)
    assert applied("/spec/replicas", {}, FIVE, ours(REPLICAS)) == ({"spec": {"replicas": 5}}, True)


def test_a_field_that_we_share_is_left_to_the_other_in_that_version() -> None:
    assert applied("/spec/replicas", TWO, TWO, ours(REPLICAS), theirs(REPLICAS)) == ({"spec": {"x": 1}}, True)


def test_a_field_that_was_owned_and_is_gone_stays_so() -> None:
    assert applied("/spec/replicas", TWO, {"spec": {"x": 1}}, ours(REPLICAS)) == ({"spec": {"x": 1}}, True)
    assert applied("/spec/replicas", TWO, {}, ours(REPLICAS)) == ({"spec": {"x": 1}}, True)


def test_under_another_version_of_the_api_nothing_is_lost_that_may_be_ours() -> None:
    before = ours({"f:spec": {"f:size": LEAF}}, apiVersion="v1beta1")
    assert applied("/spec/replicas", TWO, FIVE, before) == (FIVE, True)
    assert applied("/spec/replicas", TWO, FIVE, before, theirs(REPLICAS)) == ({"spec": {"x": 1}}, True)


def test_of_a_map_exactly_what_only_we_own_is_kept() -> None:
    own = ours({"f:data": {".": LEAF, "f:a": LEAF, "f:b": LEAF, "f:gone": LEAF}})
    live = {"data": {"a": "1", "b": "2", "c": "3"}}
    other = theirs({"f:data": {"f:b": LEAF, "f:c": LEAF}})
    assert applied("/data", {"data": {"a": "9", "z": "9"}}, live, own, other) == ({"data": {"a": "1"}}, True)
    assert applied("/data", {}, live, ours({"f:data": {"f:b": LEAF}}), other) == ({}, True)
    assert applied("/data", {}, live, own, theirs({"f:data": LEAF})) == ({}, True)
    assert applied("/data/a", {"data": {"a": "9"}}, live, own, other) == ({"data": {"a": "1"}}, True)


def test_of_a_list_exactly_the_entries_that_we_own_are_kept() -> None:
    own = {
        "f:spec": {"f:ports": {'k:{"name":"a"}': {".": LEAF, "f:name": LEAF, "f:port": LEAF}, 'k:{"name":"w"}': LEAF}}
    }
    a, whole, other = {"name": "a", "port": 1, "extra": 1}, {"name": "w", "port": 3}, {"name": "b", "port": 2}
    live = {"spec": {"ports": [a, other, whole, "odd"]}}
    kept = {"spec": {"ports": [{"name": "a", "port": 1}, whole]}}
    assert applied("/spec/ports", {}, live, ours(own)) == (kept, True)
    names = {"f:metadata": {}, "f:spec": {"f:names": {'v:"mine"': LEAF}}}
    assert applied("/spec/names", {}, {"spec": {"names": ["mine", "other"]}}, ours(names)) == (
        {"spec": {"names": ["mine"]}},
        True,
    )


def test_a_part_of_a_map_that_is_owned_as_a_whole_is_applied_as_it_is() -> None:
    whole = {"f:spec": {"f:selector": LEAF}}
    live, wanted = {"spec": {"selector": {"a": "live", "b": "2"}}}, {"spec": {"selector": {"a": "1", "b": "2"}}}
    assert applied("/spec/selector/a", wanted, live, ours(whole)) == (live, True)
    assert applied("/spec/selector/a", wanted, live, theirs(whole)) == (live, True)
    assert applied("/spec/selector/a", wanted, {"spec": {}}, ours(whole)) == ({"spec": {"selector": {"b": "2"}}}, True)


@pytest.mark.parametrize("odd", [None, "x", {"manager": "x"}, {"fieldsV1": "x"}, {"fieldsV1": {"f:spec": "x"}}])
def test_managed_fields_that_make_no_sense_own_nothing(odd: Any) -> None:
    assert applied("/spec/replicas", TWO, FIVE, odd, ours(REPLICAS)) == (FIVE, True)


def test_a_manifest_that_leaves_nothing_is_applied_as_it_is() -> None:
    manifest = {"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "x"}, **TWO}
    assert yielded(manifest, obj("", **FIVE)) == Yielded(manifest, is_bound=False)
    assert without_ignored(manifest) == manifest


def test_the_fields_can_be_taken_out_of_a_manifest() -> None:
    found = without_ignored(obj("/spec/replicas, /data/x, /spec/no/such", **TWO))
    assert found["spec"] == {"x": 1}
    assert "data" not in found


def metadata(ignored: str | None, fields: dict[str, Any], *, version: str = "5", time: str = NOON) -> dict[str, Any]:
    annotations = {} if ignored is None else {"annotations": {ANNOTATION_IGNORE_FIELDS: ignored}}
    known = {"uid": "u1", "resourceVersion": version, "labels": {LABEL_TENANT: "one"}}
    return known | annotations | {"managedFields": [ours(fields, time=time)]}


def owned(*, marked: bool = True, **members: dict[str, Any]) -> dict[str, Any]:
    annotations = {"f:metadata": {"f:annotations": {MARK: LEAF}}} if marked else {}
    return annotations | {f"f:{name}": below for name, below in members.items()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (owned(spec={"f:replicas": LEAF, "f:x": LEAF}), owned(spec={"f:x": LEAF})),
        (owned(spec={"f:replicas": LEAF}), owned(spec=LEAF)),
        (owned(spec={".": LEAF, "f:replicas": LEAF}), owned()),
    ],
)
def test_a_field_that_is_left_to_others_and_taken_by_them_is_no_drift(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    then, now = metadata("/spec/replicas", before), metadata("/spec/replicas", after, version="6")
    assert fingerprint(held_entry(then)) == fingerprint(held_entry(now))
    detector = DriftDetector()
    detector.present({"metadata": then})
    assert detector.present({"metadata": now}) == ("one", Change.OTHER)


@pytest.mark.parametrize(
    ("ignored", "after"),
    [
        ("/spec/replicas", owned(spec={"f:replicas": LEAF})),
        ("/spec/replicas, /spec/x", owned(marked=False, spec={"f:replicas": LEAF, "f:x": LEAF})),
        (None, owned(marked=False, spec={"f:replicas": LEAF, "f:x": LEAF})),
        ("/spec/replicas", owned(marked=False, spec={"f:x": LEAF})),
    ],
)
def test_another_field_that_is_taken_and_the_word_itself_are_drift(ignored: str | None, after: dict[str, Any]) -> None:
    detector = DriftDetector()
    detector.present({"metadata": metadata("/spec/replicas", owned(spec={"f:replicas": LEAF, "f:x": LEAF}))})
    assert detector.present({"metadata": metadata(ignored, after, version="6")}) == ("one", Change.DRIFTED)


def test_an_apply_of_ours_that_leaves_other_fields_to_others_is_no_drift() -> None:
    detector = DriftDetector()
    detector.present({"metadata": metadata("/spec/replicas", owned(spec={"f:replicas": LEAF, "f:x": LEAF}))})
    later = metadata(None, owned(marked=False, spec={"f:x": LEAF}), version="6", time="2026-01-01T12:00:01Z")
    assert detector.present({"metadata": later}) == ("one", Change.OTHER)


def test_of_an_object_that_we_own_nothing_of_nothing_is_held() -> None:
    assert held_entry({"annotations": {ANNOTATION_IGNORE_FIELDS: "/spec"}}) is None
