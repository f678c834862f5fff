"""What runs in a kind cluster: operator and webhook from `manifests/`, a simulator and a SCIM service, and an app.

Belongs here: objects and kustomizations. Does not belong here: applying them (`deployment`).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml

from talkdesk_sandbox import customer_app
from talkdesk_sandbox.demo import scim_service
from talkdesk_sandbox.kind.checkout import ROOT, cluster_name
from talkdesk_sandbox.kind.cluster import WEBHOOK_NODE_PORT

__all__ = ["SYSTEM", "App", "Images", "services", "workload_steps", "write_app", "write_platform"]

MANIFESTS: Final = ROOT / "manifests"
SYSTEM: Final = "talkdesk-system"
"""The namespace of operator and webhook in manifests/base."""
_PORT: Final = 8080
_EXAMPLE: Final = "sentiment"


@dataclass(frozen=True, slots=True)
class Images:
    """The names of our images, which the node has."""

    operator: str
    webhook: str
    sandbox: str

    @classmethod
    def of_checkout(cls) -> Self:
        """Return those of this checkout alone: two checkouts may have clusters at the same time."""
        return cls(*(f"talkdesk-{name}:{cluster_name()}" for name in ("operator", "webhook", "sandbox")))

    @property
    def tag(self) -> str:
        """Their common tag."""
        return self.operator.rpartition(":")[2]

    @property
    def names(self) -> tuple[str, str, str]:
        """All of them."""
        return self.operator, self.webhook, self.sandbox


@dataclass(frozen=True, slots=True)
class App:
    """An app in a namespace of the same name."""

    name: str
    app_id: str

    @property
    def callback(self) -> str:
        """Where Talkdesk's events for it go, in the cluster."""
        return f"http://talkdesk-webhook.{SYSTEM}/events/{self.name}/{self.name}"


def write_platform(folder: Path, images: Images, ids: dict[str, str]) -> Path:
    """Write a kustomization of operator and webhook; return its folder.

    An image whose id in `ids` is another than before gets new pods, also when its name is the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    node_port = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "talkdesk-webhook-node", "namespace": SYSTEM},
        "spec": {
            "type": "NodePort",
            "selector": {"app.kubernetes.io/name": "talkdesk-webhook"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": WEBHOOK_NODE_PORT}],
        },
    }
    _write(folder / "node-port.yaml", node_port)
    marks = [
        {"target": {"kind": "Deployment", "name": name}, "patch": _annotation(name, ids[image])}
        for name, image in (("talkdesk-operator", images.operator), ("talkdesk-webhook", images.webhook))
    ]
    # Simulators and SCIM services speak plain http.
    marks += [
        {"target": {"kind": "Deployment", "name": f"talkdesk-{name}"}, "patch": json.dumps([_insecure(name)])}
        for name in ("operator", "webhook")
    ]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [_relative(MANIFESTS / "base", folder), "node-port.yaml"],
        "images": [_image("talkdesk-operator", images.operator), _image("talkdesk-webhook", images.webhook)],
        "patches": marks,
    }
    _write(folder / "kustomization.yaml", kustomization)
    return folder


def write_app(folder: Path, app: App, *, simulator: str, steps: list[dict[str, Any]]) -> Path:
    """Write the example under another name, with a simulator for its region and more steps; return its folder."""
    example = MANIFESTS / "examples" / _EXAMPLE
    folder.mkdir(parents=True, exist_ok=True)
    for path in example.glob("*.yaml"):
        (folder / path.name).write_text(path.read_text().replace(_EXAMPLE, app.name))
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for key in ("resources", "components"):
        kustomization[key] = [_relative(example / p, folder) if p.startswith("..") else p for p in kustomization[key]]
    kustomization["components"].append(_relative(MANIFESTS / "components" / "app-records", folder))
    endpoints = {"api": simulator, "token": f"{simulator}/accounts/{{account}}/oauth/token", "allowInsecure": True}
    change = [
        {"op": "remove", "path": "/spec/region"},
        {"op": "add", "path": "/spec/endpoints", "value": endpoints},
        {"op": "replace", "path": "/spec/appId", "value": app.app_id},
        *({"op": "add", "path": "/spec/tenant/steps/-", "value": step} for step in steps),
    ]
    rights = {
        role: json.dumps([{"op": "add", "path": "/rules/-", "value": rule | {"verbs": verbs}} for rule in _WORKLOADS])
        for role, verbs in (("tenant-provisioner", _EVERYWHERE), ("tenant", _IN_A_TENANT))
    }
    kustomization["patches"] = [
        *kustomization.get("patches", []),
        {"target": {"kind": "TalkdeskApp"}, "patch": json.dumps(change)},
        *(
            {"target": {"kind": "ClusterRole", "name": f"{app.name}-{role}"}, "patch": patch}
            for role, patch in rights.items()
        ),
    ]
    _write(folder / "kustomization.yaml", kustomization)
    return folder


_WORKLOADS: Final = (
    {"apiGroups": ["apps"], "resources": ["deployments"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims", "services"]},
)
_EVERYWHERE: Final = ["list", "watch"]
"""Verbs in all namespaces: what somebody changes is seen at once."""
_IN_A_TENANT: Final = ["get", "create", "patch", "delete"]
"""Verbs in a tenant's namespace."""


def workload_steps(images: Images) -> list[dict[str, Any]]:
    """Return two steps of a template: a volume, which an uninstall retains, and an app in a pod that uses it."""
    here = {"namespace": "${tenant.name}"}
    labels = {"app": "customer-app"}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", **here},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
    }
    pod = _pod(images.sandbox, ["python3", "-m", customer_app.__name__], probe="/healthz")
    pod["volumes"] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "credentials", "secret": {"secretName": "talkdesk"}},
    ]
    pod["containers"][0]["volumeMounts"] = [
        {"name": "data", "mountPath": "/data"},
        {"name": "credentials", "mountPath": "/credentials", "readOnly": True},
    ]
    deployment = _deployment("customer-app", labels, pod) | {"metadata": {"name": "customer-app", **here}}
    deployment["spec"]["replicas"] = "${tenant.suspended ? 0 : 1}"
    deployment["spec"]["strategy"] = {"type": "Recreate"}  # one pod at a time has the volume
    service = _service("customer-app", labels) | {"metadata": {"name": "customer-app", **here}}
    return [
        {"name": "data", "manifests": [claim]},
        {"name": "app", "onOffboard": "Delete", "manifests": [deployment, service]},
    ]


def services(namespace: str, images: Images) -> list[dict[str, Any]]:
    """Return a simulator and a SCIM service in a namespace."""
    objects: list[dict[str, Any]] = []
    simulator = ["-m", "talkdesk_sandbox.simulator", "serve", "--host=0.0.0.0", f"--port={_PORT}"]
    url = f"--public-url=http://simulator.{namespace}"
    scim = ["-m", "talkdesk_sandbox.scim", "--host=0.0.0.0", f"--port={_PORT}", f"--token={scim_service.TOKEN}"]
    for name, arguments, probe in (("simulator", [*simulator, url], "/_control/clock"), ("scim", scim, None)):
        labels = {"app.kubernetes.io/name": name}
        pod = _pod(images.sandbox, ["python3", *arguments], probe=probe)
        objects += [_deployment(name, labels, pod), _service(name, labels)]
    for each in objects:
        each["metadata"] = {**each.get("metadata", {}), "namespace": namespace}
    return [*objects, _egress(namespace)]


def _egress(namespace: str) -> dict[str, Any]:
    """Return a policy that lets our programs reach a namespace by plain HTTP, which the base's policies don't open."""
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    ports = [{"protocol": "TCP", "port": port} for port in (80, _PORT)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": namespace, "namespace": SYSTEM},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "talkdesk-operator"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [peer], "ports": ports}],
        },
    }


def _deployment(name: str, labels: dict[str, str], pod: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(name: str, labels: dict[str, str]) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": labels, "ports": ports},
    }


def _pod(image: str, command: list[str], *, probe: str | None) -> dict[str, Any]:
    """Return the specification of a pod that the restricted Pod Security Standard takes."""
    check = {"httpGet": {"path": probe, "port": "http"}} if probe else {"tcpSocket": {"port": "http"}}
    container = {
        "name": "main",
        "image": image,
        "command": command,
        "ports": [{"name": "http", "containerPort": _PORT}],
        "readinessProbe": {**check, "periodSeconds": 1, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    identity = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {**identity, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }


def _insecure(name: str) -> dict[str, Any]:
    value = {"name": f"TALKDESK_{name.upper()}_ALLOW_INSECURE", "value": "true"}
    return {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": value}


def _annotation(name: str, image_id: str) -> str:
    mark = {"metadata": {"annotations": {"talkdesk-sandbox/image": image_id}}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"template": mark}}
    return json.dumps(deployment)


def _image(name: str, image: str) -> dict[str, str]:
    new_name, _, tag = image.rpartition(":")
    return {"name": name, "newName": new_name, "newTag": tag}


def _relative(path: Path, folder: Path) -> str:
    # kustomize takes no absolute paths.
    return os.path.relpath(path.resolve(), folder.resolve())


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
