"""Where the objects of a tenant may be, unless its app says otherwise."""

import pytest

from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.placement import is_outside, outside


def entry(kind: str, name: str, namespace: str = "") -> InventoryEntry:
    return InventoryEntry("base", "", "v1", kind, namespace, name)


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "is_out"),
    [
        ("ConfigMap", "td-acme", "settings", False),
        ("ConfigMap", "td-acme", "td-other", False),
        ("ConfigMap", "td-acme-db", "settings", True),
        ("ConfigMap", "td-acm", "settings", True),
        ("ConfigMap", "default", "td-acme", True),
        ("Secret", "talkdesk-system", "keys", True),
        ("Namespace", "", "td-acme", False),
        ("Namespace", "", "td-acme-db", False),
        ("Namespace", "", "td-acmedb", True),
        ("Namespace", "", "td", True),
        ("Namespace", "", "kube-system", True),
        ("ClusterRole", "", "td-acme:reader", False),
        ("CustomResourceDefinition", "", "td-acme.example.com", False),
        ("ClusterRole", "", "cluster-admin", True),
        ("ClusterRoleBinding", "", "x-td-acme", True),
    ],
)
def test_an_object_is_in_the_tenants_namespace_or_outside_all_called_like_the_tenant(
    kind: str, namespace: str, name: str, *, is_out: bool
) -> None:
    assert is_outside(entry(kind, name, namespace), "td-acme") == is_out


def test_where_the_tenants_name_is_not_known_every_object_is_outside() -> None:
    for each in (entry("ConfigMap", "a", "default"), entry("ClusterRole", ":a"), entry("Namespace", "td-acme")):
        assert is_outside(each, "")
        assert "spec.name" in outside([each], "")


def test_nothing_is_said_where_all_objects_are_inside() -> None:
    assert outside([entry("Namespace", "td-acme"), entry("ConfigMap", "a", "td-acme")], "td-acme") == ""


def test_what_is_outside_is_named_and_so_is_the_field_that_allows_it() -> None:
    said = outside([entry("ConfigMap", "a", "default"), entry("Namespace", "b"), entry("Secret", "s", "td")], "td")
    assert "ConfigMap default/a, Namespace b;" in said
    assert "tenant.objectScope: Any" in said
    assert outside([entry("ConfigMap", str(n), "default") for n in range(8)], "td").count("default/") == 5
