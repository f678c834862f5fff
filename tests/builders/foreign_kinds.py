"""Kinds of others that our manifests use, with the fields that they use: enough to have a typing error refused.

They stand for cert-manager, the Gateway API and the Prometheus operator, which no test needs to run.
"""

import json
from typing import Any, Final

from talkdesk_sandbox.controlplane import Cluster

_TYPES: Final = {str: "string", int: "integer", bool: "boolean"}
_RULE: Final = {
    "alert": str,
    "expr": str,
    "for": str,
    "labels": {"severity": str},
    "annotations": {"summary": str, "description": str, "runbook_url": str},
}
_SPECS: Final[dict[tuple[str, str, str], Any]] = {
    ("cert-manager.io", "v1", "Certificate"): {
        "secretName": str,
        "dnsNames": [str],
        "privateKey": {"algorithm": str, "size": int, "rotationPolicy": str},
        "issuerRef": {"group": str, "kind": str, "name": str},
    },
    ("cert-manager.io", "v1", "Issuer"): {"selfSigned": {}},
    ("gateway.networking.k8s.io", "v1", "Gateway"): {
        "gatewayClassName": str,
        "listeners": [
            {
                "name": str,
                "hostname": str,
                "protocol": str,
                "port": int,
                "tls": {"mode": str, "certificateRefs": [{"name": str}]},
                "allowedRoutes": {"namespaces": {"from": str}},
            }
        ],
    },
    ("gateway.networking.k8s.io", "v1", "HTTPRoute"): {
        "parentRefs": [{"name": str, "namespace": str, "sectionName": str}],
        "hostnames": [str],
        "rules": [
            {"matches": [{"path": {"type": str, "value": str}}], "backendRefs": [{"name": str, "port": int}]},
        ],
    },
    ("monitoring.coreos.com", "v1", "PodMonitor"): {
        "selector": {"matchLabels": {"app.kubernetes.io/part-of": str}},
        "podMetricsEndpoints": [
            {
                "port": str,
                "interval": str,
                "scrapeTimeout": str,
                "scheme": str,
                "authorization": {"credentials": {"name": str, "key": str}},
                "tlsConfig": {"serverName": str, "ca": {"secret": {"name": str, "key": str}}},
            }
        ],
    },
    ("monitoring.coreos.com", "v1", "PrometheusRule"): {"groups": [{"name": str, "rules": [_RULE]}]},
}


def _schema(shape: Any) -> dict[str, Any]:
    match shape:
        case dict():
            return {"type": "object", "properties": {key: _schema(each) for key, each in shape.items()}}
        case list():
            return {"type": "array", "items": _schema(shape[0])}
        case _:
            return {"type": _TYPES[shape]}


def _crd(group: str, version: str, kind: str, spec: Any) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "properties": {"spec": _schema(spec)}}
    # Only a group of Kubernetes' own asks for the proposal that a kind comes from.
    notes = {"api-approved.kubernetes.io": "https://example.com"} if group.endswith(".k8s.io") else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": notes},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }


def apply_foreign_kinds(cluster: Cluster) -> None:
    """Make them known, and wait until they are served."""
    items = [_crd(*head, spec) for head, spec in _SPECS.items()]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=listed)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", "-", stdin=listed)
