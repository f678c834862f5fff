"""Drift is detected from objects' metadata, and reported once with the tenant that owns the object."""

from collections.abc import Mapping
from typing import Any

import pytest

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.names import FIELD_MANAGER, LABEL_TENANT
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Sighting, Target, observed_object, targets_of
from talkdesk_operator.reconcilers.apps import compile_app

pytestmark = pytest.mark.case(51)
NOON, LATER = "2026-01-01T12:00:00Z", "2026-01-01T12:00:01Z"


def ours(*fields: str, time: str | None = NOON, **entry: Any) -> dict[str, Any]:
    owned: dict[str, Any] = {"f:data": {f"f:{field}": {} for field in fields}}
    return {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": owned, "time": time} | entry


def theirs(*fields: str, time: str | None = NOON, **entry: Any) -> dict[str, Any]:
    return ours(*fields, time=time) | {"manager": "kubectl-edit", "operation": "Update"} | entry


def raw(version: object, *entries: Any, uid: Any = "u1", tenant: Any = "one") -> dict[str, Any]:
    metadata = {"uid": uid, "resourceVersion": version, "labels": {LABEL_TENANT: tenant}, "managedFields": [*entries]}
    return {"metadata": metadata}


def drifted(detector: DriftDetector, found: Mapping[str, Any]) -> str | None:
    """Return the tenant whose object is seen to have drifted."""
    change = detector.present(found)
    return change[0] if change is not None and change[1] is Change.DRIFTED else None


def seen(*objects: Mapping[str, Any]) -> DriftDetector:
    detector = DriftDetector()
    for found in objects:
        detector.present(found)
    return detector


@pytest.mark.case(75)
def test_an_object_whose_fields_are_nested_too_deep_is_observed_all_the_same() -> None:
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"f:a": deep}
    detector = seen(raw("5", ours() | {"fieldsV1": deep}))
    assert detector.present(raw("6", ours() | {"fieldsV1": deep})) != ("one", Change.DRIFTED)
    assert detector.version("u1") == "6"


def test_an_object_that_is_seen_for_the_first_time_has_not_drifted() -> None:
    assert DriftDetector().present(raw("5", theirs("a"))) is None


def test_the_version_in_which_an_object_was_last_seen_is_known_if_it_has_one() -> None:
    detector = seen(raw("5", ours("a")), raw("opaque", ours("a"), uid="u2"))
    assert [detector.version(uid) for uid in ("u1", "u2", "u3")] == ["5", None, None]
    detector.applied(raw("7", ours("a")))
    assert detector.version("u1") == "7"
    detector.gone(raw("8", ours("a")))
    assert detector.version("u1") is None


@pytest.mark.parametrize(
    "after",
    [
        raw("6", ours("b"), theirs("a", time=LATER)),
        raw("6", ours("b"), theirs("a")),
        raw("6", ours("b")),
        raw("6", theirs("a", "b")),
        raw("6"),
        raw("6", ours("b"), tenant="another"),
    ],
    ids=["changed", "changed within the second", "removed", "all of it changed", "managers wiped out", "relabelled"],
)
def test_an_object_that_loses_a_field_of_ours_has_drifted_and_is_reported_once(after: dict[str, Any]) -> None:
    detector = seen(raw("5", ours("a", "b")))
    assert drifted(detector, after) == "one"
    assert drifted(detector, after) is None
    metadata = after["metadata"]
    assert drifted(detector, {"metadata": metadata | {"resourceVersion": "7"}}) is None


@pytest.mark.parametrize(
    "after",
    [
        raw("6", ours("a", "b"), theirs("c", time=LATER)),
        raw("6", ours("a", "b"), theirs("status", subresource="status", time=LATER)),
        raw("6", ours("s", subresource="status", time=LATER), ours("a", "b")),
        raw("6", ours("a", "b", "c", time=LATER)),
        raw("6", ours("a", "b", "c")),
        raw("6", ours("a", time=LATER)),
        raw("5", ours("a")),
        raw("4", ours("a")),
    ],
    ids=[
        "another's fields",
        "status",
        "our own status",
        "more by our apply",
        "more by our apply within the second",
        "less by our apply",
        "seen already",
        "older",
    ],
)
def test_an_object_with_all_our_fields_or_a_newer_apply_has_not_drifted(after: dict[str, Any]) -> None:
    assert drifted(seen(raw("5", ours("a", "b"))), after) is None


def test_the_watch_event_of_our_own_apply_is_not_drift() -> None:
    detector = seen(raw("5", ours("a", "b")))
    detector.applied(raw("6", ours("a")))
    assert drifted(detector, raw("6", ours("a"))) is None


def test_a_change_that_our_apply_has_overwritten_is_not_drift() -> None:
    detector = seen(raw("5", ours("a")))
    detector.applied(raw("7", ours("a", time=LATER)))
    assert drifted(detector, raw("6", theirs("a"))) is None


def test_a_change_right_after_our_apply_is_found_by_the_next_list() -> None:
    detector = seen(raw("5", ours("a", "b")))
    detector.applied(raw("6", ours("a", "b", time=LATER)))
    assert drifted(detector, raw("7", ours("b", time=LATER), theirs("a", time=LATER))) == "one"


def test_a_late_response_to_our_apply_does_not_hide_a_change() -> None:
    detector = seen(raw("5", ours("a")), raw("7", ours("a")))
    detector.applied(raw("6", ours("a", "b")))
    assert drifted(detector, raw("8", theirs("a"))) == "one"


def test_a_change_of_something_else_is_told_from_drift_and_from_what_was_seen_already() -> None:
    detector = seen(raw("5", ours("a")))
    status = raw("6", ours("a"), theirs("status", subresource="status", time=LATER))
    assert detector.present(status) == ("one", Change.OTHER)
    assert detector.present(status) is None
    detector.applied(raw("8", ours("a", time=LATER)))
    assert detector.present(raw("8", ours("a", time=LATER))) is None


def test_what_is_known_of_an_object_tells_which_fields_are_ours_and_whether_anything_may_be_unknown() -> None:
    detector = DriftDetector(limit=2)
    detector.present(raw("5", ours("a", "b"), uid="u1"))
    assert not detector.is_full
    detector.present(raw("5", theirs("a"), uid="u2"))
    assert detector.is_full
    one, two = detector.known("u1"), detector.known("u2")
    assert one is not None
    assert two is not None
    assert (bool(one.fields), two.fields) == (True, "")
    assert detector.known("u3") is None


@pytest.mark.case(88)
def test_a_sighting_names_the_object_and_keeps_who_has_which_field_of_a_drift_alone() -> None:
    target = Target("team", "sentiment", "user", "apps", "v1", "Deployment")
    found = raw("5", theirs("a"))
    found["metadata"] |= {"name": "web", "namespace": "td-1"}
    drift = Sighting.of(target, Change.DRIFTED, "one", found)
    assert (drift.place, drift.object) == (("team", "one"), ("apps", "Deployment", "td-1", "web"))
    assert drift.managed_fields == (theirs("a"),)
    assert Sighting.of(target, Change.OTHER, "one", found).managed_fields == ()
    del found["metadata"]["namespace"], found["metadata"]["managedFields"]
    assert Sighting.of(target, Change.DRIFTED, "one", found) == Sighting(target, Change.DRIFTED, "one", "", "web")


def test_a_deleted_object_is_reported_with_its_tenant() -> None:
    detector = seen(raw("5", ours("a")))
    assert detector.gone(raw("6", tenant="relabelled")) == "one"
    assert detector.gone(raw("6", uid="unknown", tenant="two")) == "two"
    assert len(detector) == 0


def test_our_own_deletion_of_an_object_is_expected_once() -> None:
    detector = seen(raw("1", ours("a")))
    assert not detector.is_expected(raw("2"))
    detector.expect_deletion("u1")
    detector.expect_deletion("unknown")
    assert not detector.is_expected(raw("2", uid="unknown"))
    assert detector.is_expected(raw("2"))
    assert detector.gone(raw("2")) == "one"
    assert not detector.is_expected(raw("3"))


def test_a_deletion_of_ours_that_a_list_shows_is_forgotten() -> None:
    detector = seen(raw("1", ours("a")))
    detector.expect_deletion("u1")
    assert detector.retain((), "9") == {"one"}
    assert not detector.is_expected(raw("10"))


def test_an_object_that_a_list_no_longer_contains_was_deleted() -> None:
    detector = seen(raw("5", uid="kept"), raw("6", uid="lost", tenant="two"))
    assert detector.retain({"kept"}, "9") == {"two"}
    assert detector.retain({"kept"}, "9") == frozenset()


def test_an_object_that_was_applied_after_a_list_is_not_reported_as_deleted() -> None:
    detector = seen(raw("5", uid="kept"))
    detector.applied(raw("10", uid="new"))
    assert detector.retain({"kept"}, "9") == frozenset()
    assert len(detector) == 2


def test_resource_versions_that_are_not_numbers_count_in_the_order_of_arrival() -> None:
    detector = seen(raw("x", ours("a", "b")))
    detector.applied(raw("y", ours("a", "b", "c")))
    assert drifted(detector, raw("w", ours("a"))) == "one"
    assert detector.retain(set(), "z") == {"one"}


def test_the_number_of_remembered_objects_is_bounded() -> None:
    detector = DriftDetector(limit=1)
    for number in range(3):
        detector.present(raw("5", ours("a"), uid=f"u{number}"))
    assert len(detector) == 1
    assert drifted(detector, raw("6", uid="u0")) == "one"
    assert drifted(detector, raw("6", uid="u1")) is None
    assert detector.gone(raw("7", uid="u1", tenant="two")) == "two"


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"metadata": None},
        {"metadata": []},
        {"metadata": {}},
        {"metadata": {"uid": "u", "resourceVersion": "1"}},
        {"metadata": {"uid": "u", "resourceVersion": "1", "labels": None}},
        raw("1", tenant=None),
        raw("1", tenant=""),
        raw(1),
        raw("1", uid=None),
    ],
)
def test_objects_without_a_tenants_label_or_with_malformed_metadata_are_ignored(strange: dict[str, Any]) -> None:
    detector = DriftDetector()
    assert observed_object(strange) is None
    assert (drifted(detector, strange), detector.gone(strange)) == (None, None)
    detector.applied(strange)
    assert len(detector) == 0


@pytest.mark.parametrize(
    "entry", [None, "text", {}, {"manager": FIELD_MANAGER}, ours("a", time=None), ours("a") | {"manager": 1}]
)
def test_malformed_entries_of_managed_fields_are_ignored(entry: Any) -> None:
    assert drifted(seen(raw("5", ours("a"))), raw("6", entry)) == "one"


def test_managed_fields_that_are_not_a_list_are_ignored() -> None:
    strange = raw("6")
    strange["metadata"]["managedFields"] = None
    assert drifted(seen(raw("5", ours("a"))), strange) == "one"


def app(*manifests: Mapping[str, Any]) -> TalkdeskApp:
    steps = [{"name": f"s{n}", "manifests": [manifest]} for n, manifest in enumerate(manifests)]
    tenant = {"name": "td-${account.id}", "serviceAccountName": "maker", "steps": steps}
    metadata = {"name": "sentiment", "namespace": "team", "uid": "u", "resourceVersion": "1", "generation": 1}
    spec = {"appId": "a" * 32, "region": "US", "tenant": tenant}
    return TalkdeskApp.read({**TalkdeskApp.head(), "metadata": metadata, "spec": spec})


def manifest(api_version: str, kind: str, name: str = "x") -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def test_each_kind_of_a_template_is_one_target_for_the_apps_service_account() -> None:
    view = compile_app(
        app(manifest("v1", "Namespace"), manifest("apps/v1", "Deployment"), manifest("v1", "Namespace", "y"))
    )
    identity = "system:serviceaccount:team:maker"
    assert view.problem == ""
    assert targets_of(view) == {
        Target("team", "sentiment", identity, "", "v1", "Namespace"),
        Target("team", "sentiment", identity, "apps", "v1", "Deployment"),
    }


def test_an_invalid_template_has_no_targets() -> None:
    view = compile_app(app({"kind": "Namespace"}))
    assert view.problem
    assert targets_of(view) == frozenset()
