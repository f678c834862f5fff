"""SCIM's JSON with each member wrong in type, missing, null, huge or hostile."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.adapters.scim.wire import (
    BulkResult,
    BulkResults,
    Capabilities,
    id_in_location,
    known_scim_type,
    to_bulk_results,
    to_capabilities,
    to_found,
    to_listed,
    usable_id,
)
from talkdesk_operator.domain.ports.scim import Ref

WRONG: list[Any] = [None, "", "yes", 1, -1, 1.5, True, [], [1], {}, {"supported": None}, {"supported": "x"}]
FULL: dict[str, Any] = {
    "patch": {"supported": True},
    "bulk": {"supported": True, "maxOperations": 50, "maxPayloadSize": 10_000},
    "filter": {"supported": True, "maxResults": 10},
    "etag": {"supported": True},
}
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
MEMBERS = (
    "id externalId userName meta version totalResults Resources Operations bulkId status location response scimType "
    "patch bulk supported maxOperations maxPayloadSize code"
)
NAMES = st.sampled_from(MEMBERS.split())
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)
ALL = Capabilities(patch=True, filters=True, versions=True, bulk_operations=50, bulk_bytes=10_000)


def test_capabilities_are_read_from_the_configuration() -> None:
    assert to_capabilities(FULL) == ALL
    nothing = {name: {"supported": False} for name in FULL}
    assert to_capabilities(nothing) == Capabilities(patch=False, filters=False)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("member", FULL)
def test_a_capability_that_cant_be_read_has_its_default(member: str, wrong: Any) -> None:
    said = to_capabilities(FULL | {member: wrong})
    silent = to_capabilities({name: value for name, value in FULL.items() if name != member})
    assert said == silent


@pytest.mark.parametrize("wrong", [None, "x", 0, "0", 1, -5, 1.5, True, [], {}])
@pytest.mark.parametrize("member", ["maxOperations", "maxPayloadSize"])
def test_bulk_requests_that_are_too_small_are_not_used(member: str, wrong: Any) -> None:
    said = to_capabilities({"bulk": FULL["bulk"] | {member: wrong}})
    assert (said.bulk_operations, said.bulk_bytes) == (0, 0)


def user(**members: Any) -> dict[str, Any]:
    return {"id": "p1", "externalId": "u1", "userName": "a@example.com", "meta": {"version": 'W/"1"'}} | members


def test_a_user_is_read() -> None:
    found = to_found(user())
    assert found is not None
    assert (found.ref, found.external_id, found.user_name) == (Ref("p1", 'W/"1"'), "u1", "a@example.com")
    assert "example.com" not in repr(found)


def test_the_version_in_the_header_takes_precedence() -> None:
    found = to_found(user(), '"9"')
    assert found is not None
    assert found.ref == Ref("p1", '"9"')


@pytest.mark.parametrize(
    "wrong", [None, "", ".", "..", "a\nb", "\x00", True, 1.5, [], {}, ["p1"], "x" * 257, "ä" * 129]
)
def test_a_user_without_an_id_that_can_be_used_is_none(wrong: Any) -> None:
    assert to_found(user(id=wrong)) is None


@pytest.mark.parametrize("content", [None, "", 1, [], [user()]])
def test_a_value_that_is_no_object_is_no_user(content: Any) -> None:
    assert to_found(content) is None


def test_an_id_may_be_a_number_or_of_any_alphabet() -> None:
    assert usable_id(17) == "17"
    assert usable_id("ä/ö?#\N{PILE OF POO}") == "ä/ö?#\N{PILE OF POO}"


@pytest.mark.parametrize("wrong", [None, "", 1, True, [], {}])
def test_an_external_id_or_a_name_that_is_no_text_is_none(wrong: Any) -> None:
    found = to_found(user(externalId=wrong, userName=wrong))
    assert found is not None
    assert (found.external_id, found.user_name) == (None, None)


@pytest.mark.parametrize(
    "meta", [None, "", 1, [], {}, *({"version": each} for each in (None, 1, "", " ", "a\nb", "ä", "x" * 257))]
)
def test_a_version_that_a_header_cant_hold_is_none(meta: Any) -> None:
    found = to_found(user(meta=meta))
    assert found is not None
    assert found.ref == Ref("p1")


def test_a_list_is_read() -> None:
    listed = to_listed({"totalResults": 2, "Resources": [user(), user(id="p2")]})
    assert listed is not None
    assert [found.ref.id for found in listed.users] == ["p1", "p2"]
    assert listed.complete


def test_a_list_that_is_cut_short_is_not_complete() -> None:
    listed = to_listed({"totalResults": 3, "Resources": [user()]})
    assert listed is not None
    assert not listed.complete


@pytest.mark.parametrize("resources", [None, "", 1, {}, [], [None, "", 1, [], {}]])
def test_users_that_cant_be_read_are_left_out_of_a_list(resources: Any) -> None:
    listed = to_listed({"totalResults": 0, "Resources": resources})
    assert listed is not None
    assert listed.users == ()


@pytest.mark.case(60)
@pytest.mark.parametrize("total", [None, "", "many", "1,5", 1.5, -1, True, [], {}])
def test_a_list_without_a_total_is_complete_only_when_it_is_empty(total: Any) -> None:
    listed = to_listed({"totalResults": total, "Resources": [user()]})
    assert listed is not None
    assert (len(listed.users), listed.complete) == (1, False)
    nobody = to_listed({"totalResults": total, "Resources": []})
    assert nobody is not None
    assert nobody.complete
    assert to_listed({"totalResults": total}) is None
    assert to_listed({}) is None


@pytest.mark.case(60)
@pytest.mark.parametrize(
    ("total", "complete"), [(1, True), ("1", True), (1.0, True), ("1.0", True), ("2", False), (2.0, False)]
)
def test_a_total_may_be_a_text_or_have_a_fraction(total: Any, *, complete: bool) -> None:
    listed = to_listed({"totalResults": total, "Resources": [user()]})
    assert listed is not None
    assert listed.complete is complete


@pytest.mark.case(60)
@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_names_of_members_count_in_whatever_case(change: Callable[[str], str]) -> None:
    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {change(name): changed(each) for name, each in value.items()}
        return [changed(each) for each in value] if isinstance(value, list) else value

    assert to_capabilities(changed(FULL)) == ALL
    one = user(active=True)
    assert to_found(changed(one)) == to_found(one)
    listing = {"totalResults": 1, "Resources": [one]}
    assert to_listed(changed(listing)) == to_listed(listing)
    results = {"Operations": [{"bulkId": "0", "status": "201", "location": "https://x/Users/p1", "response": one}]}
    assert to_bulk_results(changed(results)) == to_bulk_results(results)
    assert known_scim_type(changed({"scimType": "uniqueness"})) == "uniqueness"


@pytest.mark.parametrize(
    ("said", "active"), [(True, True), ("true", True), ("False", False), ("maybe", None), (1, None)]
)
def test_a_truth_may_be_a_text(said: Any, *, active: bool | None) -> None:
    found = to_found(user(active=said))
    assert found is not None
    assert found.active is active


def result(**members: Any) -> dict[str, Any]:
    return {
        "bulkId": "0",
        "status": "201",
        "version": 'W/"7"',
        "location": "https://example.com/scim/v2/Users/p1",
    } | members


def of(**members: Any) -> BulkResult | None:
    results = to_bulk_results({"Operations": [result(**members)]})
    return None if results is None else results.by_bulk_id.get("0")


def test_results_of_bulk_requests_are_read() -> None:
    assert of() == BulkResult(201, "", Ref("p1", 'W/"7"'))
    assert of(location=None, version=None, response=user()) == BulkResult(201, "", Ref("p1", 'W/"1"'))
    assert of(location=None) == BulkResult(201, "", None)
    assert of(version=None) == BulkResult(201, "", Ref("p1"))
    assert of(status="409", response={"scimType": "uniqueness", "detail": "canary"}) == BulkResult(
        409, "uniqueness", None
    )


@pytest.mark.parametrize("status", ["200", "400"])
def test_a_result_without_a_bulk_id_is_that_of_the_user_at_its_location(status: str) -> None:
    one = result(status=status)
    del one["bulkId"]
    results = to_bulk_results({"Operations": [one, one | {"location": None}]})
    assert results is not None
    assert results.by_bulk_id == {}
    assert {user_id: found.status for user_id, found in results.by_user.items()} == {"p1": int(status)}


@pytest.mark.parametrize("status", ["200", 200, {"code": "200"}, {"code": 200}])
def test_a_status_is_read_in_every_form(status: Any) -> None:
    found = of(status=status)
    assert found is not None
    assert found.status == 200


@pytest.mark.parametrize("status", [None, "", "ok", "20", "2000", "٢٠٠", -200, 1.5, True, [], {}, {"code": None}])
def test_a_result_without_a_status_is_none(status: Any) -> None:
    assert of(status=status) is None


@pytest.mark.parametrize("bulk_id", [None, 1, "", [], {}])
def test_a_result_without_a_bulk_id_is_ignored(bulk_id: Any) -> None:
    assert of(bulkId=bulk_id) is None


@pytest.mark.parametrize("operations", [None, "", 1, {}])
def test_without_operations_there_are_no_results(operations: Any) -> None:
    assert to_bulk_results({"Operations": operations}) is None
    assert to_bulk_results({"Operations": [None, 1, "", []]}) == BulkResults({}, {})


@pytest.mark.parametrize(
    ("location", "user_id"),
    [
        ("https://example.com/scim/v2/Users/p1", "p1"),
        ("/Users/7/", "7"),
        ("https://example.com/scim/v2/Users/a%2Fb", "a/b"),
        ("https://example.com/scim/v2/Users/", None),
        ("https://example.com/scim/v2/Users/..", None),
        ("https://example.com/scim/v2/Groups/p1", None),
        ("https://[::1/Users/p1", None),
        ("", None),
        (None, None),
        (1, None),
    ],
)
def test_an_id_is_found_in_a_location(location: Any, user_id: str | None) -> None:
    assert id_in_location(location) == user_id


@pytest.mark.parametrize("kind", [None, 1, [], {}, "canary", "uniqueness canary"])
def test_only_scim_types_of_the_rfc_are_quoted(kind: Any) -> None:
    assert known_scim_type({"scimType": kind}) == ""
    assert known_scim_type({"scimType": "invalidValue"}) == "invalidValue"


@given(st.dictionaries(NAMES, ANYTHING), LEAVES)
def test_any_content_is_read_or_left_out(content: dict[str, Any], leaf: Any) -> None:
    assert to_capabilities(content).bulk_operations >= 0
    listed, results, found = to_listed(content), to_bulk_results(content), to_found(content)
    kept = [*(listed.users if listed is not None else ()), *([found] if found is not None else ())]
    done = [*results.by_bulk_id.values(), *results.by_user.values()] if results is not None else []
    refs = [*(each.ref for each in kept), *(each.ref for each in done if each.ref is not None)]
    assert all(usable_id(ref.id) == ref.id for ref in refs)
    assert known_scim_type(content) in ("", content.get("scimType"))
    assert to_found(leaf) is None
    assert id_in_location(leaf) is None or isinstance(leaf, str)
