"""Which rights an app needs, and what is said of those that are missing."""

from typing import Any

import pytest
import yaml

from builders.objects import app
from talkdesk_operator.domain.reconcile.access import (
    Party,
    Place,
    Right,
    TemplateKind,
    describe_missing,
    rights_in_namespace,
    template_kinds,
)
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.reconcilers.apps import compile_app

pytestmark = pytest.mark.case(84)

PLACE = Place("team", "provisioner", "talkdesk-system")
OWN = "${tenant.name}"


def manifest(kind: str, namespace: str | None = None, version: str = "v1") -> dict[str, Any]:
    metadata = {"name": "x"} | ({} if namespace is None else {"namespace": namespace})
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def made_of(*manifests: dict[str, Any]) -> CompiledApp:
    view = compile_app(
        app(tenant={"serviceAccountName": "provisioner", "steps": [{"name": "a", "manifests": manifests}]})
    )
    assert view.problem == ""
    return view


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text.partition(". To grant them:\n")[2]))


def test_each_kind_is_looked_at_once_where_its_objects_will_be() -> None:
    view = made_of(
        manifest("Namespace"),
        manifest("ConfigMap", "fixed"),
        manifest("Secret", OWN),
        manifest("Deployment", OWN, "apps/v1"),
    )
    assert template_kinds(view) == (
        TemplateKind("", "v1", "Namespace"),
        TemplateKind("", "v1", "ConfigMap", "fixed"),
        TemplateKind("", "v1", "Secret"),
        TemplateKind("apps", "v1", "Deployment"),
    )


def test_a_template_that_binds_roles_may_give_itself_the_rights_in_namespaces_of_tenants() -> None:
    binding = manifest("RoleBinding", OWN, "rbac.authorization.k8s.io/v1")
    view = made_of(manifest("Namespace"), binding, manifest("Secret", OWN), manifest("ConfigMap", "fixed"))
    assert [kind.kind for kind in template_kinds(view)] == ["Namespace", "ConfigMap"]


def test_an_app_without_a_valid_template_needs_nothing_for_it() -> None:
    view = compile_app(app(tenant={"serviceAccountName": "p", "steps": [{"name": "a", "manifests": [{}]}]}))
    assert template_kinds(view) == ()


def test_operator_and_webhook_need_rights_in_the_apps_namespace() -> None:
    rights = rights_in_namespace(made_of(manifest("Namespace")))
    assert {right.namespace for right in rights} == {"team"}
    assert Right(Party.OPERATOR, "impersonate", "", "serviceaccounts", "team", "provisioner") in rights


def test_records_of_users_and_logouts_need_rights_of_their_own() -> None:
    key = {"name": "keys", "key": "key"}
    users = {"scim": {"url": "https://app.example.com/scim", "tokenSecretRef": key}}
    logout = {"url": "https://app.example.com/logout", "secretRef": key}
    with_both = compile_app(app(users=users, logout=logout))
    more = set(rights_in_namespace(with_both)) - set(rights_in_namespace(compile_app(app())))
    namespace = with_both.resource.metadata.namespace
    read_key = Right(Party.WEBHOOK, "get", "", "secrets", namespace, "keys")
    write = {Right(Party.OPERATOR, verb, "", "secrets", namespace) for verb in ("create", "patch")}
    assert more == {read_key, *write}
    role, binding = documents(describe_missing([read_key], PLACE))
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "talkdesk-webhook-logout"
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get"]}]
    assert binding["subjects"][0]["name"] == "talkdesk-webhook"
    role, binding = documents(describe_missing(sorted(write, key=lambda right: right.verb), PLACE))
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "talkdesk-operator-users"
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch"]}]
    assert binding["subjects"][0]["name"] == "talkdesk-operator"


def test_nothing_is_said_when_nothing_is_missing() -> None:
    assert describe_missing([], PLACE) == ""


def test_all_missing_rights_are_in_one_message_with_yaml_that_grants_them() -> None:
    kinds = TemplateKind("", "v1", "Namespace"), TemplateKind("apps", "v1", "Deployment", "fixed")
    theirs = [*kinds[0].rights("namespaces"), *kinds[1].rights("deployments")]
    everything = [*rights_in_namespace(made_of(manifest("Namespace"))), *theirs]
    text = describe_missing(everything, PLACE)
    assert len(text) <= 2048
    assert "the operator may not get, list, delete secrets in the namespace team" in text
    assert "the operator may not impersonate serviceaccounts provisioner in the namespace team" in text
    assert "the app's service account may not create, delete, get, patch namespaces in all namespaces" in text
    assert "deployments.apps in the namespace fixed" in text
    shown = documents(text)
    assert "shown when these are granted" in text
    rest = documents(describe_missing(theirs, PLACE))
    found = [*shown[:4], *rest]
    assert shown == found[: len(shown)]
    assert [(each["kind"], each["metadata"]["name"]) for each in found] == [
        ("RoleBinding", "talkdesk-operator"),
        ("RoleBinding", "talkdesk-webhook"),
        ("Role", "impersonate-provisioner"),
        ("RoleBinding", "impersonate-provisioner"),
        ("ClusterRole", "team-provisioner"),
        ("ClusterRoleBinding", "team-provisioner"),
        ("Role", "team-provisioner"),
        ("RoleBinding", "team-provisioner"),
    ]
    assert found[4]["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "delete", "get", "patch"]}
    ]
    assert found[0]["roleRef"]["name"] == "talkdesk-operator-app"
    assert found[6]["metadata"]["namespace"] == "fixed"


def test_only_what_is_missing_is_granted() -> None:
    right = Right(Party.PROVISIONER, "create", "", "namespaces")
    assert [each["kind"] for each in documents(describe_missing([right], PLACE))] == [
        "ClusterRole",
        "ClusterRoleBinding",
    ]
