"""What a real API server says of changes that it never takes, and how that is said to people."""

import asyncio
from functools import partial
from typing import Any

import pytest

from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_RECREATE
from talkdesk_operator.adapters.kubernetes.object_requests import ObjectRequests
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.error_policy import object_failure
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube import APPLY, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeConflict, KubeInvalid
from talkdesk_sandbox.controlplane import Cluster

CANARY = "Y2FuYXJ5"
RBAC = "rbac.authorization.k8s.io"


def pod(label: str, **spec: Any) -> dict[str, Any]:
    many = [{"name": f"V{number}", "value": "x" * 50} for number in range(100)]
    return {
        "metadata": {"labels": {"a": label}},
        "spec": {"containers": [{"name": "c", "image": "i", "env": many}], **spec},
    }


def job(image: str) -> dict[str, Any]:
    template = pod("b", restartPolicy="Never")
    template["spec"]["containers"][0]["image"] = image
    return {"spec": {"template": template}}


def workload(label: str, **spec: Any) -> dict[str, Any]:
    return {"spec": {"selector": {"matchLabels": {"a": label}}, "template": pod(label), **spec}}


def claim(storage_class: str) -> dict[str, Any]:
    requests = {"requests": {"storage": "1Gi"}}
    return {"spec": {"accessModes": ["ReadWriteOnce"], "resources": requests, "storageClassName": storage_class}}


def binding(role: str) -> dict[str, Any]:
    return {"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role}}


def sealed(value: str) -> dict[str, Any]:
    return {"immutable": True, "data": {"a": value}}


Case = tuple[str, str, str, dict[str, Any], dict[str, Any], str]
CASES: dict[str, Case] = {
    "a Job's pods": ("batch/v1", "Job", "jobs", job("a"), job("b"), "spec.template: field is immutable"),
    "a role": (f"{RBAC}/v1", "RoleBinding", "rolebindings", binding("a"), binding("b"), "cannot change roleRef"),
    "data": ("v1", "ConfigMap", "configmaps", sealed("1"), sealed("2"), "data: Forbidden: field is immutable"),
    "being immutable": ("v1", "ConfigMap", "configmaps", sealed("1"), sealed("1") | {"immutable": False}, "immutable:"),
    "secret data": ("v1", "Secret", "secrets", sealed("MQ=="), sealed(CANARY), "(data)"),
    "a Secret's type": ("v1", "Secret", "secrets", {"type": "Opaque"}, {"type": "a/b"}, "(type)"),
    "a selector": (
        "apps/v1",
        "Deployment",
        "deployments",
        workload("a"),
        workload("b"),
        "selector: field is immutable",
    ),
    "a claim": (
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        claim("a"),
        claim("b"),
        "spec is immutable after creation",
    ),
    "a StatefulSet's service": (
        "apps/v1",
        "StatefulSet",
        "statefulsets",
        workload("a", serviceName="a"),
        workload("a", serviceName="b"),
        "are forbidden",
    ),
}


@pytest.mark.case(53)
@pytest.mark.parametrize("name", CASES)
async def test_a_change_that_is_never_taken_is_called_what_it_is_in_the_words_that_decide(
    name: str, control_plane: Cluster, namespace: str
) -> None:
    api, kind, plural, first, then, told = CASES[name]
    group, _, version = api.rpartition("/")
    path = resource_path(group, version, plural, namespace, "x")
    head = {"apiVersion": api, "kind": kind, "metadata": {"name": "x"}}
    query = {"fieldManager": "test", "force": "true"}
    async with await Kube.connect(user_agent="test/1", kubeconfig=control_plane.kubeconfig) as kube:
        await kube.request("PATCH", path, body=head | first, content_type=APPLY, query=query)
        with pytest.raises(KubeInvalid) as raised:
            await kube.request("PATCH", path, body=head | then, content_type=APPLY, query=query)
    judged = object_failure(raised.value, kind, f"{namespace}/x", secrets=[CANARY])
    assert judged.reason is Reason.FIELD_IMMUTABLE
    assert told in judged.message
    assert ANNOTATION_RECREATE in judged.message
    assert "…" not in judged.message
    assert CANARY not in judged.message


@pytest.mark.case(68)
async def test_a_deletion_that_is_tried_out_deletes_nothing_and_one_of_an_old_version_is_refused(
    control_plane: Cluster, namespace: str
) -> None:
    path = resource_path("", "v1", "configmaps", namespace, "x")
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    grant = ("create", "rolebinding", "somebody", "--clusterrole=admin", "--user=somebody")
    await asyncio.to_thread(control_plane.kubectl, "-n", namespace, *grant)
    async with await Kube.connect(user_agent="test/1", kubeconfig=control_plane.kubeconfig) as kube:
        requests = ObjectRequests(kube, Resources(kube))

        async def applied(value: str) -> dict[str, Any]:
            query = {"fieldManager": "test", "force": "true"}
            body = head | {"data": {"a": value}}
            live = await kube.request("PATCH", path, body=body, content_type=APPLY, query=query)
            return dict(live["metadata"])

        made = await applied("1")
        item = InventoryEntry("base", "", "v1", "ConfigMap", namespace, "x", uid=made["uid"])
        delete = partial(requests.delete, item, "somebody")
        await delete(version=made["resourceVersion"], dry_run=True)
        changed = await applied("2")
        for tried in (True, False):
            with pytest.raises(KubeConflict):
                await delete(version=made["resourceVersion"], dry_run=tried)
        assert await delete(version=changed["resourceVersion"], dry_run=False) is None
