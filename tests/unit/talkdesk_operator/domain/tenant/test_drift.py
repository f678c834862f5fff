"""Drift is detected from objects' metadata, and reported once with the tenant that owns the object."""

from collections.abc import Mapping
from typing import Any

import pytest

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.names import FIELD_MANAGER, LABEL_TENANT
from talkdesk_operator.domain.tenant.drift import DriftDetector, Target, observed_object, targets_of
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


def seen(*objects: Mapping[str, Any]) -> DriftDetector:
    detector = DriftDetector()
    for found in objects:
        detector.present(found)
    return detector


def test_an_object_that_is_seen_for_the_first_time_has_not_drifted() -> None:
    assert DriftDetector().present(raw("5", theirs("a"))) is None


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
    assert detector.present(after) == "one"
    assert detector.present(after) is None
    metadata = after["metadata"]
    assert detector.present({"metadata": metadata | {"resourceVersion": "7"}}) is None


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
    assert seen(raw("5", ours("a", "b"))).present(after) is None


def test_the_watch_event_of_our_own_apply_is_not_drift() -> None:
    detector = seen(raw("5", ours("a", "b")))
    detector.applied(raw("6", ours("a")))
    assert detector.present(raw("6", ours("a"))) is None


def test_a_change_that_our_apply_has_overwritten_is_not_drift() -> None:
    detector = seen(raw("5", ours("a")))
    detector.applied(raw("7", ours("a", time=LATER)))
    assert detector.present(raw("6", theirs("a"))) is None


def test_a_change_right_after_our_apply_is_found_by_the_next_list() -> None:
    detector = seen(raw("5", ours("a", "b")))
    detector.applied(raw("6", ours("a", "b", time=LATER)))
    assert detector.present(raw("7", ours("b", time=LATER), theirs("a", time=LATER))) == "one"


def test_a_late_response_to_our_apply_does_not_hide_a_change() -> None:
    detector = seen(raw("5", ours("a")), raw("7", ours("a")))
    detector.applied(raw("6", ours("a", "b")))
    assert detector.present(raw("8", theirs("a"))) == "one"


def test_a_deleted_object_is_reported_with_its_tenant() -> None:
    detector = seen(raw("5", ours("a")))
    assert detector.gone(raw("6", tenant="relabelled")) == "one"
    assert detector.gone(raw("6", uid="unknown", tenant="two")) == "two"
    assert len(detector) == 0


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
    assert detector.present(raw("w", ours("a"))) == "one"
    assert detector.retain(set(), "z") == {"one"}


def test_the_number_of_remembered_objects_is_bounded() -> None:
    detector = DriftDetector(limit=1)
    for number in range(3):
        detector.present(raw("5", ours("a"), uid=f"u{number}"))
    assert len(detector) == 1
    assert detector.present(raw("6", uid="u0")) == "one"
    assert detector.present(raw("6", uid="u1")) is None
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
    assert (detector.present(strange), detector.gone(strange)) == (None, None)
    detector.applied(strange)
    assert len(detector) == 0


@pytest.mark.parametrize(
    "entry", [None, "text", {}, {"manager": FIELD_MANAGER}, ours("a", time=None), ours("a") | {"manager": 1}]
)
def test_malformed_entries_of_managed_fields_are_ignored(entry: Any) -> None:
    assert seen(raw("5", ours("a"))).present(raw("6", entry)) == "one"


def test_managed_fields_that_are_not_a_list_are_ignored() -> None:
    strange = raw("6")
    strange["metadata"]["managedFields"] = None
    assert seen(raw("5", ours("a"))).present(strange) == "one"


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
