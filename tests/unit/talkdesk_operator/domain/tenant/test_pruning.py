"""Which objects that left the template are deleted, and which are kept."""

import shlex
from typing import Any

import pytest

from talkdesk_crds.tenant import OrphanReason
from talkdesk_operator.domain.tenant.pruning import DELETED_BY_DEFAULT, plan_pruning, remove_command
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.readiness import RULES

pytestmark = pytest.mark.case(68)

HOLDS_DATA = [
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("apps", "StatefulSet"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("argoproj.io", "Application"),
    ("postgresql.cnpg.io", "Cluster"),
    ("example.com", "Deployment"),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
]
SCOPED = dict.fromkeys((*DELETED_BY_DEFAULT, *HOLDS_DATA), True) | {("", "Namespace"): False}


def entry(kind: str = "Service", group: str = "", **fields: Any) -> InventoryEntry:
    known = {"step": "base", "version": "v1", "namespace": "td", "name": "a", "uid": "1"}
    return InventoryEntry(**(known | {"kind": kind, "group": group} | fields))


def plan(*left: InventoryEntry, wanted: tuple[InventoryEntry, ...] = (), protected: bool = False, **more: Any) -> Any:
    found = plan_pruning(left, wanted, SCOPED | more.get("scopes", {}), protected=protected)
    assert not {each.identity for each in found.doomed} & {orphan.entry.identity for orphan in found.orphans}
    return [each.name for each in found.doomed], {orphan.entry.name: orphan.reason for orphan in found.orphans}


@pytest.mark.parametrize(("group", "kind"), HOLDS_DATA)
def test_what_may_hold_data_is_kept_unless_the_template_said_delete(group: str, kind: str) -> None:
    assert plan(entry(kind, group)) == ([], {"a": OrphanReason.RETAIN})
    assert plan(entry(kind, group, on_remove="Retain")) == ([], {"a": OrphanReason.RETAIN})
    assert plan(entry(kind, group, on_remove="Delete")) == (["a"], {})


@pytest.mark.parametrize(("group", "kind"), sorted(DELETED_BY_DEFAULT))
def test_what_holds_no_data_is_deleted_unless_the_template_said_retain(group: str, kind: str) -> None:
    assert plan(entry(kind, group)) == (["a"], {})
    assert plan(entry(kind, group, on_remove="Retain")) == ([], {"a": OrphanReason.RETAIN})


def test_each_kind_whose_readiness_is_known_was_judged() -> None:
    assert set(RULES) <= DELETED_BY_DEFAULT | set(HOLDS_DATA)
    assert not DELETED_BY_DEFAULT & set(HOLDS_DATA)


@pytest.mark.parametrize("on_remove", [None, "Delete", "Retain"])
def test_nothing_is_deleted_from_a_protected_tenant(on_remove: Any) -> None:
    assert plan(entry(on_remove=on_remove), protected=True) == ([], {"a": OrphanReason.PROTECTED})


def test_an_object_that_was_just_applied_under_another_identity_is_neither_deleted_nor_an_orphan() -> None:
    moved = entry("Ingress", "extensions", on_remove="Delete", uid="1")
    assert plan(moved, wanted=(entry("Ingress", "networking.k8s.io", uid="1"),)) == ([], {})


def test_an_unknown_uid_is_nobodys_uid() -> None:
    assert plan(entry(uid=""), wanted=(entry("ConfigMap", uid=""),)) == (["a"], {})


def test_an_object_that_may_be_one_of_the_template_is_kept() -> None:
    left = entry("Widget", "g", on_remove="Delete", namespace="default")
    assert plan(left, wanted=(entry("Widget", "g", namespace="", uid="2"),)) == (
        [],
        {"a": OrphanReason.IDENTITY_UNKNOWN},
    )
    known = {("g", "Widget"): True}
    assert plan(left, wanted=(entry("Widget", "g", namespace="b", uid="2"),), scopes=known) == (["a"], {})


def test_a_namespace_with_an_object_of_the_template_in_it_is_kept() -> None:
    space = entry("Namespace", namespace="", name="td", on_remove="Delete")
    assert plan(space, wanted=(entry("ConfigMap", uid="2"),)) == ([], {"td": OrphanReason.IN_USE})
    assert plan(space, wanted=(entry("ConfigMap", namespace="other", uid="2"),)) == (["td"], {})


def test_a_namespace_with_an_orphan_in_it_is_kept() -> None:
    space, claim = entry("Namespace", namespace="", name="td", on_remove="Delete"), entry("PersistentVolumeClaim")
    assert plan(space, claim) == ([], {"a": OrphanReason.RETAIN, "td": OrphanReason.IN_USE})
    assert plan(space, entry()) == (["td", "a"], {})


def test_the_definition_of_a_kind_with_an_object_of_the_template_is_kept() -> None:
    definition = entry(
        "CustomResourceDefinition", "apiextensions.k8s.io", namespace="", name="widgets.example.com", on_remove="Delete"
    )
    kept: Any = ([], {"widgets.example.com": OrphanReason.IN_USE})
    assert plan(definition, wanted=(entry("Widget", "example.com", uid="2"),)) == kept
    assert plan(definition, wanted=(entry("Widget", "example.org", uid="2"),)) == (["widgets.example.com"], {})


@pytest.mark.parametrize(
    ("item", "command"),
    [
        (entry("ConfigMap", name="a"), "kubectl delete ConfigMap a -n td"),
        (entry("Namespace", namespace="", name="td"), "kubectl delete Namespace td"),
        (entry("StatefulSet", "apps", name="db"), "kubectl delete StatefulSet.v1.apps db -n td"),
    ],
)
def test_the_command_that_removes_an_orphan_names_it_fully(item: InventoryEntry, command: str) -> None:
    assert remove_command(item) == command


def test_a_name_with_signs_of_a_shell_is_only_a_name_in_the_command() -> None:
    name = "$(reboot); `x`"
    assert shlex.split(remove_command(entry("ClusterRole", "rbac.authorization.k8s.io", name=name)))[3] == name
