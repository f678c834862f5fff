"""The repository's RBAC objects, moved into the namespace of one test, and a small TalkdeskApp.

The rules of every role are exactly those of `manifests/`. Only names and namespaces are replaced, so that any number of
platforms can be in one cluster.
"""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from talkdesk_crds.names import API_VERSION

MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
CLUSTER_WIDE: Final = frozenset({"ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})
"""Cluster-scoped kinds of which each platform has its own objects. ClusterRoles are the same for all."""
_FILES: Final = (
    "base/policies.yaml",
    "base/operator/rbac.yaml",
    "base/operator/roles/app.yaml",
    "base/operator/roles/kinds.yaml",
    "base/webhook/rbac.yaml",
    "base/webhook/roles/app.yaml",
    "base/webhook/roles/kinds.yaml",
    "components/app-access/operator.yaml",
    "components/app-access/provisioner.yaml",
    "components/app-access/webhook.yaml",
    "components/app-logout/access.yaml",
    "components/app-records/access.yaml",
    "components/tenant-provisioner/binding.yaml",
    "components/tenant-provisioner/guard.yaml",
)
PROVISIONER: Final = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "any-tenant-provisioner"},
    "rules": [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch", "delete"]},
        *(
            {
                "apiGroups": [group],
                "resources": resources,
                "verbs": ["get", "list", "watch", "create", "patch", "delete"],
            }
            for group, resources in (
                ("", ["namespaces", "resourcequotas", "limitranges", "serviceaccounts", "configmaps"]),
                ("networking.k8s.io", ["networkpolicies"]),
                ("rbac.authorization.k8s.io", ["roles", "rolebindings"]),
            )
        ),
    ],
}
"""What templates of tests may do in all namespaces, guarded as an app's. The example's own rights are in
`test_two_apps`."""
HOME: Final = "talkdesk-system"
"""Where the manifests have the operator and the webhook."""
_PLACEHOLDERS: Final = frozenset({HOME, "name-of-your-namespace", "NAMESPACE"})


def config_map(data: dict[str, str], name: str = "settings") -> dict[str, Any]:
    """Return the manifest of a ConfigMap in the tenant's namespace."""
    metadata = {"name": name, "namespace": "${tenant.name}"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


ACCOUNT_NAME: Final = "${account.name != null ? account.name : ''}"
PLAN: Final = "${subscription.name != null ? subscription.name : ''}"
NAMESPACE: Final = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "${tenant.name}"}}
SETTINGS: Final = config_map({"account": ACCOUNT_NAME, "plan": PLAN})
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


def provisioner_policy_message() -> str:
    """Return what the API server says when the provisioner's admission policy denies a request."""
    policy, _ = yaml.safe_load_all((MANIFESTS / "components/tenant-provisioner/guard.yaml").read_text())
    message: str = policy["spec"]["validations"][0]["messageExpression"]
    return message.split('"')[1]


def rights(namespace: str) -> list[dict[str, Any]]:
    """Return service accounts, roles, bindings and the provisioner's admission policy for this one namespace."""
    documents = [
        document for file in _FILES for document in yaml.safe_load_all((MANIFESTS / file).read_text()) if document
    ]
    return [PROVISIONER, *(moved(document, namespace) for document in documents)]


def app_rights(namespace: str, home: str) -> list[dict[str, Any]]:
    """Return what an app's namespace gives to the operator and the webhook whose own namespace is another one."""
    documents = (
        json.loads(json.dumps(document).replace(f'"{HOME}"', json.dumps(home)))
        for file in _FILES
        if file.startswith("components/")
        for document in yaml.safe_load_all((MANIFESTS / file).read_text())
        if document
    )
    return [moved(document, namespace) for document in documents]


def moved(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Move an object to the namespace; names of bindings and of the admission policy are made unique."""
    copy: dict[str, Any] = _replaced(document, namespace)
    metadata = copy["metadata"]
    if copy["kind"] in CLUSTER_WIDE:
        metadata["name"] = f"{metadata['name']}-{namespace}"
    elif "namespace" in metadata and "roleRef" in copy:
        # The example's bindings would replace those of the base, because here both are in one namespace.
        metadata["name"] = f"{metadata['name']}-{copy['roleRef']['kind'].lower()}-{copy['roleRef']['name']}"
    if copy["kind"] == "ValidatingAdmissionPolicyBinding":
        copy["spec"]["policyName"] += f"-{namespace}"
    return copy


def _replaced(value: Any, namespace: str) -> Any:
    match value:
        case dict():
            return {
                key: namespace if key == "namespace" and item in _PLACEHOLDERS else _replaced(item, namespace)
                for key, item in value.items()
            }
        case list():
            return [_replaced(item, namespace) for item in value]
        case str():
            moved = value.replace("system:serviceaccount:NAMESPACE:", f"system:serviceaccount:{namespace}:")
            return moved.replace("NAMESPACE-", "any-").replace("'NAMESPACE'", f"'{namespace}'")
        case _:
            return value


def talkdesk_app(name: str, app_id: str, talkdesk: str, **spec: Any) -> dict[str, Any]:
    """Return a TalkdeskApp for the Talkdesk at this URL; keywords replace fields of its spec, `steps` its template."""
    tenant = {
        "name": "${dnsLabel('td-' + app.namespace + '-' + account.id)}",
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
