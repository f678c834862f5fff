"""The manifests on a real API server: accepted as they are, and giving each account what it needs and no more."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from talkdesk_crds.names import GROUP
from talkdesk_sandbox.controlplane import Cluster

MANIFESTS = Path(__file__).parents[2] / "manifests"
OPERATOR = "system:serviceaccount:talkdesk-system:talkdesk-operator"
WEBHOOK = "system:serviceaccount:talkdesk-system:talkdesk-webhook"
PROVISIONER = "system:serviceaccount:sentiment:tenant-provisioner"
RBAC = "rbac.authorization.k8s.io"

# Who, verb, group, resource (with subresource), name, namespace.
ALLOWED = [
    (OPERATOR, "watch", GROUP, "talkdeskinstallations", "", ""),
    (OPERATOR, "patch", GROUP, "talkdesktenants/status", "t", "anywhere"),
    (OPERATOR, "update", GROUP, "talkdeskinstallations/registers", "i", "anywhere"),
    (OPERATOR, "update", GROUP, "talkdeskinstallations/finalizers", "i", "anywhere"),
    (OPERATOR, "update", GROUP, "talkdesktenants/plan", "t", "anywhere"),
    (OPERATOR, "create", "events.k8s.io", "events", "", "anywhere"),
    # Its finalizer; test_rights shows that a policy lets it change nothing else.
    (OPERATOR, "patch", GROUP, "talkdeskapps", "a", "sentiment"),
    (OPERATOR, "update", "coordination.k8s.io", "leases", "talkdesk-operator", "talkdesk-system"),
    (OPERATOR, "watch", "coordination.k8s.io", "leases", "talkdesk-operator", ""),
    (OPERATOR, "get", "", "secrets", "s", "sentiment"),
    (OPERATOR, "list", "", "secrets", "", "sentiment"),
    (OPERATOR, "create", "", "secrets", "", "sentiment"),
    (OPERATOR, "patch", "", "secrets", "s", "sentiment"),
    (OPERATOR, "impersonate", "", "serviceaccounts", "tenant-provisioner", "sentiment"),
    (OPERATOR, "delete", GROUP, "talkdeskinstallations", "i", "sentiment"),
    (WEBHOOK, "get", GROUP, "talkdeskapps", "a", "anywhere"),
    (WEBHOOK, "list", GROUP, "talkdeskapps", "", ""),
    (WEBHOOK, "watch", GROUP, "talkdeskapps", "", ""),
    (WEBHOOK, "create", GROUP, "talkdeskinstallations", "", "sentiment"),
    (WEBHOOK, "patch", GROUP, "talkdeskinstallations", "i", "sentiment"),
    (WEBHOOK, "update", GROUP, "talkdeskinstallations/registers", "i", "sentiment"),
    (WEBHOOK, "create", "", "secrets", "", "sentiment"),
    (WEBHOOK, "get", "", "secrets", "single-logout", "sentiment"),
    (PROVISIONER, "patch", "", "namespaces", "td-1", ""),
    (PROVISIONER, "create", RBAC, "rolebindings", "", "td-1"),
    (PROVISIONER, "bind", RBAC, "clusterroles", "sentiment-tenant", "td-1"),
]
REFUSED = [
    (OPERATOR, "get", "", "secrets", "s", "default"),
    (OPERATOR, "get", "", "secrets", "s", "talkdesk-system"),
    (OPERATOR, "get", "", "secrets", "s", "td-1"),
    (OPERATOR, "watch", "", "secrets", "", "sentiment"),
    (OPERATOR, "deletecollection", "", "secrets", "", "sentiment"),
    (OPERATOR, "create", "", "secrets", "", "default"),
    (OPERATOR, "create", "", "secrets", "", "talkdesk-system"),
    (OPERATOR, "patch", "", "secrets", "s", "default"),
    (OPERATOR, "patch", "", "secrets", "s", "td-1"),
    (OPERATOR, "update", "", "secrets", "s", "sentiment"),
    (OPERATOR, "create", "", "namespaces", "", ""),
    (OPERATOR, "patch", "", "configmaps", "c", "td-1"),
    (OPERATOR, "delete", GROUP, "talkdeskinstallations", "i", "default"),
    (OPERATOR, "deletecollection", GROUP, "talkdeskinstallations", "", "sentiment"),
    (OPERATOR, "update", GROUP, "talkdeskinstallations/approval", "i", "sentiment"),
    (OPERATOR, "update", GROUP, "talkdeskinstallations/paused", "i", "sentiment"),
    (OPERATOR, "update", GROUP, "talkdesktenants/purge", "t", "sentiment"),
    (OPERATOR, "update", GROUP, "talkdesktenants/values", "t", "sentiment"),
    (OPERATOR, "update", GROUP, "talkdesktenants/revision", "t", "sentiment"),
    (OPERATOR, "patch", "apps", "controllerrevisions", "r", "sentiment"),
    (OPERATOR, "create", "apps", "controllerrevisions", "", "default"),
    (OPERATOR, "update", "coordination.k8s.io", "leases", "another", "talkdesk-system"),
    (OPERATOR, "impersonate", "", "serviceaccounts", "default", "sentiment"),
    (OPERATOR, "impersonate", "", "serviceaccounts", "tenant-provisioner", "default"),
    (OPERATOR, "impersonate", "", "users", "admin", ""),
    (OPERATOR, "impersonate", "", "groups", "system:masters", ""),
    (WEBHOOK, "get", "", "secrets", "s", "sentiment"),
    (WEBHOOK, "get", "", "secrets", "single-logout", "default"),
    (WEBHOOK, "list", "", "secrets", "single-logout", "sentiment"),
    (WEBHOOK, "patch", "", "secrets", "single-logout", "sentiment"),
    (WEBHOOK, "create", "", "secrets", "", "default"),
    (WEBHOOK, "get", GROUP, "talkdeskinstallations", "i", "sentiment"),
    (WEBHOOK, "list", GROUP, "talkdeskinstallations", "", "sentiment"),
    (WEBHOOK, "patch", GROUP, "talkdeskinstallations/status", "i", "sentiment"),
    (WEBHOOK, "update", GROUP, "talkdeskinstallations/approval", "i", "sentiment"),
    (WEBHOOK, "update", GROUP, "talkdeskinstallations/paused", "i", "sentiment"),
    (WEBHOOK, "update", GROUP, "talkdeskinstallations/finalizers", "i", "sentiment"),
    (WEBHOOK, "update", GROUP, "talkdeskinstallations/registers", "i", "default"),
    (WEBHOOK, "patch", GROUP, "talkdeskapps", "a", "sentiment"),
    # Only in a namespace with a RoleBinding of its own: test_two_apps.
    *((PROVISIONER, verb, "", "secrets", "s", "td-1") for verb in ("get", "list", "watch", "create", "delete")),
    *((PROVISIONER, verb, "", "configmaps", "c", "td-1") for verb in ("get", "list", "watch", "create", "delete")),
    (PROVISIONER, "get", "", "secrets", "s", "sentiment"),
    (PROVISIONER, "create", RBAC, "clusterroles", "", ""),
    (PROVISIONER, "create", RBAC, "roles", "", "td-1"),
    (PROVISIONER, "bind", RBAC, "clusterroles", "cluster-admin", "td-1"),
    (PROVISIONER, "escalate", RBAC, "roles", "r", "td-1"),
    (PROVISIONER, "patch", GROUP, "talkdesktenants", "t", "sentiment"),
    (PROVISIONER, "impersonate", "", "serviceaccounts", "default", "td-1"),
]


@pytest.fixture(scope="module")
def installed(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The session's cluster with the base in it, and the example as it is for an app with users and logouts."""
    folder = tmp_path_factory.mktemp("sentiment") / "app"
    folder.mkdir()
    parts = {
        key: [os.path.relpath(MANIFESTS / name, folder.resolve()) for name in names]
        for key, names in (
            ("resources", ["examples/sentiment"]),
            ("components", ["components/app-records", "components/app-logout"]),
        )
    }
    (folder / "kustomization.yaml").write_text(json.dumps(parts))
    for path in (MANIFESTS / "base", folder):
        crds.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(path))
    return crds


def review(question: tuple[str, str, str, str, str, str]) -> dict[str, Any]:
    who, verb, group, resource, name, namespace = question
    plain, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": plain, "subresource": subresource}
    groups = ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{who.split(':')[2]}"]
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": who,
            "groups": groups,
            "resourceAttributes": attributes | {"name": name, "namespace": namespace},
        },
    }


def answers(cluster: Cluster, questions: list[tuple[str, str, str, str, str, str]]) -> list[bool]:
    """Ask the API server's own authoriser all at once."""
    reviews = "\n---\n".join(json.dumps(review(question)) for question in questions)
    said = cluster.kubectl("create", "-f", "-", "--output=jsonpath={.status.allowed}{'\\n'}", stdin=reviews)
    return [line == "true" for line in said.split()]


def test_the_rights_in_the_manifests_are_enough(installed: Cluster) -> None:
    got = dict(zip(ALLOWED, answers(installed, ALLOWED), strict=True))
    assert [question for question, allowed in got.items() if not allowed] == []


@pytest.mark.case(66)
def test_the_rights_in_the_manifests_are_no_more_than_needed(installed: Cluster) -> None:
    got = dict(zip(REFUSED, answers(installed, REFUSED), strict=True))
    assert [question for question, allowed in got.items() if allowed] == []


def test_an_import_by_hand_is_accepted_as_the_example_has_it(installed: Cluster) -> None:
    example = (MANIFESTS / "examples" / "import" / "installation.yaml").read_text()
    # Values in capitals are to be replaced, it says.
    filled = re.sub(r"\b[A-Z]+_(?:ID|KEY)\b", lambda found: found[0].replace("_", "").lower(), example)
    installed.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=filled)


def test_a_control_plane_without_nodes_has_the_same_rights_as_a_cluster_and_no_pods(installed: Cluster) -> None:
    base = rendered(installed, "base")
    demo = rendered(installed, "overlays/controlplane")
    left_out = {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    assert demo == [each for each in base if each["kind"] not in left_out]


def test_images_are_set_by_kustomize(installed: Cluster) -> None:
    deployments = [each for each in rendered(installed, "base") if each["kind"] == "Deployment"]
    images = {c["image"] for each in deployments for c in each["spec"]["template"]["spec"]["containers"]}
    assert images == {"talkdesk-operator:0.1.0", "talkdesk-webhook:0.1.0"}


def rendered(cluster: Cluster, folder: str) -> list[dict[str, Any]]:
    built = cluster.kubectl("kustomize", str(MANIFESTS / folder))
    return [each for each in yaml.safe_load_all(built) if each]
