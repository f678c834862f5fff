"""What a real API server says of manifests that do not fit their kind: never an outage, and words on what to write."""

import json
from typing import Any

import pytest

from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.reconcile.error_policy import object_failure
from talkdesk_operator.domain.reconcile.scope import RetryClass
from talkdesk_operator.reconcilers.secret_values import secret_values
from talkdesk_runtime.kube import APPLY, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_sandbox.controlplane import Cluster

PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets", "Deployment": "deployments", "Widget": "widgets"}
WIDGETS = "test.appconnect.example"
CANARY = "canary-value"


def core(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, **fields}


def deployment(spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    pod = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i", **container}]},
    }
    whole = {"selector": {"matchLabels": {"a": "b"}}, "template": pod, **(spec or {})}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": whole}


def widget(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{WIDGETS}/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": spec}


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "a number in a ConfigMap": (core("ConfigMap", data={"port": 8080}), ".data.port must be a string"),
    "a boolean in a ConfigMap": (core("ConfigMap", data={"on": True}), ".data.on must be a string"),
    "several numbers": (core("ConfigMap", data=dict.fromkeys("cab", 1)), ".data.a must be a string"),
    "a list as data": (core("ConfigMap", data=["a"]), ".data must be a map"),
    "a field of no kind": (core("ConfigMap", dat={"a": "b"}), ".dat is no field"),
    "no base64": (core("ConfigMap", binaryData={"a": "@@@"}), "base64"),
    "a number as a label": (core("ConfigMap", metadata={"name": "x", "labels": {"a": 1}}), "labels.a must be a string"),
    "a label of a wrong form": (core("ConfigMap", metadata={"name": "x", "labels": {"a": "!"}}), "a valid label must"),
    "a wrong name": (core("ConfigMap", metadata={"name": "X_y"}), "RFC 1123"),
    "larger than a ConfigMap": (core("ConfigMap", data={"a": "x" * 1_200_000}), "Too long"),
    "larger than a request": (core("ConfigMap", data={"a": "x" * 4_000_000}), "too large for the API server"),
    "larger than etcd takes": (widget(size=1, text="x" * 1_700_000), "too large for the API server or its database"),
    "larger than etcd's client sends": (widget(size=1, text="x" * 2_500_000), "too large for the API server or"),
    "a secret number": (core("Secret", stringData={"k": 3141592}), ".stringData.k must be a string"),
    "a secret list": (core("Secret", data={"k": [CANARY]}), ".data.k must be a string"),
    "secret data as text": (core("Secret", stringData=CANARY), ".stringData must be a map"),
    "secret data without base64": (core("Secret", data={"k": CANARY}), "base64"),
    "a secret of a wrong type": (core("Secret", type="kubernetes.io/tls", stringData={"k": CANARY}), "data[tls.crt]"),
    "a variable twice": (deployment(env=[{"name": "A"}, {"name": "A"}]), "env has two entries"),
    "a variable without a name": (deployment(env=[{"value": "1"}]), "env[0].name: Required"),
    "a variable of null": (deployment(env=[None]), "env has an entry that is null"),
    "a number as a variable": (deployment(env=[{"name": "A", "value": 1}]), "value must be a string"),
    "text as a port": (deployment(ports=[{"containerPort": "80"}]), "containerPort must be a number"),
    "text as a number": (deployment({"replicas": "2"}), ".spec.replicas must be a number"),
    "half a replica": (deployment({"replicas": 2.5}), "a value has a type"),
    "a negative number": (deployment({"replicas": -1}), "greater than or equal to 0"),
    "a wrong quantity": (deployment(resources={"limits": {"memory": "1 GB"}}), "a quantity is a number"),
    "a wrong word": (deployment(imagePullPolicy="Sometimes"), "Unsupported value"),
    "a custom resource without a required field": (widget(), "spec.size"),
    "a custom resource with text as a number": (widget(size="1"), ".spec.size must be a number"),
    "a custom resource with an unknown field": (widget(size=1, sise=2), ".spec.sise is no field"),
    "a custom resource that its rules refuse": (widget(size=100), "size must be less than 100"),
    "a set with an entry twice": (widget(size=1, set=["a", "a"]), ".spec.set has two entries"),
}


@pytest.fixture(scope="module")
def widgets(control_plane: Cluster) -> None:
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer"},
            "text": {"type": "string"},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        },
        "x-kubernetes-validations": [{"rule": "self.size < 100", "message": "size must be less than 100"}],
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{WIDGETS}"},
        "spec": {
            "group": WIDGETS,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(crd))
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/widgets.{WIDGETS}")


@pytest.mark.case(53)
@pytest.mark.case(70)
@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.usefixtures("widgets")
async def test_an_unfit_manifest_is_refused_with_words_and_is_no_outage(
    name: str, control_plane: Cluster, namespace: str
) -> None:
    manifest, told = UNFIT[name]
    group, _, version = manifest["apiVersion"].rpartition("/")
    path = resource_path(group, version, PLURALS[manifest["kind"]], namespace, manifest["metadata"]["name"])
    async with await Kube.connect(user_agent="test/1", kubeconfig=control_plane.kubeconfig) as kube:
        with pytest.raises(KubeError) as raised:
            await kube.request(
                "PATCH", path, body=manifest, content_type=APPLY, query={"fieldManager": "test", "force": "true"}
            )
    judged = object_failure(raised.value, manifest["kind"], f"{namespace}/x", secrets=secret_values(manifest))
    assert (judged.reason, judged.retry_class) == (Reason.APPLY_REFUSED, RetryClass.SLOW)
    assert told in judged.message
    assert not any(secret in judged.message for secret in (CANARY, "3141592"))
