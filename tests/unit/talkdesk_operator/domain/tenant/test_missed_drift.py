"""What drifted while nobody watched is found by comparing the first listing with the record."""

from typing import Any

import pytest

from talkdesk_crds.names import FIELD_MANAGER, LABEL_TENANT
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Target
from talkdesk_operator.domain.tenant.managed_fields import fingerprint, own_entry
from talkdesk_operator.domain.tenant.missed_drift import is_disputed, missed_drift

pytestmark = pytest.mark.case(88)
TARGET = Target("team", "sentiment", "user", "", "v1", "ConfigMap")
PLANNED = {"step": "base", "version": "v1", "kind": "ConfigMap", "namespace": "td-1", "name": "facts"}


def entry(*keys: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:data": {f"f:{key}": {} for key in keys}}
    return {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields, "time": "2026-01-01T12:00:00Z"}


def listed(*keys: str, uid: str = "u1", limit: int = 10) -> DriftDetector:
    detector = DriftDetector(limit)
    metadata = {"uid": uid, "resourceVersion": "5", "labels": {LABEL_TENANT: "one"}, "managedFields": [entry(*keys)]}
    detector.present({"metadata": metadata})
    return detector


def condition(kind: str, status: str = "True") -> dict[str, Any]:
    return {"type": kind, "status": status}


def tenant(*conditions: dict[str, Any], state: str = "Active", planned: bool = True, **item: Any) -> dict[str, Any]:
    recorded = PLANNED | {"uid": "u1", "appliedFields": fingerprint(own_entry([entry("a", "b")]))} | item
    return {
        "metadata": {"name": "one"},
        "spec": {"state": state, "objects": [PLANNED] if planned else []},
        "status": {"conditions": list(conditions) or [condition("Ready")], "inventory": [recorded]},
    }


def found(raw: dict[str, Any], detector: DriftDetector) -> list[Change]:
    sightings = list(missed_drift(raw, TARGET, detector))
    assert all((each.tenant, each.object) == ("one", ("", "ConfigMap", "td-1", "facts")) for each in sightings)
    return [each.change for each in sightings]


def test_an_object_as_it_was_applied_has_not_drifted() -> None:
    assert found(tenant(), listed("a", "b")) == []


def test_an_object_that_is_gone_or_was_made_anew_has_drifted() -> None:
    assert found(tenant(), DriftDetector()) == [Change.DELETED]
    assert found(tenant(), listed("a", "b", uid="of-another")) == [Change.DELETED]


def test_a_job_that_has_completed_may_be_gone() -> None:
    assert found(tenant(completedInputs="x"), DriftDetector()) == []
    assert found(tenant(completedInputs=""), DriftDetector()) == [Change.DELETED]
    assert found(tenant(completedInputs="x"), listed("a")) == [Change.DRIFTED]


def test_an_object_that_lost_fields_of_ours_has_drifted() -> None:
    assert found(tenant(), listed("a")) == [Change.DRIFTED]
    assert found(tenant(state="Suspended"), listed("a")) == [Change.DRIFTED]


@pytest.mark.parametrize(
    "raw",
    [
        tenant(state="Offboarded"),
        tenant(condition("Ready", "False")),
        tenant(condition("Stalled")),
        tenant(planned=False),
        tenant(uid=""),
        tenant(kind="Secret"),
        tenant(group="apps"),
        {"metadata": {"name": "one"}},
    ],
    ids=["offboarded", "not ready", "never judged", "pruned", "unconfirmed", "another kind", "another group", "new"],
)
def test_what_is_not_held_to_the_template_now_is_not_compared(raw: dict[str, Any]) -> None:
    assert found(raw, DriftDetector()) == []


def test_a_record_of_an_earlier_version_of_the_operator_shows_missing_objects_alone() -> None:
    raw = tenant(appliedFields="")
    assert found(raw, listed("a")) == []
    assert found(raw, DriftDetector()) == [Change.DELETED]


def test_nothing_is_taken_for_missing_where_not_everything_is_remembered() -> None:
    assert found(tenant(), listed("a", uid="another", limit=1)) == []


@pytest.mark.case(87)
def test_a_dispute_of_before_is_seen_in_the_status() -> None:
    assert is_disputed(tenant(condition("Contested")))
    assert not is_disputed(tenant(condition("Contested", "False")))
    assert not is_disputed({})
