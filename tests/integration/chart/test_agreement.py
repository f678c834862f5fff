"""Chart and kustomize make the same objects; what may differ is written down here."""

import os
from copy import deepcopy
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.helm import MANIFESTS, SYSTEM, Helm, HelmFailed, Objects, kustomized

LABELS = {
    "helm.sh/chart",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
}
"""What Helm's users search by; kustomize has none of them."""
KEPT = "helm.sh/resource-policy"
ACCESS = ["app-access", "app-logout", "app-records", "tenant-provisioner"]


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Take out what only the chart has."""
    made = deepcopy(document)
    metadata = made["metadata"]
    metadata["labels"] = without(metadata.get("labels", {}), LABELS)
    annotations = metadata.pop("annotations", {})
    assert annotations.pop(KEPT, None) == ("keep" if made["kind"] == "CustomResourceDefinition" else None)
    metadata["annotations"] = annotations
    if made["kind"] == "Deployment":
        template = made["spec"]["template"]
        template["metadata"]["labels"] = without(template["metadata"]["labels"], LABELS)
        (container,) = template["spec"]["containers"]
        container["env"].sort(key=itemgetter("name"))
        assert container.pop("imagePullPolicy") == "IfNotPresent"  # the default for a tag that is not latest
    return made


def without(labels: dict[str, str], names: set[str]) -> dict[str, str]:
    assert names & labels.keys(), "the chart's labels are missing"
    return {name: value for name, value in labels.items() if name not in names}


def plain(document: dict[str, Any]) -> dict[str, Any]:
    made = deepcopy(document)
    for part in ("labels", "annotations"):
        made["metadata"].setdefault(part, {})
    if made["kind"] == "Deployment":
        made["spec"]["template"]["spec"]["containers"][0]["env"].sort(key=itemgetter("name"))
    made["metadata"]["annotations"].pop("internal.config.kubernetes.io/previousNames", None)
    return made


def agree(chart: Objects, kustomize: Objects) -> None:
    assert chart.keys() == kustomize.keys()
    for key, document in kustomize.items():
        assert comparable(chart[key]) == plain(document), key


def folder(path: Path, kustomization: dict[str, Any], *more: dict[str, Any]) -> Path:
    """Write a kustomization as a user's own, beside objects of theirs."""
    path.mkdir(parents=True)
    (path / "own.yaml").write_text(yaml.safe_dump_all(more))
    relative = [os.path.relpath(MANIFESTS / "components" / each, path) for each in kustomization.pop("components")]
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "components": relative}
    (path / "kustomization.yaml").write_text(yaml.safe_dump(head | kustomization))
    return path


def test_the_chart_installs_what_kustomize_applies(helm: Helm, kubectl_program: Path) -> None:
    base = kustomized(kubectl_program, MANIFESTS / "base")
    # Helm needs the namespace before it begins; NOTES.txt says which label it should have.
    del base["Namespace", "", SYSTEM]
    agree(helm.objects(), base)


def test_monitoring_and_authorized_metrics_are_those_of_the_components(
    helm: Helm, kubectl_program: Path, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    parts = [os.path.relpath(MANIFESTS / each, tmp_path / "made") for each in ("base", "monitoring")]
    made = folder(tmp_path / "made" / "all", {"components": ["metrics-auth"], "resources": [f"../{x}" for x in parts]})
    objects = kustomized(kubectl_program, made)
    del objects["Namespace", "", SYSTEM]
    on = {"enabled": True}
    values = {"metrics": {"auth": on}, "monitoring": {"podMonitor": on, "prometheusRule": on}}
    chart = helm.objects(values)
    timeout = chart["PodMonitor", SYSTEM, "talkdesk-operator"]["spec"]["podMetricsEndpoints"][0].pop("scrapeTimeout")
    assert timeout == "10s"  # Prometheus' own default
    agree(chart, objects)


def test_shards_are_those_of_the_component(helm: Helm, kubectl_program: Path, tmp_path: Path) -> None:
    base = os.path.relpath(MANIFESTS / "base", tmp_path / "made")
    objects = kustomized(kubectl_program, folder(tmp_path / "made", {"components": ["shards"], "resources": [base]}))
    del objects["Namespace", "", SYSTEM]
    agree(helm.objects({"operator": {"shards": 4, "replicas": 3}}), objects)


def test_the_namespace_of_the_release_is_the_only_one_that_the_chart_speaks_of(helm: Helm) -> None:
    text = helm.rendered(namespace="elsewhere")
    assert SYSTEM not in text
    assert "namespace: elsewhere" in text


def test_app_access_gives_what_the_components_give(helm: Helm, kubectl_program: Path, tmp_path: Path) -> None:
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sentiment"}}
    made = folder(
        tmp_path / "app",
        {"components": ACCESS, "resources": ["own.yaml"]},
        own,
    )
    components = kustomized(kubectl_program, made)
    del components["Namespace", "", "sentiment"]
    access = {
        "namespace": "sentiment",
        "logoutSecrets": ["single-logout"],
        "records": True,
        "provisioner": {"namePrefix": "td-"},
    }
    with_access = helm.objects({"appAccess": [access]})
    agree({key: each for key, each in with_access.items() if key not in helm.objects()}, components)


def test_named_namespaces_give_what_the_component_gives(helm: Helm, kubectl_program: Path, tmp_path: Path) -> None:
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sentiment"}}
    app = folder(tmp_path / "app", {"components": ["app-access-namespaced"], "resources": ["own.yaml"]}, own)
    objects = kustomized(kubectl_program, app) | kustomized(kubectl_program, MANIFESTS / "overlays" / "namespaced")
    for name in (SYSTEM, "sentiment"):
        del objects["Namespace", "", name]
    # Helm has the value itself where kustomize needs a ConfigMap to carry it.
    (carrier,) = [key for key in objects if key[0] == "ConfigMap"]
    names = objects.pop(carrier)["data"]["namespaces"]
    for name in ("talkdesk-operator", "talkdesk-webhook"):
        (container,) = objects["Deployment", SYSTEM, name]["spec"]["template"]["spec"]["containers"]
        for each in container["env"]:
            if "configMapKeyRef" in each.get("valueFrom", {}):
                del each["valueFrom"]
                each["value"] = names
    agree(helm.objects({"namespaces": ["sentiment"], "appAccess": [{"namespace": "sentiment"}]}), objects)


def test_with_named_namespaces_a_second_release_has_nothing_outside_them(helm: Helm) -> None:
    once = {"crds": {"enabled": False}, "clusterResources": {"enabled": False}}
    made = helm.objects({**once, "namespaces": ["a", SYSTEM], "appAccess": [{"namespace": "a"}]})
    assert {namespace for _, namespace, _ in made} == {"a", SYSTEM}


def test_access_outside_the_named_namespaces_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmFailed, match="appAccess: b is not among the namespaces"):
        helm.rendered({"namespaces": ["a"], "appAccess": [{"namespace": "b"}]})


@pytest.mark.parametrize(
    ("entry", "component"),
    [
        ({"logoutSecrets": ["a"]}, "app-logout"),
        ({"records": True}, "app-records"),
        ({"provisioner": {"namePrefix": "td-"}}, "tenant-provisioner"),
    ],
)
def test_an_app_gets_no_right_that_it_does_not_ask_for(helm: Helm, entry: dict[str, Any], component: str) -> None:
    least = helm.objects({"appAccess": [{"namespace": "a"}]})
    more = helm.objects({"appAccess": [{"namespace": "a", **entry}]})
    read = (yaml.safe_load_all(path.read_text()) for path in (MANIFESTS / "components" / component).glob("*.yaml"))
    kinds = [each["kind"] for documents in read for each in documents]
    assert sorted([*(kind for kind, _, _ in more.keys() - least.keys()), "Component"]) == sorted(kinds)


def test_several_apps_have_their_own_accounts_and_secrets(helm: Helm) -> None:
    access = [
        {"namespace": "a", "serviceAccount": "one", "logoutSecrets": ["one-key", "another"]},
        {"namespace": "b", "serviceAccount": "two"},
    ]
    made = helm.objects({"appAccess": access})
    assert made["Role", "a", "impersonate-one"]["rules"][0]["resourceNames"] == ["one"]
    assert made["Role", "b", "impersonate-two"]["rules"][0]["resourceNames"] == ["two"]
    assert made["Role", "a", "talkdesk-webhook-logout"]["rules"][0]["resourceNames"] == ["one-key", "another"]
    assert ("Role", "b", "talkdesk-webhook-logout") not in made
