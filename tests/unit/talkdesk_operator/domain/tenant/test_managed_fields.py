"""What managedFields say: which fields our apply owns, and who has taken which."""

from typing import Any

import pytest

from talkdesk_crds.names import FIELD_MANAGER
from talkdesk_operator.domain.tenant.managed_fields import (
    Loss,
    OwnEntry,
    fingerprint,
    has_kubectls,
    loss,
    own_entry,
    without_kubectls,
)

NOON = "2026-01-01T12:00:00Z"


def entry(manager: str, fields: Any, *, time: Any = NOON, **more: Any) -> dict[str, Any]:
    operation = "Apply" if manager == FIELD_MANAGER else "Update"
    return {"manager": manager, "operation": operation, "fieldsV1": fields, "time": time} | more


def ours(*keys: str) -> dict[str, Any]:
    return entry(FIELD_MANAGER, {"f:data": {".": {}} | {f"f:{key}": {} for key in keys}})


def theirs(*keys: str, manager: str = "kubectl-edit", **more: Any) -> dict[str, Any]:
    return entry(manager, {"f:data": {f"f:{key}": {} for key in keys}}, **more)


@pytest.mark.case(88)
def test_the_fingerprint_changes_with_the_fields_and_not_with_their_order_or_the_time() -> None:
    one, other = own_entry([ours("a", "b")]), own_entry([ours("b", "a") | {"time": "2026-01-01T13:00:00Z"}])
    assert fingerprint(one) == fingerprint(other) != fingerprint(own_entry([ours("a")]))
    assert len(fingerprint(one)) == 16
    assert fingerprint(own_entry([theirs("a")])) == ""


@pytest.mark.case(87)
@pytest.mark.parametrize(
    ("drifted", "lost"),
    [
        ([ours("a"), theirs("b")], Loss((".data.b",), ("kubectl-edit",))),
        ([theirs("a", "b")], Loss((".data.a", ".data.b"), ("kubectl-edit",))),
        ([ours("a"), theirs("b", manager="x"), theirs("b", manager="w")], Loss((".data.b",), ("w", "x"))),
        ([ours("a")], Loss((".data.b",), ())),
        (
            [ours("a"), theirs("c", manager="old"), theirs("d", manager="new", time="2026-01-01T13:00:00Z")],
            Loss((".data.b",), ("new",)),
        ),
        ([ours("a"), theirs("b", subresource="status")], Loss((".data.b",), ())),
        ([ours("a", "b"), theirs("c")], Loss((), ("kubectl-edit",))),
        (None, Loss((".data.a", ".data.b"), ())),
        ([None, "text", {}, {"manager": 1}, theirs("b", time=None)], Loss((".data.a", ".data.b"), ("kubectl-edit",))),
    ],
    ids=["changed", "all", "by two", "removed", "removed by", "a subresource", "nothing", "no entries", "malformed"],
)
def test_what_was_lost_is_named_with_who_has_it_now_or_wrote_last(drifted: Any, lost: Loss) -> None:
    assert loss([ours("a", "b")], drifted) == lost


@pytest.mark.case(87)
def test_entries_of_lists_are_named_without_what_tells_them_apart() -> None:
    image = {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}, "f:set": {'v:"x"': {}}}}
    assert loss([entry(FIELD_MANAGER, image)], []).paths == (".spec.containers[].image", ".spec.set[]")


def test_an_object_of_which_we_own_nothing_lost_nothing() -> None:
    assert loss([theirs("a")], [theirs("a")]).paths == ()


@pytest.mark.parametrize("entries", [None, "text", [None], [{}], [ours("a") | {"subresource": "status"}]])
def test_what_is_no_entry_of_our_apply_is_none(entries: Any) -> None:
    assert own_entry(entries) is None


CLIENT_SIDE = ("kubectl-client-side-apply", "Update")


def by_hand(fields: Any, maker: tuple[str, str] = CLIENT_SIDE, **more: Any) -> dict[str, Any]:
    return entry(maker[0], fields, operation=maker[1], **more)


@pytest.mark.case(69)
@pytest.mark.parametrize(
    "maker",
    [
        CLIENT_SIDE,
        ("kubectl-create", "Update"),
        ("kubectl", "Update"),
        ("kubectl", "Apply"),
        ("before-first-apply", "Update"),
    ],
)
def test_of_an_object_that_was_made_by_hand_we_take_what_is_ours_too_and_leave_the_rest(maker: tuple[str, str]) -> None:
    made = by_hand({"f:data": {".": {}, "f:a": {}, "f:theirs": {}}, "f:immutable": {}}, maker)
    assert has_kubectls([made])
    assert without_kubectls([made], own({"f:data": {"f:a": {}, "f:b": {}}}), "v1") == [
        made | {"fieldsV1": {"f:data": {"f:theirs": {}}, "f:immutable": {}}}
    ]


def own(fields: dict[str, Any]) -> OwnEntry:
    return OwnEntry(fields, NOON)


@pytest.mark.case(69)
@pytest.mark.parametrize(
    "other",
    [
        theirs("a"),
        theirs("a", manager="helm"),
        ours("a"),
        by_hand({"f:data": {"f:a": {}}}, subresource="status"),
        by_hand({"f:data": {"f:a": {}}}, ("kubectl-client-side-apply", "Apply")),
        by_hand("{}"),
        {"manager": "kubectl", "operation": "Apply"},
        "kubectl",
        None,
    ],
)
def test_fields_of_other_managers_and_what_can_not_be_read_stay(other: Any) -> None:
    assert not has_kubectls([other])
    assert without_kubectls([other], own({"f:data": {"f:a": {}}}), "v1") == [other]


@pytest.mark.parametrize("entries", [None, "x", 1, {}, []])
def test_without_entries_nothing_is_kubectls(entries: Any) -> None:
    assert not has_kubectls(entries)


CONTAINER = 'k:{"name":"web"}'
DEFAULTS: dict[str, Any] = {".": {}, "f:image": {}, "f:imagePullPolicy": {}}


@pytest.mark.case(69)
@pytest.mark.parametrize(
    ("theirs", "ours", "left"),
    [
        ({"f:data": {".": {}, "f:a": {}}}, {"f:data": {"f:a": {}}}, None),
        ({"f:data": {".": {}, "f:a": {}}}, {"f:data": {}}, {"f:data": {"f:a": {}}}),
        ({"f:data": {}}, {"f:data": {"f:a": {}}}, None),
        ({"f:data": {"f:a": {}}}, {"f:metadata": {}}, {"f:data": {"f:a": {}}}),
        ({"f:c": {CONTAINER: DEFAULTS}}, {"f:c": {CONTAINER: {".": {}, "f:image": {}}}}, None),
        ({"f:c": {CONTAINER: DEFAULTS}}, {"f:c": {'k:{"name":"x"}': {".": {}}}}, {"f:c": {CONTAINER: DEFAULTS}}),
        ({"f:f": {'v:"a"': {}, 'v:"b"': {}}}, {"f:f": {'v:"a"': {}}}, {"f:f": {'v:"b"': {}}}),
        ({"f:data": "?"}, {"f:data": {"f:a": {}}}, None),
    ],
)
def test_an_entry_of_a_list_that_is_ours_is_taken_as_a_whole(theirs: Any, ours: Any, left: Any) -> None:
    made = by_hand(theirs)
    another = entry("helm", {"f:data": {"f:z": {}}})
    taken = without_kubectls([made, another], own(ours), "v1")
    assert taken == ([made | {"fieldsV1": left}, another] if left else [another])


def test_where_nothing_is_left_our_own_entry_is_because_none_at_all_would_be_everybodys() -> None:
    ours: dict[str, Any] = {"f:data": {"f:a": {}}}
    assert without_kubectls([by_hand(ours)], own(ours), "v1") == [
        entry(FIELD_MANAGER, ours, apiVersion="v1", fieldsType="FieldsV1")
    ]
