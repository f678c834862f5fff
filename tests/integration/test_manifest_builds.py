"""Every kustomization builds, and what it builds is accepted by a real API server, field by field; pods are, too."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from builders.built_manifests import CHOICES, FOLDERS, OF_AN_APP, built, pod_of, wrapper
from builders.foreign_kinds import apply_foreign_kinds
from builders.manifest_files import COMPONENTS, EXAMPLE, MANIFESTS, ROOT
from talkdesk_crds.names import GROUP
from talkdesk_sandbox.controlplane import Cluster, KubectlFailed

WITHIN = 90
PLACEHOLDERS = re.compile(r"name-of-your-|\bNAMESPACE\b")


def by_folder(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def cluster(crds: Cluster) -> Cluster:
    """A cluster that knows everybody's kinds, with the base in it."""
    apply_foreign_kinds(crds)
    crds.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(MANIFESTS / "base"))
    return crds


def accepted(cluster: Cluster, objects: list[dict[str, Any]]) -> None:
    """Fail unless the API server takes them all; their namespaces are made first, for good."""
    namespaces = [each for each in objects if each["kind"] == "Namespace"]
    # An app of that name may be there from another test, and its appId can't change.
    new = [
        each | {"metadata": each["metadata"] | {"name": f"{each['metadata']['name']}-new"}}
        if each["kind"] == "TalkdeskApp"
        else each
        for each in objects
    ]
    for some, how in ((namespaces, ()), (new, ("--dry-run=server",))):
        if some:
            listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": some})
            command = ("apply", "--server-side", "--force-conflicts", "--validate=strict", *how, "-f", "-")
            cluster.kubectl(*command, stdin=listed)


def misplaced(objects: list[dict[str, Any]]) -> list[str]:
    """Return what still has a placeholder that a component should have replaced."""
    return [text for each in objects if PLACEHOLDERS.search(text := json.dumps(each))]


@pytest.mark.parametrize("folder", FOLDERS, ids=by_folder)
def test_every_kustomization_builds_and_is_accepted(cluster: Cluster, folder: Path) -> None:
    objects = built(cluster, folder)
    assert not misplaced(objects)
    accepted(cluster, objects)


@pytest.mark.parametrize("choice", CHOICES)
def test_other_choices_of_components_are_accepted(cluster: Cluster, tmp_path: Path, choice: str) -> None:
    accepted(cluster, built(cluster, wrapper(tmp_path, MANIFESTS / "base", CHOICES[choice])))


@pytest.mark.parametrize("name", sorted(OF_AN_APP))
def test_a_component_finds_the_namespace_of_an_app_by_its_one_namespace_object(
    cluster: Cluster, tmp_path: Path, name: str
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    metadata = {"name": "my-own-app", "annotations": {"config.kubernetes.io/local-config": "true"}}
    (app / "namespace.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    wrapper(app, app / "namespace.json", [name])
    objects = built(cluster, app)
    assert objects
    assert not misplaced(objects)
    assert {each["metadata"].get("namespace", "my-own-app") for each in objects} == {"my-own-app"}
    assert "Namespace" not in {each["kind"] for each in objects}  # somebody else makes it
    admission = [each for each in objects if each["kind"].startswith("ValidatingAdmission")]
    assert all("namespace" not in each["metadata"] for each in admission)


def test_policies_know_the_programs_accounts_under_another_namespace_and_other_names(
    cluster: Cluster, tmp_path: Path
) -> None:
    wrapper(tmp_path, MANIFESTS / "base", [])
    written = json.loads((tmp_path / "kustomization.yaml").read_text())
    changed = written | {"namespace": "elsewhere", "namePrefix": "prod-", "nameSuffix": "-blue"}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(changed))
    objects = built(cluster, tmp_path)
    accounts = {
        f"system:serviceaccount:elsewhere:{each['metadata']['name']}"
        for each in objects
        if each["kind"] == "ServiceAccount"
    }
    assert len(accounts) == 2
    conditions = [
        condition["expression"]
        for each in objects
        if each["kind"] == "ValidatingAdmissionPolicy"
        for condition in each["spec"].get("matchConditions", ())
        if "userInfo" in condition["expression"]
    ]
    assert len(conditions) == 4
    for condition in conditions:
        pattern = condition.partition("matches('")[2].removesuffix("')")
        assert len([account for account in accounts if re.search(pattern, account)]) == 1, condition
        assert not re.search(pattern, "system:serviceaccount:elsewhere:another"), condition


def test_every_component_is_built_by_some_test() -> None:
    used = {name for names in CHOICES.values() for name in names} | OF_AN_APP
    assert used == {path.parent.name for path in COMPONENTS.glob("*/kustomization.yaml")}


def test_an_app_without_its_namespace_is_refused_and_not_put_anywhere(cluster: Cluster, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "app.yaml").write_text((EXAMPLE / "app.yaml").read_text())
    with pytest.raises(KubectlFailed, match="nothing selected by Namespace"):
        cluster.kubectl("kustomize", str(wrapper(app, app / "app.yaml", ["app-access"])))


def test_the_production_overlay_has_its_one_host_everywhere(cluster: Cluster) -> None:
    objects = {each["kind"]: each for each in built(cluster, MANIFESTS / "overlays" / "production")}
    assert "ConfigMap" not in objects  # it only holds the host
    (rule,) = objects["Ingress"]["spec"]["rules"]
    host = rule["host"]
    assert host != "talkdesk.example.com"
    assert objects["Ingress"]["spec"]["tls"][0]["hosts"] == [host]
    assert objects["Certificate"]["spec"]["dnsNames"] == [host]
    assert objects["Certificate"]["spec"]["secretName"] == objects["Ingress"]["spec"]["tls"][0]["secretName"]


def test_the_world_is_led_to_events_alone(cluster: Cluster, tmp_path: Path) -> None:
    objects = {each["kind"]: each for each in built(cluster, wrapper(tmp_path, MANIFESTS / "base", ["gateway"]))}
    (rule,) = objects["HTTPRoute"]["spec"]["rules"]
    assert [match["path"] for match in rule["matches"]] == [{"type": "PathPrefix", "value": "/events"}]
    objects = {each["kind"]: each for each in built(cluster, MANIFESTS / "overlays" / "production")}
    (rule,) = objects["Ingress"]["spec"]["rules"]
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [("/events", "Prefix")]


@pytest.mark.parametrize("overlay", ["base", "overlays/demo", "overlays/production", "overlays/namespaced"])
def test_pods_pass_the_restricted_standard_that_their_namespace_enforces(cluster: Cluster, overlay: str) -> None:
    objects = built(cluster, MANIFESTS / overlay)
    accepted(cluster, objects)
    if any("priorityClassName" in json.dumps(each) for each in objects):
        classes = [each for each in objects if each["kind"] == "PriorityClass"]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": classes})
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=listed)
    pods = [pod_of(each) for each in objects if each["kind"] == "Deployment"]
    assert pods
    for pod in pods:
        cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
        (container,) = pod["spec"]["containers"]
        loose = {key: value for key, value in container.items() if key != "securityContext"}
        refused = pod | {"spec": pod["spec"] | {"containers": [loose]}}
        with pytest.raises(KubectlFailed, match="violates PodSecurity"):
            cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(refused))


def test_kubernetes_own_roles_have_our_rights_in_a_namespace(cluster: Cluster) -> None:
    def aggregated(role: str) -> set[tuple[str, str]]:
        rules = json.loads(cluster.kubectl("get", "clusterrole", role, "--output=json"))["rules"] or []
        return {
            (resource, verb)
            for rule in rules
            if GROUP in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    # The controller that gathers rights does so a moment after a role was stored.
    deadline = time.monotonic() + WITHIN
    while ("talkdesktenants/purge", "update") not in aggregated("admin"):
        assert time.monotonic() < deadline, "admin has no rights of ours"
        time.sleep(0.2)
    view, edit, admin = aggregated("view"), aggregated("edit"), aggregated("admin")
    assert aggregated("talkdesk-viewer") == view
    assert aggregated("talkdesk-editor") == edit
    assert aggregated("talkdesk-approver") - view == {
        ("talkdeskinstallations", "update"),
        ("talkdeskinstallations", "patch"),
        ("talkdeskinstallations/approval", "update"),
    }
    assert {verb for _, verb in view} == {"get", "list", "watch"}
    assert ("talkdeskapps", "create") in edit
    assert ("talkdeskinstallations/approval", "update") in admin - edit
    assert ("talkdeskinstallations/registers", "update") in admin - edit
    assert not [resource for resource, _ in admin if resource.endswith(("/finalizers", "/plan", "/status"))]
