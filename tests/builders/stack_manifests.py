"""The repository's own rights, moved into the namespace of one test; and a TalkdeskApp small enough to read.

The rules of every role are those of `manifests/`, untouched: only names and namespaces are replaced, so that any number
of stacks fit into one cluster.
"""

from pathlib import Path
from typing import Any, Final

import yaml

from talkdesk_crds.names import API_VERSION

MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
CLUSTER_WIDE: Final = frozenset({"ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})
"""Kinds outside all namespaces of which each stack has its own. ClusterRoles are the same for all."""
_FILES: Final = (
    "base/policies.yaml",
    "base/operator/rbac.yaml",
    "base/webhook/rbac.yaml",
    "examples/sentiment/access.yaml",
    "examples/sentiment/guard.yaml",
    "examples/users/access.yaml",
)

NAMESPACE: Final = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "${tenant.name}"}}
SETTINGS: Final = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "${tenant.name}"},
    "data": {
        "account": "${account.name != null ? account.name : ''}",
        "plan": "${subscription.name != null ? subscription.name : ''}",
    },
}
SECRET: Final = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "talkdesk", "namespace": "${tenant.name}"},
    "data": {
        "client_id": "${base64.encode(bytes(credentials.clientId))}",
        "private_key": "${base64.encode(bytes(credentials.privateKey))}",
    },
}
STEPS: Final = (
    {"name": "base", "manifests": [NAMESPACE]},
    {"name": "settings", "manifests": [SETTINGS]},
    {"name": "credentials", "manifests": [SECRET], "onOffboard": "Delete"},
)


def rights(namespace: str) -> list[dict[str, Any]]:
    """Return accounts, roles and the provisioner's guard, all for programs and an app in this one namespace."""
    documents = [
        document for file in _FILES for document in yaml.safe_load_all((MANIFESTS / file).read_text()) if document
    ]
    return [_moved(document, namespace) for document in documents]


def _moved(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Move it: names of what stands for itself stay, names of bindings and of the guard get the namespace's."""
    moved: dict[str, Any] = _replaced(document, namespace)
    metadata = moved["metadata"]
    if moved["kind"] in CLUSTER_WIDE:
        metadata["name"] = f"{metadata['name']}-{namespace}"
    elif "namespace" in metadata and "roleRef" in moved:
        # The example's bindings would replace the base's of the same name, as both are in one namespace here.
        metadata["name"] = f"{metadata['name']}-{moved['roleRef']['kind'].lower()}-{moved['roleRef']['name']}"
    if moved["kind"] == "ValidatingAdmissionPolicyBinding":
        moved["spec"]["policyName"] += f"-{namespace}"
    return moved


def _replaced(value: Any, namespace: str) -> Any:
    match value:
        case dict():
            return {
                key: namespace
                if key == "namespace" and item in {"talkdesk-system", "sentiment"}
                else _replaced(item, namespace)
                for key, item in value.items()
            }
        case list():
            return [_replaced(item, namespace) for item in value]
        case str():
            return value.replace("system:serviceaccount:sentiment:", f"system:serviceaccount:{namespace}:")
        case _:
            return value


def talkdesk_app(name: str, app_id: str, talkdesk: str, **spec: Any) -> dict[str, Any]:
    """Return a TalkdeskApp with its Talkdesk at that URL; keywords are members of its spec, `steps` the template's."""
    tenant = {
        "name": "${dnsLabel('td-' + account.id)}",
        "serviceAccountName": "tenant-provisioner",
        "steps": spec.pop("steps", STEPS),
    }
    endpoints = {"api": talkdesk, "token": f"{talkdesk}/accounts/{{account}}/oauth/token", "allowInsecure": True}
    return {
        "apiVersion": API_VERSION,
        "kind": "TalkdeskApp",
        "metadata": {"name": name},
        "spec": {"appId": app_id, "endpoints": endpoints, "tenant": tenant | spec.pop("tenant", {})} | spec,
    }
