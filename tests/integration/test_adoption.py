"""Objects that people made with kubectl are taken over on a real API server: what leaves the template then goes."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from builders.objects import NOON
from talkdesk_crds.names import FIELD_MANAGER
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.tenant.marks import Mark
from talkdesk_operator.reconcilers.objects import TenantObjects
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.templates.inventory import InventoryEntry, merge, planned
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path
from talkdesk_sandbox.controlplane import Cluster

pytestmark = pytest.mark.case(69)


@dataclass
class Tenant:
    """A template's objects in a namespace, and the inventory between two applies."""

    cluster: Cluster
    kube: Kube
    namespace: str
    inventory: tuple[InventoryEntry, ...] = field(default=())

    @property
    def owner(self) -> Owner:
        mark = Mark("sentiment", self.namespace, "t", "of-the-tenant", account_id="a1")
        return Owner(mark, f"system:serviceaccount:{self.namespace}:provisioner")

    async def kubectl(self, *arguments: str, manifest: dict[str, Any] | None = None) -> str:
        stdin = json.dumps(manifest) if manifest is not None else ""
        return await asyncio.to_thread(self.cluster.kubectl, "-n", self.namespace, *arguments, stdin=stdin)

    async def takes(self, *manifests: dict[str, Any]) -> None:
        cluster = KubernetesCluster(
            self.kube,
            Resources(self.kube),
            instance="test",
            now=lambda: NOON,
            seen=lambda _: None,
            applied=lambda _, __: None,
            wrote=lambda _, __: None,
        )
        placed = [{**each, "metadata": {**each["metadata"], "namespace": self.namespace}} for each in manifests]
        step = RenderedStep("base", tuple(placed), ready_when=None, on_offboard="Retain", adopt=True)
        rendered = RenderedTenant(self.namespace, (step,))
        known = merge(self.inventory, planned(rendered))
        applied = await TenantObjects(cluster).apply(rendered, known, self.owner)
        assert applied.failure is None, applied.failure
        self.inventory = tuple(applied.inventory.values())

    async def get(self, kind: str, name: str) -> dict[str, Any]:
        raw: dict[str, Any] = json.loads(await self.kubectl("get", kind, name, "-o", "json", "--show-managed-fields"))
        return raw


def settings(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def container(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": f"example.com/{name}:1", "ports": [{"containerPort": 80}], **fields}


def web(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers)}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": pod} | fields
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def managers(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["manager"]: entry["fieldsV1"] for entry in raw["metadata"]["managedFields"]}


@pytest.fixture
async def tenant(control_plane: Cluster, namespace: str) -> Any:
    async with await Kube.connect(user_agent="test/1", kubeconfig=control_plane.kubeconfig) as kube:
        it = Tenant(control_plane, kube, namespace)
        user = f"--user={it.owner.identity}"
        await it.kubectl("create", "rolebinding", "provisioner", "--clusterrole=admin", user)
        yield it


HOWS = {
    "client-side": ("apply", "-f", "-"),
    "server-side": ("apply", "--server-side", "-f", "-"),
    "create": ("create", "-f", "-"),
}


@pytest.mark.parametrize("how", HOWS)
async def test_a_field_that_leaves_the_template_of_an_adopted_object_goes(tenant: Tenant, how: str) -> None:
    await tenant.kubectl(*HOWS[how], manifest=settings(a="1", b="2", theirs="3"))
    await tenant.takes(settings(a="1", b="2"))
    assert (await tenant.get("configmap", "settings"))["data"] == {"a": "1", "b": "2", "theirs": "3"}
    await tenant.takes(settings(a="1"))
    live = await tenant.get("configmap", "settings")
    assert live["data"] == {"a": "1", "theirs": "3"}
    assert "f:a" in managers(live)[FIELD_MANAGER]["f:data"]


@pytest.mark.parametrize("how", HOWS)
async def test_an_entry_of_a_list_goes_with_all_that_kubectl_and_the_api_server_put_into_it(
    tenant: Tenant, how: str
) -> None:
    limits = {"limits": {"cpu": "1"}}
    environment = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    made = web(container("main", resources=limits, env=environment), container("beside", resources=limits))
    await tenant.kubectl(*HOWS[how], manifest=made)
    await tenant.takes(web(container("main", env=environment), container("beside")))
    (main, beside) = (await tenant.get("deployment", "web"))["spec"]["template"]["spec"]["containers"]
    assert main["resources"] == beside["resources"] == limits
    without_port = {**container("main", env=environment[:1]), "ports": [{"containerPort": 81}]}
    await tenant.takes(web(without_port))
    (left,) = (await tenant.get("deployment", "web"))["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in left["env"]] == ["A"]
    assert [each["containerPort"] for each in left["ports"]] == [81]


async def test_fields_of_other_managers_stay(tenant: Tenant) -> None:
    await tenant.kubectl("apply", "-f", "-", manifest=web(container("main")))
    path = resource_path("apps", "v1", "deployments", tenant.namespace, "web")
    theirs = {"metadata": {"annotations": {"example.com/x": "y"}}, "spec": {"revisionHistoryLimit": 3}}
    query = {"fieldManager": "another"}
    await tenant.kube.request("PATCH", path, body=theirs, content_type=MERGE_PATCH, query=query)
    await tenant.takes(web(container("main"), revisionHistoryLimit=3))
    before = managers(await tenant.get("deployment", "web"))["another"]
    await tenant.takes(web(container("main")))
    live = await tenant.get("deployment", "web")
    assert live["spec"]["revisionHistoryLimit"] == 3
    assert live["metadata"]["annotations"]["example.com/x"] == "y"
    assert managers(live)["another"] == before
    assert "f:spec" in before


async def test_what_a_person_applies_after_the_adoption_stays_the_persons_too(tenant: Tenant) -> None:
    await tenant.kubectl("apply", "-f", "-", manifest=settings(a="1"))
    await tenant.takes(settings(a="1"))
    await tenant.kubectl("apply", "-f", "-", manifest=settings(a="1", b="2"))
    await tenant.takes(settings(a="1", b="2"))
    await tenant.takes(settings(a="1"))
    assert (await tenant.get("configmap", "settings"))["data"] == {"a": "1", "b": "2"}
