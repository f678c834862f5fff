"""Kinds outside all namespaces, and the identity of their objects."""

from typing import Any

import pytest

from talkdesk_operator.templates import CompiledTemplate, InventoryEntry, RenderError, StepSource, TemplateError, render
from talkdesk_operator.templates.render import RenderedTenant
from talkdesk_operator.templates.scopes import KindScopes, canonical, canonical_entries, may_be_same

SCOPES: KindScopes = {("", "Namespace"): False, ("", "ConfigMap"): True, ("example.com", "ClusterWidget"): False}

pytestmark = pytest.mark.case(68)


def manifest(kind: str, name: str = "a", version: str = "v1", **place: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}}


def rendered(*manifests: dict[str, Any]) -> RenderedTenant:
    steps = [StepSource(f"s{number}", [each]) for number, each in enumerate(manifests)]
    return render(CompiledTemplate.compile("t", steps, "r1"), {}, app_name="a", tenant_name="t")


def places(tenant: RenderedTenant) -> list[str | None]:
    return [each["metadata"].get("namespace") for step in tenant.steps for each in step.objects]


def entry(kind: str, namespace: str = "", **fields: Any) -> InventoryEntry:
    return InventoryEntry(
        **({"step": "base", "group": "", "version": "v1", "name": "a"} | fields), kind=kind, namespace=namespace
    )


def test_a_namespace_that_means_nothing_is_taken_off() -> None:
    widget = manifest("ClusterWidget", version="example.com/v1", namespace="x")
    tenant = rendered(manifest("Namespace", namespace="default"), widget, manifest("ConfigMap", namespace="x"))
    assert places(canonical(tenant, SCOPES)) == [None, None, "x"]
    assert places(tenant) == ["default", "x", "x"]


def test_of_a_kind_of_which_nothing_is_known_the_namespace_stays() -> None:
    assert places(canonical(rendered(manifest("Other", namespace="x")), SCOPES)) == ["x"]


def test_one_object_in_two_namespaces_is_refused_when_its_kind_is_in_none() -> None:
    twice = [manifest("ClusterWidget", version="example.com/v1", namespace=place) for place in ("x", "y")]
    with pytest.raises(RenderError) as caught:
        canonical(rendered(*twice), SCOPES)
    assert "ClusterWidget a" in caught.value.reason
    assert caught.value.path == "steps[s1]"


def test_an_inventory_of_an_older_version_is_read_without_such_namespaces() -> None:
    old = (entry("Namespace", "default", uid="1"), entry("ConfigMap", "x", uid="2"), entry("Other", "x", uid="3"))
    assert [each.namespace for each in canonical_entries(old, SCOPES)] == ["", "x", "x"]


@pytest.mark.parametrize("uids", [("1", ""), ("", "1"), ("1", "2")])
def test_two_entries_that_are_one_object_become_one_with_the_first_uid_that_is_known(uids: tuple[str, str]) -> None:
    both = (entry("Namespace", "", uid=uids[0], step="new"), entry("Namespace", "default", uid=uids[1], step="old"))
    (only,) = canonical_entries(both, SCOPES)
    assert (only.namespace, only.uid, only.step) == ("", "1", "new")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (entry("ConfigMap", "x"), entry("ConfigMap", "x", version="v2", step="other"), True),
        (entry("ConfigMap", "x"), entry("ConfigMap", "y"), False),
        (entry("Other", "x"), entry("Other"), True),
        (entry("Other", "x"), entry("Other", "y"), True),
        (entry("Other", "x"), entry("Other", "x", name="b"), False),
        (entry("Other", "x"), entry("Other", "x", group="g"), False),
    ],
)
def test_in_doubt_two_entries_may_be_the_same_object(one: InventoryEntry, other: InventoryEntry, *, same: bool) -> None:
    assert may_be_same(one, other, SCOPES) is same


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (manifest("ConfigMap", namespace="x"), manifest("ConfigMap", namespace="x")),
        (manifest("Namespace", namespace="default"), manifest("Namespace")),
        (
            manifest("Namespace", "${tenant.name}", namespace="a"),
            manifest("Namespace", "${tenant.name}", namespace="b"),
        ),
        (manifest("Other", version="g/v1", namespace="x"), manifest("Other", version="g/v2")),
        (manifest("Other", version="g/v1"), manifest("Other", version="g/v1", namespace="x")),
    ],
)
def test_a_template_that_describes_an_object_twice_is_refused_at_the_app(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(first, second)
    (problem,) = caught.value.problems
    assert problem.path == "steps[s1].manifests[0]"
    assert "steps[s0].manifests[0]" in problem.reason


@pytest.mark.parametrize(
    "second",
    [
        manifest("ConfigMap", namespace="y"),
        manifest("ConfigMap", "b", namespace="x"),
        manifest("Secret", namespace="x"),
        manifest("ConfigMap", version="g/v1", namespace="x"),
    ],
)
def test_objects_that_differ_are_no_duplicates(second: dict[str, Any]) -> None:
    assert len(rendered(manifest("ConfigMap", namespace="x"), second).steps) == 2


def test_a_manifest_that_is_wrong_otherwise_is_reported_for_that_alone() -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(manifest("ConfigMap"), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    assert [problem.path for problem in caught.value.problems] == ["steps[s1].manifests[0].metadata.name"]
