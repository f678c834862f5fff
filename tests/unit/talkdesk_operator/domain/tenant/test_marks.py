"""Whose an object is, by its labels and its annotation."""

from typing import Any

import pytest

from builders.objects import tenant
from talkdesk_crds.names import (
    ANNOTATION_OWNER,
    LABEL_APP,
    LABEL_MANAGED_BY,
    LABEL_NAMESPACE,
    LABEL_SHARD_SLOT,
    LABEL_TENANT,
)
from talkdesk_crds.shard_slots import shard_slot
from talkdesk_operator.domain.tenant.marks import Mark, Ownership, named_tenant, tenant_selector

MARK = Mark("sentiment", "production", "sentiment-acc1", "uid-2", "acc1")
SLOT = shard_slot("production", "sentiment", "acc1")
MADE = MARK.stamp({"kind": "ConfigMap", "metadata": {"name": "a"}})


def without(*labels: str, annotation: bool = True, **others: str) -> dict[str, Any]:
    """Our object without some labels or the annotation, or with other values of labels."""
    metadata = MADE["metadata"]
    kept = {key: value for key, value in metadata["labels"].items() if key not in labels}
    named = metadata["annotations"] if annotation else {}
    return {
        "metadata": {"labels": kept | {f"appconnect.talkdesk.dev/{k}": v for k, v in others.items()}}
        | {"annotations": named}
    }


def of(**fields: str) -> dict[str, Any]:
    """An object of another tenant."""
    known = {
        "app": "sentiment",
        "namespace": "production",
        "tenant": "sentiment-acc1",
        "uid": "uid-2",
        "account_id": "acc1",
    }
    return Mark(**(known | fields)).stamp({"metadata": {"name": "a"}})


ALL = (LABEL_APP, LABEL_MANAGED_BY, LABEL_NAMESPACE, LABEL_TENANT)


@pytest.mark.case(69)
@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (MADE, Ownership.OURS),
        (of(uid="uid-1"), Ownership.EARLIER),
        (of(namespace="staging"), Ownership.ANOTHERS),
        (of(namespace="staging", uid="uid-1"), Ownership.ANOTHERS),
        (of(tenant="sentiment-acc2"), Ownership.ANOTHERS),
        (of(app="voice", tenant="voice-acc1"), Ownership.ANOTHERS),
        (of(app="voice"), Ownership.DOUBTFUL),
        ({}, Ownership.UNMARKED),
        ({"metadata": {"labels": None, "annotations": None}}, Ownership.UNMARKED),
        ({"metadata": {"labels": {LABEL_MANAGED_BY: "Helm"}}}, Ownership.UNMARKED),
        (without(*ALL, annotation=False), Ownership.UNMARKED),
        (without(*ALL), Ownership.DOUBTFUL),
        *((without(label), Ownership.DOUBTFUL) for label in ALL),
        *((without(*(set(ALL) - {label}), annotation=False), Ownership.DOUBTFUL) for label in ALL),
        (without(annotation=False), Ownership.DOUBTFUL),
        (without(namespace="staging"), Ownership.DOUBTFUL),
        (without(tenant="sentiment-acc2"), Ownership.DOUBTFUL),
        ({"metadata": {"annotations": {ANNOTATION_OWNER: ""}}}, Ownership.DOUBTFUL),
        ({"metadata": {"annotations": {ANNOTATION_OWNER: "production/sentiment-acc1"}}}, Ownership.DOUBTFUL),
    ],
)
def test_an_object_is_ours_only_when_all_marks_say_so(live: dict[str, Any], expected: Ownership) -> None:
    assert MARK.judge(live) is expected


def test_marks_are_added_to_what_the_template_says_and_replace_forged_ones() -> None:
    labels = {"team": "blue", LABEL_TENANT: "of-another"}
    source = {"metadata": {"name": "a", "labels": labels, "annotations": {ANNOTATION_OWNER: "x", "note": "y"}}}
    metadata = MARK.stamp(source)["metadata"]
    assert metadata["labels"] == {"team": "blue", LABEL_SHARD_SLOT: str(SLOT)} | MARK.labels
    assert metadata["annotations"] == {ANNOTATION_OWNER: "production/sentiment-acc1/uid-2", "note": "y"}
    assert source["metadata"]["labels"] == labels


def test_the_mark_names_the_stored_record() -> None:
    made = tenant()
    assert Mark.of(made) == Mark("sentiment", "team", made.metadata.name, made.metadata.uid, made.spec.account_id)


def test_every_label_fits_though_the_tenants_name_does_not() -> None:
    long = Mark("sentiment", "production", "t" * 253, "uid-2", "acc1")
    live = long.stamp({"metadata": {"name": "a"}})
    assert max(map(len, live["metadata"]["labels"].values())) <= 63
    assert long.judge(live) is Ownership.OURS
    assert named_tenant(live) == ("production", "t" * 253, "uid-2")
    assert live["metadata"]["labels"][LABEL_TENANT] in tenant_selector("production", "t" * 253)
