"""Which rights an app needs, and what is said of those that are missing."""

from typing import Any

import pytest
import yaml

from builders.objects import NOON, app
from talkdesk_operator.domain.reconcile.access import (
    AccessReport,
    Party,
    Place,
    Right,
    TemplateKind,
    rights_in_namespace,
    template_kinds,
    watched_kinds,
)
from talkdesk_operator.domain.reconcile.access_words import access_condition, missing_in_words, missing_in_yaml
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
    return list(yaml.safe_load_all(text))


def test_a_kind_is_the_same_wherever_its_objects_are() -> None:
    assert TemplateKind("", "v1", "ConfigMap", "fixed").everywhere == TemplateKind("", "v1", "ConfigMap")


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
    role, binding = documents(missing_in_yaml([read_key], PLACE))
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "talkdesk-webhook-logout"
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get"]}]
    assert binding["subjects"][0]["name"] == "talkdesk-webhook"
    role, binding = documents(missing_in_yaml(sorted(write, key=lambda right: right.verb), PLACE))
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "talkdesk-operator-records"
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch"]}]
    assert binding["subjects"][0]["name"] == "talkdesk-operator"


def test_nothing_is_said_when_nothing_is_missing() -> None:
    assert missing_in_yaml([], PLACE) == missing_in_words([]) == ""


EVERYTHING = "the app's service account may not create, delete, get, patch namespaces in all namespaces"


def test_all_missing_rights_are_in_words_and_in_yaml_that_grants_them() -> None:
    kinds = TemplateKind("", "v1", "Namespace"), TemplateKind("apps", "v1", "Deployment", "fixed")
    theirs = [*kinds[0].rights("namespaces"), *kinds[1].rights("deployments")]
    ours = rights_in_namespace(made_of(manifest("Namespace")))
    words = missing_in_words([*ours, *theirs])
    assert "the operator may not get, list, delete secrets in the namespace team" in words
    assert "the operator may not impersonate serviceaccounts provisioner in the namespace team" in words
    assert EVERYTHING in words
    assert "deployments.apps in the namespace fixed" in words
    found = [*documents(missing_in_yaml(ours, PLACE)), *documents(missing_in_yaml(theirs, PLACE))]
    kinds_and_names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert kinds_and_names[:4] == [
        ("RoleBinding", "talkdesk-operator"),
        ("RoleBinding", "talkdesk-webhook"),
        ("Role", "impersonate-provisioner"),
        ("RoleBinding", "impersonate-provisioner"),
    ]
    cluster_role, cluster_binding, role, binding = found[4:]
    assert [kind for kind, _ in kinds_and_names[4:]] == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    assert cluster_role["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "delete", "get", "patch"]}
    ]
    assert found[0]["roleRef"]["name"] == "talkdesk-operator-app"
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "fixed"
    for made, bound in ((cluster_role, cluster_binding), (role, binding)):
        assert bound["roleRef"]["name"] == bound["metadata"]["name"] == made["metadata"]["name"]
        assert bound["subjects"] == [{"kind": "ServiceAccount", "name": "provisioner", "namespace": "team"}]


def test_only_what_is_missing_is_granted() -> None:
    right = Right(Party.PROVISIONER, "create", "", "namespaces")
    assert [each["kind"] for each in documents(missing_in_yaml([right], PLACE))] == [
        "ClusterRole",
        "ClusterRoleBinding",
    ]


def test_kinds_of_one_group_share_a_rule() -> None:
    rights = [Right(Party.PROVISIONER, verb, "apps", plural) for plural in ("a", "b") for verb in ("get", "patch")]
    (rule,) = documents(missing_in_yaml(rights, PLACE))[0]["rules"]
    assert rule == {"apiGroups": ["apps"], "resources": ["a", "b"], "verbs": ["get", "patch"]}


def test_what_is_granted_later_takes_nothing_away_that_was_granted_before() -> None:
    first, later = (
        documents(missing_in_yaml([Right(Party.PROVISIONER, "create", "", plural)], PLACE))
        for plural in ("secrets", "pods")
    )
    assert first[0]["metadata"]["name"] != later[0]["metadata"]["name"]


@pytest.mark.parametrize("kinds", [1, 40, 400])
@pytest.mark.parametrize("account", ["p", "p" * 253])
def test_a_message_is_bounded_and_says_how_many_rights_it_leaves_out(kinds: int, account: str) -> None:
    rights = [
        right
        for number in range(kinds)
        for right in TemplateKind(f"group-{number}.example.com", "v1", "Widget").rights("widgets")
    ]
    text = missing_in_yaml(rights, Place("t" * 63, account, "talkdesk-system"))
    assert 0 < len(text) <= 2048
    granted = sum(len(rule["verbs"]) for each in documents(text) if "rules" in each for rule in each["rules"])
    left = int(text.rpartition("# ")[2].split()[0]) if "# " in text else 0
    assert granted + left == len(rights)
    assert granted > 0


def test_a_kind_is_watched_everywhere_wherever_its_objects_are() -> None:
    binding = manifest("RoleBinding", OWN, "rbac.authorization.k8s.io/v1")
    view = made_of(binding, manifest("ConfigMap", "a"), manifest("ConfigMap", "b"))
    assert [(kind.kind, kind.namespace) for kind in watched_kinds(view)] == [("RoleBinding", ""), ("ConfigMap", "")]
    assert {right.verb for right in watched_kinds(view)[0].watch_rights("rolebindings")} == {"list", "watch"}


MISSING = (Right(Party.PROVISIONER, "create", "", "namespaces"),)
WATCH = (Right(Party.PROVISIONER, "watch", "", "secrets"),)


@pytest.mark.parametrize(
    ("report", "said", "words", "waits"),
    [
        (AccessReport(PLACE), "True/Succeeded", "no right is missing", False),
        (
            AccessReport(PLACE, unknown=(Party.WEBHOOK,)),
            "True/Succeeded",
            "what the webhook may do is not known",
            False,
        ),
        (AccessReport(PLACE, MISSING, WATCH, ("no Widget",)), "False/AccessMissing", "kind: ClusterRole", True),
        (AccessReport(PLACE, (), WATCH, ("no Widget",)), "Unknown/KindMissing", "waits for kinds", True),
        (AccessReport(PLACE, (), WATCH), "True/DriftNotWatched", "resources: [secrets], verbs: [watch]", False),
        (AccessReport(PLACE, (), (), tuple("abcdefg")), "Unknown/KindMissing", "d; e; and 2 more", True),
    ],
)
def test_the_condition_says_what_is_missing_first_and_what_is_waited_for(
    report: AccessReport, said: str, words: str, *, waits: bool
) -> None:
    condition = access_condition(report, 3, NOON)
    assert f"{condition.status}/{condition.reason}" == said
    assert (condition.type, condition.observed_generation) == ("AccessReady", 3)
    assert words in condition.message
    assert report.is_waited_for is waits
