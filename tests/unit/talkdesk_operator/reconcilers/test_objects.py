"""A tenant's objects: rendered steps in, requests and an inventory out."""

from dataclasses import replace
from typing import Any

import pytest

from builders.api_server import HOME, ApiServer
from builders.objects import NOON
from builders.operator_in_memory import IDENTITY, SPACE, TENANT
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_OWNER
from talkdesk_crds.tenant import StepState
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.scope import RetryClass
from talkdesk_operator.domain.tenant.marks import Mark
from talkdesk_operator.reconcilers.applied_versions import Earlier
from talkdesk_operator.reconcilers.objects import Applied, TenantObjects
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.templates.cel import compile_expression
from talkdesk_operator.templates.inventory import InventoryEntry, merge, planned
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.kube_errors import KubeConflict, KubeInvalid, KubeOverloaded

MARK = Mark("sentiment", HOME, TENANT, "uid-2", "acc1")
OWNER = Owner(MARK, IDENTITY)


def manifest(name: str, kind: str = "ConfigMap", **fields: Any) -> dict[str, Any]:
    """An object of the template as it was rendered."""
    api_version = "apps/v1" if kind == "Deployment" else "v1"
    place = {} if kind == "Namespace" else {"namespace": SPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place}} | fields


def step(name: str, *objects: dict[str, Any], **fields: Any) -> RenderedStep:
    known: dict[str, Any] = {"ready_when": None, "on_offboard": "Retain", "adopt": False}
    return RenderedStep(name, objects, **(known | fields))


SPACE_STEP = step("space", manifest(SPACE, "Namespace"))


class Tenant:
    """A server, and the inventory between two runs."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.server = ApiServer(*objects)
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
        self.objects = TenantObjects(cluster)
        self.inventory: tuple[InventoryEntry, ...] = ()

    async def apply(self, *steps: RenderedStep, earlier: Earlier | None = None) -> Applied:
        rendered, known = RenderedTenant(SPACE, steps), self.inventory
        applied = await self.objects.apply(rendered, merge(known, planned(rendered)), OWNER, earlier=earlier)
        self.inventory = tuple(applied.inventory.values())
        return applied

    async def applied(self, *steps: RenderedStep) -> "Tenant":
        applied = await self.apply(*steps)
        assert (applied.failure, applied.waiting) == (None, "")
        self.server.journal.clear()
        return self

    def lose_inventory(self) -> None:
        self.inventory = ()

    @property
    def lines(self) -> list[str]:
        return [line for line in self.server.journal.lines if not line.startswith("GET /api")]

    @property
    def deletions(self) -> list[str]:
        return [line for line in self.lines if line.startswith("DELETE")]


def there(name: str = SPACE, kind: str = "Namespace", **fields: Any) -> dict[str, Any]:
    """An object that somebody else made."""
    return manifest(name, kind, **fields)


# Apply.


async def test_objects_are_applied_in_their_order_and_their_uids_recorded() -> None:
    tenant = Tenant()
    applied = await tenant.apply(SPACE_STEP, step("base", manifest("a"), manifest("b")))
    assert tenant.lines[1:] == [f"APPLY namespaces/{SPACE}", *(f"APPLY configmaps/{SPACE}/{n}" for n in "ab")]
    assert [entry.uid for entry in tenant.inventory] == [f"namespaces-{SPACE}-1", "configmaps-a-1", "configmaps-b-1"]
    assert [(each.name, each.state) for each in applied.steps] == [
        ("space", StepState.READY),
        ("base", StepState.READY),
    ]


async def test_what_is_filled_in_anew_in_one_reconcile_is_applied_only_where_it_has_changed() -> None:
    tenant, earlier = Tenant(), Earlier()
    waiting = step("late", manifest("late", "Deployment", spec={"replicas": 1}))
    await tenant.apply(SPACE_STEP, step("base", manifest("a"), manifest("b")), waiting, earlier=earlier)
    tenant.server.journal.clear()
    changed = step("base", manifest("a"), manifest("b", data={"answered": "x"}), manifest("c"))
    applied = await tenant.apply(SPACE_STEP, changed, waiting, earlier=earlier)
    late = f"APPLY deployments/{SPACE}/late"
    assert tenant.lines == [f"APPLY configmaps/{SPACE}/b", f"APPLY configmaps/{SPACE}/c", late]
    assert len(applied.inventory) == 5
    tenant.server.journal.clear()
    await tenant.apply(SPACE_STEP, changed)
    assert len(tenant.lines) == 4, "the next reconcile applies all again"


async def test_in_a_namespace_that_was_just_made_nothing_is_looked_for() -> None:
    tenant = Tenant()
    await tenant.apply(SPACE_STEP, step("base", manifest("a")))
    assert tenant.lines == [f"GET namespaces/{SPACE}", f"APPLY namespaces/{SPACE}", f"APPLY configmaps/{SPACE}/a"]


async def test_a_new_object_in_an_older_namespace_is_looked_for_and_applied_without_force() -> None:
    tenant = await Tenant().applied(SPACE_STEP)
    await tenant.apply(SPACE_STEP, step("base", manifest("a")))
    assert tenant.lines[-2:] == [f"GET configmaps/{SPACE}/a", f"APPLY configmaps/{SPACE}/a"]
    assert tenant.server.requests[-1].query["force"] == "false"


async def test_an_object_of_ours_is_applied_by_uid_and_with_force() -> None:
    tenant = await Tenant().applied(SPACE_STEP)
    await tenant.apply(SPACE_STEP)
    request = tenant.server.requests[-1]
    assert request.body["metadata"]["uid"] == f"namespaces-{SPACE}-1"
    assert (request.query["force"], request.as_user) == ("true", IDENTITY)
    assert tenant.lines == [f"APPLY namespaces/{SPACE}"]


async def test_what_others_changed_on_an_object_of_ours_is_put_back() -> None:
    steps = SPACE_STEP, step("base", manifest("a", data={"x": "1"}))
    tenant = await Tenant().applied(*steps)
    tenant.server.edit("ConfigMap", "a", {"data": {"x": "2", "y": "3"}}, SPACE)
    await tenant.apply(*steps)
    assert tenant.server.get("ConfigMap", "a", SPACE)["data"] == {"x": "1", "y": "3"}


async def test_an_object_of_ours_that_somebody_deleted_is_made_again() -> None:
    steps = SPACE_STEP, step("base", manifest("a"))
    tenant = await Tenant().applied(*steps)
    tenant.server.remove("ConfigMap", "a", SPACE)
    await tenant.apply(*steps)
    assert tenant.inventory[-1].uid == "configmaps-a-2"


async def test_an_object_of_somebody_else_is_left_alone_and_named() -> None:
    tenant = Tenant(there(), there("a", "ConfigMap", data={"x": "theirs"}))
    applied = await tenant.apply(step("base", manifest("a", data={"x": "ours"})))
    assert tenant.server.get("ConfigMap", "a", SPACE)["data"] == {"x": "theirs"}
    assert applied.failure is not None
    assert (applied.failure.reason, applied.failure.retry_class) == (Reason.CONFLICT, RetryClass.SLOW)
    assert f"ConfigMap {SPACE}/a" in applied.failure.message


async def test_an_object_of_ours_that_somebody_replaced_by_their_own_is_left_alone() -> None:
    steps = SPACE_STEP, step("base", manifest("a", data={"x": "ours"}))
    tenant = await Tenant().applied(*steps)
    tenant.server.remove("ConfigMap", "a", SPACE)
    tenant.server.put(there("a", "ConfigMap", data={"x": "theirs"}))
    applied = await tenant.apply(*steps)
    assert applied.failure is not None
    assert f"ConfigMap {SPACE}/a" in applied.failure.message
    assert tenant.server.get("ConfigMap", "a", SPACE)["data"] == {"x": "theirs"}


async def test_an_object_of_ours_that_came_back_with_another_uid_is_ours_again() -> None:
    steps = SPACE_STEP, step("base", manifest("a", data={"x": "1"}))
    tenant = await Tenant().applied(*steps)
    restored = tenant.server.get("ConfigMap", "a", SPACE)
    tenant.server.remove("ConfigMap", "a", SPACE)
    tenant.server.put(restored | {"metadata": restored["metadata"] | {"uid": "restored"}})
    applied = await tenant.apply(*steps)
    assert applied.failure is None
    assert tenant.inventory[-1].uid == "restored"


async def test_a_step_that_adopts_takes_over_an_object_that_nobody_marked() -> None:
    tenant = Tenant(there(), there("a", "ConfigMap", data={"x": "theirs"}))
    await tenant.apply(step("base", manifest("a", data={"x": "ours"}), adopt=True))
    assert tenant.server.get("ConfigMap", "a", SPACE)["data"] == {"x": "ours"}
    assert tenant.lines == [f"GET configmaps/{SPACE}/a", f"APPLY configmaps/{SPACE}/a"]
    assert tenant.server.requests[-1].body["metadata"]["uid"] == "configmaps-a-1"


@pytest.mark.case(69)
async def test_only_when_an_object_is_taken_over_its_fields_are_taken_from_kubectl() -> None:
    made = {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {"f:data": {"f:x": {}}}}
    raw = there("a", "ConfigMap", data={"x": "theirs"})
    tenant = Tenant(there(), raw | {"metadata": raw["metadata"] | {"managedFields": [made]}})
    adopting = step("base", manifest("a", data={"x": "ours"}), adopt=True)
    for tries, again in ((1, False), (0, False), (0, True)):
        tenant.server.journal.clear()
        if again:
            tenant.lose_inventory()
        await tenant.apply(adopting)
        assert tenant.lines.count(f"DRY-RUN configmaps/{SPACE}/a") == tries


async def test_an_object_that_changes_while_it_is_taken_over_is_tried_again_soon() -> None:
    made = {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {"f:data": {"f:x": {}}}}
    raw = there("a", "ConfigMap", data={"x": "theirs"})
    tenant = Tenant(there(), raw | {"metadata": raw["metadata"] | {"managedFields": [made]}})
    tenant.server.journal.fail(f"DRY-RUN configmaps/{SPACE}/a", KubeConflict("the object has been modified"))
    applied = await tenant.apply(step("base", manifest("a", data={"x": "ours"}), adopt=True))
    assert applied.failure is not None
    assert applied.failure.retry_class is RetryClass.TRANSIENT
    assert tenant.server.get("ConfigMap", "a", SPACE)["data"] == {"x": "theirs"}


async def test_an_object_with_our_labels_is_ours_although_no_inventory_names_it() -> None:
    tenant = await Tenant().applied(SPACE_STEP, step("base", manifest("a")))
    tenant.lose_inventory()
    applied = await tenant.apply(step("base", manifest("a")))
    assert applied.failure is None
    assert tenant.inventory[-1].uid == "configmaps-a-1"


async def test_what_others_changed_on_an_object_with_our_labels_is_put_back_although_no_inventory_names_it() -> None:
    steps = SPACE_STEP, step("base", manifest("a", data={"x": "1"}))
    tenant = await Tenant().applied(*steps)
    tenant.lose_inventory()
    tenant.server.edit("ConfigMap", "a", {"data": {"x": "2"}}, SPACE)
    applied = await tenant.apply(*steps)
    assert applied.failure is None
    assert tenant.server.get("ConfigMap", "a", SPACE)["data"] == {"x": "1"}


@pytest.mark.case(69)
@pytest.mark.parametrize("theirs", [{"data": {"x": "theirs"}}, {"data": {"y": "theirs"}}, {"data": {"x": "ours"}}, {}])
async def test_an_object_that_somebody_makes_between_the_look_and_the_first_apply_is_not_taken(
    theirs: dict[str, Any],
) -> None:
    """Whether or not the API server would see a conflict of fields."""
    tenant = Tenant(there())
    tenant.server.journal.on(
        f"APPLY configmaps/{SPACE}/a", lambda: tenant.server.put(there("a", "ConfigMap", **theirs))
    )
    applied = await tenant.apply(step("base", manifest("a", data={"x": "ours"})))
    assert applied.failure is not None
    assert (applied.failure.reason, applied.failure.retry_class) == (Reason.CONFLICT, RetryClass.SLOW)
    live = tenant.server.get("ConfigMap", "a", SPACE)
    assert live.get("data") == theirs.get("data")
    assert "labels" not in live["metadata"]
    assert not (await tenant.objects.delete(tenant.inventory, OWNER)).remaining
    assert tenant.server.find("ConfigMap", "a", SPACE) is not None


@pytest.mark.case(69)
async def test_a_namespace_that_somebody_makes_between_the_look_and_the_first_apply_is_not_taken() -> None:
    tenant = Tenant()
    tenant.server.journal.on(f"APPLY namespaces/{SPACE}", lambda: tenant.server.put(there()))
    applied = await tenant.apply(SPACE_STEP, step("base", manifest("a")))
    assert applied.failure is not None
    assert applied.failure.reason is Reason.CONFLICT
    assert "annotations" not in tenant.server.get("Namespace", SPACE)["metadata"]
    assert tenant.server.find("ConfigMap", "a", SPACE) is None


@pytest.mark.case(69)
async def test_an_object_that_was_made_though_the_answer_was_lost_is_ours() -> None:
    tenant = await Tenant().applied(SPACE_STEP, step("base", manifest("a", data={"x": "1"})))
    tenant.lose_inventory()
    live = tenant.server.get("ConfigMap", "a", SPACE)
    tenant.server.remove("ConfigMap", "a", SPACE)
    tenant.server.journal.on(f"APPLY configmaps/{SPACE}/a", lambda: tenant.server.put(live))
    applied = await tenant.apply(SPACE_STEP, step("base", manifest("a", data={"x": "2"})))
    assert applied.failure is None
    assert tenant.server.get("ConfigMap", "a", SPACE)["data"] == {"x": "2"}


async def test_a_conflict_about_an_object_that_is_not_there_is_tried_again_soon() -> None:
    """Such as of two objects that count towards one quota at once."""
    tenant = Tenant(there())
    tenant.server.journal.fail(f"APPLY configmaps/{SPACE}/a", KubeConflict("Operation cannot be fulfilled on quotas"))
    applied = await tenant.apply(step("base", manifest("a")))
    assert applied.failure is not None
    assert applied.failure.retry_class is RetryClass.TRANSIENT


async def test_what_the_cluster_puts_into_a_namespace_of_ours_is_ours_to_shape() -> None:
    """Whether it is there before us is chance; the ServiceAccount `default` is another one."""
    tenant = Tenant()
    name = "kube-root-ca.crt"
    theirs = there(name, "ConfigMap", data={"ca.crt": "x"})
    tenant.server.journal.on(f"APPLY configmaps/{SPACE}/{name}", lambda: tenant.server.put(theirs))
    applied = await tenant.apply(SPACE_STEP, step("base", manifest(name, data={"more": "y"})))
    assert applied.failure is None
    assert tenant.server.get("ConfigMap", name, SPACE)["data"] == {"ca.crt": "x", "more": "y"}


async def test_objects_in_a_namespace_that_is_being_deleted_are_tried_again_soon() -> None:
    tenant = await Tenant().applied(SPACE_STEP)
    tenant.server.edit(
        "Namespace", SPACE, {"metadata": {"finalizers": ["x"], "deletionTimestamp": "2026-03-01T12:00:00Z"}}
    )
    applied = await tenant.apply(step("base", manifest("a")))
    assert applied.failure is not None
    assert (applied.failure.reason, applied.failure.retry_class) == (Reason.NOT_READY, RetryClass.TRANSIENT)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(KubeInvalid("data: too long"), Reason.APPLY_REFUSED), (KubeOverloaded("busy"), Reason.CLUSTER_UNAVAILABLE)],
)
async def test_a_failure_stops_at_its_step_and_names_the_object(error: Exception, reason: Reason) -> None:
    tenant = Tenant()
    tenant.server.journal.fail(f"APPLY configmaps/{SPACE}/b", error)
    applied = await tenant.apply(
        SPACE_STEP, step("base", manifest("a"), manifest("b"), manifest("c")), step("more", manifest("d"))
    )
    assert applied.failure is not None
    assert applied.failure.reason is reason
    assert f"ConfigMap {SPACE}/b" in applied.failure.message
    assert [each.state for each in applied.steps] == [StepState.READY, StepState.FAILED, StepState.PENDING]
    assert tenant.lines[-1] == f"APPLY configmaps/{SPACE}/b"
    assert [entry.name for entry in tenant.inventory if not entry.uid] == ["b", "c", "d"]


DEPLOYMENT = manifest("web", "Deployment", spec={"replicas": 1})
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


async def test_the_next_step_waits_until_the_objects_of_a_step_are_ready() -> None:
    tenant = await Tenant().applied(SPACE_STEP)
    steps = step("web", DEPLOYMENT, manifest("a")), step("more", manifest("b"))
    applied = await tenant.apply(*steps)
    assert f"Deployment {SPACE}/web" in applied.waiting
    assert [each.state for each in applied.steps] == [StepState.WAITING, StepState.PENDING]
    assert tenant.server.find("ConfigMap", "a", SPACE) is not None
    assert tenant.server.find("ConfigMap", "b", SPACE) is None
    condition = {"type": "Available", "status": "True"}
    tenant.server.edit("Deployment", "web", {"status": DONE | {"conditions": [condition]}}, SPACE)
    assert (await tenant.apply(*steps)).waiting == ""
    assert tenant.server.find("ConfigMap", "b", SPACE) is not None


async def test_an_object_that_its_controller_gave_up_is_a_failure() -> None:
    tenant = await Tenant().applied(SPACE_STEP)
    steps = (step("web", DEPLOYMENT),)
    await tenant.apply(*steps)
    given_up = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no image"}
    status = {"observedGeneration": 1, "conditions": [given_up]}
    tenant.server.edit("Deployment", "web", {"status": status}, SPACE)
    applied = await tenant.apply(*steps)
    assert applied.failure is not None
    assert applied.failure.reason is Reason.NOT_READY
    assert f"Deployment {SPACE}/web" in applied.failure.message


async def test_a_step_is_ready_when_its_own_expression_says_so() -> None:
    ready_when = compile_expression("has(object.status) && object.status.phase == 'Fine'")
    tenant = await Tenant().applied(SPACE_STEP)
    steps = (step("web", DEPLOYMENT, ready_when=ready_when),)
    assert (await tenant.apply(*steps)).waiting
    tenant.server.edit("Deployment", "web", {"status": {"phase": "Fine", "observedGeneration": 1}}, SPACE)
    assert (await tenant.apply(*steps)).waiting == ""


@pytest.mark.case(69)
async def test_of_two_tenants_that_make_the_same_object_at_once_one_gets_it() -> None:
    tenant = Tenant()
    other = Owner(Mark("sentiment", "staging", TENANT, "uid-3", "acc1"), IDENTITY)
    outcomes: list[Applied] = []

    def meanwhile() -> None:
        rendered = RenderedTenant(SPACE, (SPACE_STEP,))
        try:
            tenant.objects.apply(rendered, planned(rendered), other).send(None)
        except StopIteration as end:
            outcomes.append(end.value)

    tenant.server.journal.on(f"APPLY namespaces/{SPACE}", meanwhile)
    assert (await tenant.apply(SPACE_STEP)).failure is None
    (second,) = outcomes
    assert second.failure is not None
    assert (second.failure.reason, second.failure.retry_class) == (Reason.CONFLICT, RetryClass.TRANSIENT)
    assert tenant.server.get("Namespace", SPACE)["metadata"]["annotations"] == {ANNOTATION_OWNER: MARK.owner}


# Delete.


async def grown() -> Tenant:
    """A tenant with a namespace and two steps of objects."""
    return await Tenant().applied(SPACE_STEP, step("base", manifest("a"), manifest("b")), step("more", manifest("c")))


async def test_objects_are_deleted_in_reverse_and_by_uid() -> None:
    tenant = await grown()
    deleted = await tenant.objects.delete(tenant.inventory, OWNER)
    assert tenant.deletions == [*(f"DELETE configmaps/{SPACE}/{n}" for n in "cba"), f"DELETE namespaces/{SPACE}"]
    uids = [each.body["preconditions"]["uid"] for each in tenant.server.requests if each.method == "DELETE"]
    assert uids == [entry.uid for entry in reversed(tenant.inventory)]
    assert (deleted.remaining, deleted.blocking, deleted.failure) == ((), "", None)


async def test_a_step_is_deleted_only_when_the_one_after_it_is_gone() -> None:
    tenant = await grown()
    tenant.server.edit("ConfigMap", "b", {"metadata": {"finalizers": ["example.com/hold"]}}, SPACE)
    deleted = await tenant.objects.delete(tenant.inventory, OWNER)
    assert tenant.deletions == [f"DELETE configmaps/{SPACE}/{n}" for n in "cba"]
    assert [entry.name for entry in deleted.remaining] == [SPACE, "b"]
    assert "example.com/hold" in deleted.blocking
    assert f"ConfigMap {SPACE}/b" in deleted.blocking


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"status": {"conditions": [{"type": "ContentRemains", "status": "True", "message": "pods are left"}]}},
            "pods",
        ),
        ({"status": {"conditions": [{"type": "ContentRemains", "status": "False", "message": "pods"}]}}, "kubernetes"),
        ({"status": {"conditions": None}}, "kubernetes"),
    ],
)
async def test_what_holds_a_namespace_is_said_by_its_conditions_or_its_finalizers(
    fields: dict[str, Any], expected: str
) -> None:
    tenant = await Tenant().applied(SPACE_STEP)
    tenant.server.edit("Namespace", SPACE, {"metadata": {"finalizers": ["kubernetes"]}} | fields)
    deleted = await tenant.objects.delete(tenant.inventory, OWNER)
    assert f"Namespace {SPACE}" in deleted.blocking
    assert expected in deleted.blocking


async def test_a_failed_deletion_stops_and_keeps_what_is_left() -> None:
    tenant = await grown()
    tenant.server.forbid("ConfigMap", "DELETE")
    deleted = await tenant.objects.delete(tenant.inventory, OWNER)
    assert deleted.failure is not None
    assert f"ConfigMap {SPACE}/c" in deleted.failure.message
    assert deleted.remaining == tenant.inventory


def _unconfirmed(tenant: Tenant) -> tuple[InventoryEntry, ...]:
    return tuple(replace(entry, uid="") for entry in tenant.inventory)


async def test_an_object_that_was_planned_and_perhaps_made_is_deleted_when_it_bears_our_labels() -> None:
    tenant = await grown()
    await tenant.objects.delete(_unconfirmed(tenant), OWNER)
    assert tenant.server.objects == {}


async def test_an_object_that_was_planned_and_is_somebody_elses_stays() -> None:
    tenant = Tenant(there(), there("a", "ConfigMap"))
    entry = InventoryEntry("base", "", "v1", "ConfigMap", SPACE, "a")
    deleted = await tenant.objects.delete((entry,), OWNER)
    assert deleted.remaining == ()
    assert tenant.server.find("ConfigMap", "a", SPACE) is not None


@pytest.mark.parametrize("kind", ["ConfigMap", "Widget"])
async def test_an_object_that_was_planned_and_cannot_even_be_looked_for_was_never_made(kind: str) -> None:
    tenant = Tenant(there())
    tenant.server.forbid("ConfigMap", "GET")
    entry = InventoryEntry("base", "", "v1", kind, SPACE, "a")
    assert (await tenant.objects.delete((entry,), OWNER)).remaining == ()


async def test_an_object_that_was_planned_and_never_made_is_gone() -> None:
    entry = InventoryEntry("base", "", "v1", "ConfigMap", SPACE, "a")
    assert (await Tenant(there()).objects.delete((entry,), OWNER)).remaining == ()


async def test_nothing_to_delete_costs_no_request() -> None:
    tenant = Tenant()
    assert (await tenant.objects.delete((), OWNER)).remaining == ()
    assert tenant.lines == []
