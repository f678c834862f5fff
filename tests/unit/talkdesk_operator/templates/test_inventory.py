from typing import Any

import pytest

from talkdesk_crds.names import ANNOTATION_ON_REMOVE
from talkdesk_operator.templates import (
    CompiledTemplate,
    InventoryEntry,
    StepSource,
    deletion_order,
    departed,
    merge,
    planned,
    render,
)


def entry(name: str, **overrides: Any) -> InventoryEntry:
    defaults = {"step": "base", "group": "", "version": "v1", "kind": "ConfigMap", "namespace": "ns"}
    return InventoryEntry(**(defaults | {"name": name} | overrides))


def names(entries: tuple[InventoryEntry, ...]) -> list[str]:
    return [item.name for item in entries]


def test_planned_returns_every_object_in_the_order_of_the_template() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t"}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "t"}}
    steps = [StepSource("base", [namespace]), StepSource("app", [deployment], on_offboard="Delete")]
    rendered = render(CompiledTemplate.compile("t", steps, "r1"), {}, app_name="a", tenant_name="t")

    assert planned(rendered) == (
        InventoryEntry("base", "", "v1", "Namespace", "", "t", "Retain"),
        InventoryEntry("app", "apps", "v1", "Deployment", "t", "d", "Delete"),
    )


def test_merge_keeps_every_entry_and_the_uids_that_are_known() -> None:
    previous = (entry("left", uid="1"), entry("kept", uid="2", version="v1beta1", step="old"))
    wanted = (entry("new"), entry("kept"))

    assert merge(previous, wanted) == (entry("new"), entry("kept", uid="2"), entry("left", uid="1"))


def test_merge_is_stable() -> None:
    wanted = (entry("a"), entry("b"))
    once = merge((entry("left", uid="1"),), wanted)

    assert merge(once, wanted) == once


def test_the_version_does_not_make_another_object() -> None:
    assert departed((entry("a", group="g", version="v1"),), (entry("a", group="g", version="v2"),)) == ()


@pytest.mark.case(68)
def test_the_step_does_not_make_another_object() -> None:
    assert departed((entry("a", step="old"),), (entry("a", step="new"),)) == ()


def test_each_part_of_the_identity_makes_another_object() -> None:
    for part in ("group", "kind", "namespace", "name"):
        assert entry(**({"name": "a"} | {part: "other"})).identity != entry("a").identity


def test_what_left_the_template_is_what_is_recorded_and_not_wanted() -> None:
    previous = (entry("a"), entry("b"), entry("c", step="app"), entry("d"))

    assert names(departed(previous, (entry("b"), entry("new")))) == ["a", "c", "d"]


def test_an_objects_own_word_on_its_leaving_goes_before_its_steps() -> None:
    manifests = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "annotations": annotations}}
        for name, annotations in (("a", {ANNOTATION_ON_REMOVE: "Retain"}), ("b", {}))
    ]
    steps = [StepSource("base", manifests, on_remove="Delete"), StepSource("app", [manifests[0] | {"kind": "Secret"}])]
    rendered = render(CompiledTemplate.compile("t", steps, "r1"), {}, app_name="a", tenant_name="t")

    assert [item.on_remove for item in planned(rendered)] == ["Retain", "Delete", "Retain"]


def test_steps_and_objects_are_deleted_in_reverse_and_namespaces_last_within_their_step() -> None:
    namespace = {"kind": "Namespace", "namespace": ""}
    inventory = (
        entry("ns-1", **namespace),
        entry("role"),
        entry("ns-2", **namespace),
        entry("quota"),
        entry("db", step="data"),
        entry("web", step="app"),
        entry("ns-3", step="app", **namespace),
    )

    assert names(deletion_order(inventory)) == ["web", "ns-3", "db", "quota", "role", "ns-2", "ns-1"]


def test_a_namespace_of_another_group_is_an_object_like_any_other() -> None:
    inventory = (entry("a"), entry("b", group="example.com", kind="Namespace"))

    assert names(deletion_order(inventory)) == ["b", "a"]


def test_what_left_the_template_is_deleted_within_its_own_step() -> None:
    recorded = merge((entry("gone"),), (entry("base"), entry("app", step="app")))

    assert names(deletion_order(recorded)) == ["app", "gone", "base"]


def test_role_bindings_go_after_the_namespace_that_they_are_in_whatever_their_step() -> None:
    binding = {"group": "rbac.authorization.k8s.io", "kind": "RoleBinding"}
    inventory = (
        entry("x", kind="Namespace", namespace=""),
        entry("own", namespace="x", **binding),
        entry("settings", namespace="x"),
        entry("later", namespace="x", step="app", **binding),
        entry("web", namespace="x", step="app"),
        entry("elsewhere", namespace="y", step="app", **binding),
    )

    assert names(deletion_order(inventory)) == ["elsewhere", "web", "settings", "x", "later", "own"]
