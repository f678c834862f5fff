"""Rights of the programs: exact names, no wildcards; and which of people's rights come with Kubernetes' own roles."""

from collections.abc import Mapping
from typing import Any

import pytest

from builders.manifest_files import BASE, of_kind
from talkdesk_crds.names import GROUP
from talkdesk_operator.settings import PREFIX as OPERATOR_PREFIX

AGGREGATED = {
    "view": {"talkdesk-viewer"},
    "edit": {"talkdesk-viewer", "talkdesk-app-editor", "talkdesk-installation-editor", "talkdesk-tenant-editor"},
}
AGGREGATED["admin"] = AGGREGATED["edit"] | {
    "talkdesk-installation-approver",
    "talkdesk-installation-importer",
    "talkdesk-tenant-purger",
}
GATHERED = {
    "editor": AGGREGATED["edit"],
    "approver": {"talkdesk-viewer", "talkdesk-installation-approver"},
}
"""Whose rights our own roles for all kinds have; talkdesk-viewer is one by itself."""
UNDOABLE = {"paused", "deletionpolicy", "values", "revision", "deletionprotection"}
"""Parts of a spec (policies.yaml) that whoever may edit a namespace changes."""


def roles(name: str) -> list[dict[str, Any]]:
    """Return the roles of one program."""
    paths = [path for path in sorted((BASE / name).rglob("*.yaml")) if path.name != "kustomization.yaml"]
    return [role for path in paths for kind in ("Role", "ClusterRole") for role in of_kind(path, kind)]


def people() -> list[dict[str, Any]]:
    return list(of_kind(BASE / "people.yaml", "ClusterRole"))


def test_the_one_lease_that_the_operator_may_hold_is_the_one_that_it_asks_for() -> None:
    (deployment,) = of_kind(BASE / "operator" / "deployment.yaml", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    asked = {each["value"] for each in container["env"] if each["name"] == f"{OPERATOR_PREFIX}LEASE_NAME"}
    named = {
        name
        for role in roles("operator")
        for rule in role["rules"]
        if "leases" in rule["resources"]
        for name in rule.get("resourceNames", asked)
    }
    assert named == asked


@pytest.mark.parametrize("name", ["operator", "webhook"])
def test_no_right_of_the_operator_or_the_webhook_is_a_wildcard(name: str) -> None:
    assert roles(name)
    for role in roles(name):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


@pytest.mark.parametrize("name", AGGREGATED)
def test_kubernetes_own_roles_get_these_of_ours_and_no_others(name: str) -> None:
    label = f"rbac.authorization.k8s.io/aggregate-to-{name}"
    given = {each["metadata"]["name"] for each in people() if label in each["metadata"].get("labels", {})}
    assert given == AGGREGATED[name]


@pytest.mark.parametrize("name", GATHERED)
def test_one_role_of_ours_for_all_kinds_has_the_rights_of_these_finer_ones_together(name: str) -> None:
    """It does not aggregate them: such a role is made anew when it is deleted together with those."""
    (role,) = (each for each in people() if each["metadata"]["name"] == f"talkdesk-{name}")
    finer = [each for each in people() if each["metadata"]["name"] in GATHERED[name]]
    assert len(finer) == len(GATHERED[name])
    assert _rights(role) == set().union(*map(_rights, finer))
    assert not [each["metadata"]["name"] for each in people() if "aggregationRule" in each]


def _rights(role: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


@pytest.mark.case(83)
def test_whoever_may_edit_a_namespace_changes_only_parts_of_a_spec_that_can_be_changed_back() -> None:
    parts = {
        subresource
        for role in people()
        if role["metadata"]["name"] in AGGREGATED["edit"]
        for rule in role["rules"]
        for _, slash, subresource in (resource.partition("/") for resource in rule["resources"])
        if slash
    }
    assert parts == UNDOABLE


def test_no_role_for_people_shows_a_secret() -> None:
    rules = [rule for role in people() for rule in role.get("rules", ())]
    assert {group for rule in rules for group in rule["apiGroups"]} == {GROUP}
