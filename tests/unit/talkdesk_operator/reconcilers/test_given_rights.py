"""Rights that a template gives to its own account in the tenant's namespace: late, and gone with the namespace."""

from collections.abc import Callable
from typing import Any

import pytest

from builders.api_server import HOME, ApiServer
from builders.objects import NOON
from builders.operator_in_memory import IDENTITY, SPACE, TENANT
from talkdesk_crds.conditions import Reason
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.scope import RetryClass
from talkdesk_operator.domain.tenant.marks import Mark
from talkdesk_operator.reconcilers.objects import Applied, Deleted, TenantObjects
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.templates.inventory import InventoryEntry, merge, planned
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.kube_errors import KubeForbidden

OWNER = Owner(Mark("sentiment", HOME, TENANT, "uid-2", "acc1"), IDENTITY)
RBAC = "rbac.authorization.k8s.io/v1"
LATE = KubeForbidden("cannot patch resource configmaps")
SETTINGS = f"configmaps/{SPACE}/settings"


def manifest(kind: str, name: str, version: str = "v1") -> dict[str, Any]:
    place = {} if kind == "Namespace" else {"namespace": SPACE}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}}


NAMESPACE, BINDING = manifest("Namespace", SPACE), manifest("RoleBinding", "own", RBAC)


class Tenant:
    """One tenant's objects over an API server in memory; `slept` are the pauses so far."""

    def __init__(self, *bound: dict[str, Any]) -> None:
        self.server = ApiServer()
        kube = self.server.kube
        cluster = KubernetesCluster(
            kube,
            Resources(kube),
            instance="operator-1",
            now=lambda: NOON,
            seen=lambda _: None,
            applied=lambda _, __: None,
            wrote=lambda _, __: None,
        )
        self.slept: list[float] = []
        self.objects = TenantObjects(cluster, sleep=self._sleep)
        steps = [("space", (NAMESPACE, *bound)), ("more", (manifest("ConfigMap", "settings"),))]
        made = (RenderedStep(name, each, ready_when=None, on_offboard="Retain", adopt=False) for name, each in steps)
        self.rendered = RenderedTenant(SPACE, tuple(made))
        self.inventory: tuple[InventoryEntry, ...] = ()

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def apply(self) -> Applied:
        entries = merge(self.inventory, planned(self.rendered))
        applied = await self.objects.apply(self.rendered, entries, OWNER)
        self.inventory = tuple(applied.inventory.values())
        return applied

    async def delete(self) -> Deleted:
        return await self.objects.delete(self.inventory, OWNER)

    def refuses(self, line: str, count: int = 99) -> None:
        self.server.journal.fail(line, LATE, count=count)


async def test_a_right_that_was_just_given_is_waited_for_a_moment() -> None:
    tenant = Tenant(BINDING)
    tenant.refuses(f"APPLY {SETTINGS}", count=2)
    applied = await tenant.apply()
    assert applied.failure is None
    assert len(tenant.slept) == 2
    assert tenant.server.find("ConfigMap", "settings", SPACE) is not None


async def test_a_right_that_does_not_come_is_tried_again_soon_and_said() -> None:
    tenant = Tenant(BINDING)
    tenant.refuses(f"APPLY {SETTINGS}")
    applied = await tenant.apply()
    assert applied.failure is not None
    assert (applied.failure.reason, applied.failure.retry_class) == (Reason.ACCESS_MISSING, RetryClass.TRANSIENT)
    assert 1 < sum(tenant.slept) < 3


@pytest.mark.parametrize("bound", [(), (BINDING,)], ids=["without a RoleBinding", "with one of before"])
async def test_a_right_that_nobody_just_gave_is_not_waited_for(bound: tuple[dict[str, Any], ...]) -> None:
    tenant = Tenant(*bound)
    if bound:
        await tenant.apply()
    tenant.refuses(f"APPLY {SETTINGS}")
    applied = await tenant.apply()
    assert applied.failure is not None
    assert applied.failure.retry_class is RetryClass.SLOW
    assert tenant.slept == []


async def test_a_namespace_that_is_being_deleted_is_not_waited_for() -> None:
    tenant = Tenant(BINDING)
    tenant.server.journal.fail(f"APPLY {SETTINGS}", KubeForbidden("terminating", terminating=True), count=99)
    applied = await tenant.apply()
    assert applied.failure is not None
    assert (applied.failure.reason, tenant.slept) == (Reason.NOT_READY, [])


def deleted_by_hand(tenant: Tenant) -> None:
    tenant.server.remove("Namespace", SPACE)


def going(tenant: Tenant) -> None:
    tenant.server.edit("Namespace", SPACE, {"metadata": {"deletionTimestamp": "2026-03-01T12:00:00Z"}})


@pytest.mark.parametrize("ends", [deleted_by_hand, going])
async def test_what_can_not_be_seen_in_a_namespace_that_is_gone_or_going_is_gone_too(
    ends: Callable[[Tenant], None],
) -> None:
    tenant = Tenant(BINDING)
    await tenant.apply()
    ends(tenant)
    tenant.refuses(f"GET {SETTINGS}")
    deleted = await tenant.delete()
    assert deleted.failure is None
    assert "settings" not in [entry.name for entry in deleted.remaining]


@pytest.mark.parametrize("lines", [[], [f"GET namespaces/{SPACE}"]], ids=["it is there", "it can't be seen either"])
async def test_what_can_not_be_seen_in_a_namespace_that_stays_is_not_taken_for_gone(lines: list[str]) -> None:
    tenant = Tenant(BINDING)
    await tenant.apply()
    for line in (f"GET {SETTINGS}", *lines):
        tenant.refuses(line)
    deleted = await tenant.delete()
    assert deleted.failure is not None
    assert deleted.failure.reason is Reason.ACCESS_MISSING
    assert "settings" in [entry.name for entry in deleted.remaining]
    assert tenant.server.find("Namespace", SPACE) is not None


async def test_an_object_outside_all_namespaces_that_can_not_be_seen_is_not_taken_for_gone() -> None:
    tenant = Tenant()
    await tenant.apply()
    tenant.refuses(f"GET namespaces/{SPACE}")
    deleted = await tenant.delete()
    assert deleted.failure is not None
    assert [entry.kind for entry in deleted.remaining] == ["Namespace"]


async def test_the_account_keeps_its_rights_until_everything_is_gone() -> None:
    tenant = Tenant(BINDING)
    await tenant.apply()
    tenant.server.journal.clear()
    deleted = await tenant.delete()
    assert deleted.remaining == ()
    kinds = [line.split()[1].partition("/")[0] for line in tenant.server.journal.writes if line.startswith("DELETE")]
    assert kinds[:2] == ["configmaps", "namespaces"]
