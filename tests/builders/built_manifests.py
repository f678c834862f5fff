"""What `kubectl kustomize` makes of `manifests/`, and of folders as a user would write them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from builders.manifest_files import COMPONENTS, KUSTOMIZATIONS, documents
from talkdesk_sandbox.controlplane import Cluster

Object: TypeAlias = dict[str, Any]

FOLDERS: Final = sorted(path.parent for path in KUSTOMIZATIONS if documents(path)[0]["kind"] == "Kustomization")
OF_AN_APP: Final = frozenset({"app-access", "app-access-namespaced", "app-logout", "app-records", "tenant-provisioner"})
"""Components for an app's folder; the others are for the base."""
CHOICES: Final = {
    "with a Gateway": ["gateway", "certificate", "priority"],
    "in named namespaces": ["namespaced", "ingress"],
    "with shards": ["shards"],
    "with shards in named namespaces": ["namespaced", "shards"],
    "with metrics for authorized readers": ["metrics-auth", "metrics-certificate"],
}
"""Choices of components that no overlay makes."""


def built(cluster: Cluster, folder: Path) -> list[Object]:
    """Return the objects of a folder. Raises KubectlFailed."""
    return [each for each in yaml.safe_load_all(cluster.kubectl("kustomize", str(folder))) if each]


def wrapper(folder: Path, resource: Path, components: list[str]) -> Path:
    """Write a kustomization as a user would; return its folder."""
    parts = {
        "resources": [os.path.relpath(resource, folder.resolve())],
        "components": [os.path.relpath(COMPONENTS / name, folder.resolve()) for name in components],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(parts))
    return folder


def of_kind(objects: list[Object], kind: str) -> Iterator[Object]:
    """Yield the objects of that kind."""
    return (each for each in objects if each["kind"] == kind)


def pod_of(deployment: Object) -> Object:
    """Return a pod as its ReplicaSet would make it."""
    template = deployment["spec"]["template"]
    metadata = {"name": deployment["metadata"]["name"], "namespace": deployment["metadata"]["namespace"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | {"labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }


def selected(objects: list[Object], namespace: str, labels: dict[str, str]) -> list[Object]:
    """Return the pods of Deployments in a namespace that have these labels."""
    pods = [pod_of(each) for each in of_kind(objects, "Deployment")]
    return [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == namespace and labels.items() <= pod["metadata"]["labels"].items()
    ]
