"""Objects that left the template of a live tenant: the same object is found again, data is kept, deletions are told."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders.objects import DAY
from builders.operator_in_memory import (
    NAMESPACE,
    SPACE,
    TENANT,
    OperatorInMemory,
    config_map,
    installed,
    sentiment,
    tenant_scope,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_ON_REMOVE, ANNOTATION_OWNER, LABEL_TENANT
from talkdesk_crds.tenant import OrphanReason
from talkdesk_operator.domain.reconcile.scope import Scope, TenantResult
from talkdesk_runtime.kube_errors import KubeError

pytestmark = pytest.mark.case(68)

ROLE = config_map("reader", apiVersion="rbac.authorization.k8s.io/v1", kind="Role", rules=[])
SETTINGS = config_map("settings", data={"x": "1"})
IN_DEFAULT = NAMESPACE | {"metadata": {"name": "${tenant.name}", "namespace": "default"}}


def step(*manifests: dict[str, Any], name: str = "base", **fields: Any) -> dict[str, Any]:
    return {"name": name, "manifests": list(manifests)} | fields


class Live:
    """A live tenant and its app, whose template changes."""

    def __init__(self, *steps: dict[str, Any]) -> None:
        self.operator = OperatorInMemory(sentiment(*steps), installed())
        self.server = self.operator.server

    def scope(self) -> Scope:
        return tenant_scope(self.operator)

    async def provision(self, *, result: TenantResult = TenantResult.READY) -> None:
        after = await self.operator.tenants.provision(self.scope())
        assert after.tenant_outcome is not None
        assert after.tenant_outcome.result is result, after.tenant_outcome

    def edit(self, *steps: dict[str, Any]) -> None:
        self.operator.journal.clear()
        self.operator.change("TalkdeskApp", "sentiment", sentiment(*steps))

    async def becomes(self, *steps: dict[str, Any], result: TenantResult = TenantResult.READY) -> None:
        """Change the template and provision; then nothing is left to do."""
        self.edit(*steps)
        await self.provision(result=result)

    def protect(self, *, protected: bool = True) -> None:
        self.operator.change("TalkdeskTenant", TENANT, {"spec": {"deletionProtection": protected}})

    @property
    def deletions(self) -> list[str]:
        return [line for line in self.operator.journal.writes if line.startswith("DELETE")]

    @property
    def events(self) -> list[Mapping[str, Any]]:
        return [r.body for r in self.server.requests if r.method == "POST" and r.path.endswith("/events")]

    @property
    def orphans(self) -> dict[str, OrphanReason]:
        return {each.name: each.reason for each in self.operator.tenant.status.orphaned_objects}

    @property
    def inventory(self) -> list[str]:
        return [each.name for each in self.operator.tenant.status.inventory]

    @property
    def held(self) -> str:
        return self.operator.tenant_reason("PruneHeld")

    def uid(self, kind: str, name: str, namespace: str = SPACE) -> str:
        return str(self.server.get(kind, name, namespace)["metadata"]["uid"])


def replace_by_a_strangers(tenant: Live, kind: str, name: str) -> None:
    raw = tenant.server.get(kind, name, SPACE)
    tenant.server.remove(kind, name, SPACE)
    tenant.server.put(raw | {"metadata": {"name": name, "namespace": SPACE, "uid": "theirs"}})


async def live(*steps: dict[str, Any]) -> Live:
    tenant = Live(*steps)
    await tenant.provision()
    tenant.operator.journal.clear()
    return tenant


# The same object.


@pytest.mark.parametrize(("before", "after"), [(IN_DEFAULT, NAMESPACE), (NAMESPACE, IN_DEFAULT)])
async def test_a_namespace_is_the_same_with_and_without_a_namespace_of_its_own(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    tenant = await live(step(before, SETTINGS))
    uids = tenant.uid("Namespace", SPACE), tenant.uid("ConfigMap", "settings")
    await tenant.becomes(step(after, SETTINGS))
    assert (tenant.uid("Namespace", SPACE), tenant.uid("ConfigMap", "settings")) == uids
    assert (tenant.deletions, tenant.orphans) == ([], {})
    assert tenant.operator.tenant_reason() == "True/Applied"
    assert [each.namespace for each in tenant.operator.tenant.spec.objects] == ["", SPACE]


@pytest.mark.parametrize("recorded", ["inventory", "plan"])
@pytest.mark.parametrize("now", [NAMESPACE, IN_DEFAULT])
async def test_what_an_older_version_recorded_with_a_namespace_is_the_same_object(
    now: dict[str, Any], recorded: str
) -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    uids = tenant.uid("Namespace", SPACE), tenant.uid("ConfigMap", "settings")
    raw = tenant.server.get("TalkdeskTenant", TENANT)
    raw["spec"]["objects"][0]["namespace"] = "default"
    raw["status"]["inventory"][0]["namespace"] = "default"
    if recorded == "plan":
        raw["status"]["inventory"] = []
    tenant.server.put(raw)
    await tenant.becomes(step(now, SETTINGS))
    assert (tenant.uid("Namespace", SPACE), tenant.uid("ConfigMap", "settings")) == uids
    assert tenant.deletions == []
    assert tenant.inventory == [SPACE, "settings"]
    assert [each.namespace for each in tenant.operator.tenant.status.inventory] == ["", SPACE]


async def test_a_custom_object_outside_all_namespaces_is_the_same_with_and_without_one() -> None:
    widget = config_map(f"{SPACE}-w", apiVersion="example.com/v1", kind="ClusterWidget")
    bare = widget | {"metadata": {"name": f"{SPACE}-w"}}
    tenant = await live(step(NAMESPACE, widget, onRemove="Delete"))
    uid = tenant.uid("ClusterWidget", f"{SPACE}-w")
    await tenant.becomes(step(NAMESPACE, bare, onRemove="Delete"))
    assert (tenant.uid("ClusterWidget", f"{SPACE}-w"), tenant.deletions) == (uid, [])


async def test_two_manifests_that_are_one_object_by_the_kinds_scope_fail_in_words() -> None:
    widgets = [
        {"apiVersion": "example.com/v1", "kind": "ClusterWidget", "metadata": {"name": "w", "namespace": place}}
        for place in ("a", "b")
    ]
    tenant = await live(step(NAMESPACE))
    await tenant.becomes(step(NAMESPACE, *widgets), result=TenantResult.FAILED)
    assert tenant.operator.tenant_reason() == "False/RenderFailed"
    assert tenant.operator.server.all("ClusterWidget") == []


async def test_an_object_that_moved_to_another_group_is_not_deleted_by_its_old_name() -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    raw = tenant.server.get("TalkdeskTenant", TENANT)
    uid = tenant.uid("Role", "reader")
    old = raw["status"]["inventory"][-1] | {"group": "legacy.example.com"}
    raw["status"]["inventory"].append(old)
    tenant.server.put(raw)
    await tenant.becomes(step(NAMESPACE, ROLE, SETTINGS))
    assert (tenant.uid("Role", "reader"), tenant.deletions, tenant.orphans) == (uid, [], {})
    assert tenant.inventory == [SPACE, "reader", "settings"]


async def test_an_unconfirmed_object_that_turns_out_to_be_one_of_the_template_is_not_deleted() -> None:
    """The process ended before the uid was recorded, and the group is another one now."""
    tenant = await live(step(NAMESPACE, SETTINGS))
    raw = tenant.server.get("TalkdeskTenant", TENANT)
    served = {"group": "rbac.authorization.k8s.io", "version": "v1", "kind": "Role", "namespace": SPACE}
    raw["status"]["inventory"].append(served | {"step": "base", "name": "reader"})
    tenant.server.put(raw)
    role = tenant.server.get("ConfigMap", "settings", SPACE)
    tenant.server.put(role | {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"} | _renamed(role, "reader"))
    await tenant.becomes(step(NAMESPACE, SETTINGS, config_map("b")))
    assert tenant.deletions == []


def _renamed(raw: dict[str, Any], name: str) -> dict[str, Any]:
    return {"metadata": raw["metadata"] | {"name": name}}


async def test_a_renamed_step_deletes_and_remakes_nothing() -> None:
    tenant = await live(step(NAMESPACE, name="space"), step(SETTINGS, ROLE, onRemove="Delete"))
    before = {kind: tenant.uid(kind, name) for kind, name in (("ConfigMap", "settings"), ("Role", "reader"))}
    await tenant.becomes(step(NAMESPACE, name="ground"), step(SETTINGS, ROLE, name="other"))
    assert (tenant.uid("ConfigMap", "settings"), tenant.uid("Role", "reader")) == (*before.values(),)
    assert (tenant.deletions, tenant.orphans, tenant.held) == ([], {}, "none")


# What is deleted, and how it is told.


async def test_an_object_without_data_that_left_the_template_is_deleted_and_told() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS, ROLE))
    uid = tenant.uid("Role", "reader")
    with capture_logs() as logs:
        await tenant.becomes(step(NAMESPACE, SETTINGS))
    assert tenant.operator.journal.writes[-3:] == [
        "POST events/ObjectPruned",
        f"DELETE roles/{SPACE}/reader",
        f"PATCH talkdesktenants/{TENANT}/status",
    ]
    (event,) = tenant.events
    assert f"Role {SPACE}/reader" in event["note"]
    assert event["regarding"]["name"] == TENANT
    (line,) = [log for log in logs if log["event"] == "tenant.object_pruned"]
    assert (line["kind"], line["object"], line["uid"]) == ("Role", f"{SPACE}/reader", uid)
    assert (tenant.inventory, tenant.orphans, tenant.held) == ([SPACE, "settings"], {}, "none")


@pytest.mark.parametrize("where", ["step", "object"])
async def test_an_object_with_data_is_deleted_when_the_template_said_so_before(where: str) -> None:
    word = {"onRemove": "Delete"} if where == "step" else {}
    marked = config_map("settings", data={"x": "1"})
    if where == "object":
        marked["metadata"] = marked["metadata"] | {"annotations": {ANNOTATION_ON_REMOVE: "Delete"}}
    tenant = await live(step(NAMESPACE), step(marked, name="other", **word))
    await tenant.becomes(step(NAMESPACE))
    assert tenant.deletions == [f"DELETE configmaps/{SPACE}/settings"]
    assert len(tenant.events) == 1


async def test_a_deletion_that_takes_its_time_is_told_once_and_stays_on_record() -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    tenant.server.edit("Role", "reader", {"metadata": {"finalizers": ["example.com/hold"]}}, SPACE)
    await tenant.becomes(step(NAMESPACE), result=TenantResult.WAITING)
    await tenant.provision(result=TenantResult.WAITING)
    assert tenant.inventory == [SPACE, "reader"]
    assert tenant.operator.tenant_reason() == "False/NotReady"
    assert len(tenant.events) == 1
    tenant.server.remove("Role", "reader", SPACE)
    await tenant.provision()
    assert tenant.inventory == [SPACE]


async def test_a_deletion_that_is_refused_is_not_told_and_one_that_is_taken_later_is() -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    tenant.server.forbid("Role", "DELETE")
    await tenant.becomes(step(NAMESPACE), result=TenantResult.FAILED)
    await tenant.provision(result=TenantResult.FAILED)
    assert (tenant.deletions, tenant.events) == ([], [])
    assert tenant.inventory == [SPACE, "reader"]
    tenant.server.allow("Role", "DELETE")
    await tenant.provision()
    assert (len(tenant.deletions), len(tenant.events)) == (1, 1)
    assert tenant.inventory == [SPACE]


@pytest.mark.case(68)
async def test_an_object_whose_marks_a_person_takes_off_right_before_the_deletion_is_kept() -> None:
    tenant = await live(step(NAMESPACE, ROLE))

    def release() -> None:
        tenant.server.edit("Role", "reader", {"metadata": {"labels": {LABEL_TENANT: None}}}, SPACE)

    tenant.operator.journal.on(f"DELETE roles/{SPACE}/reader", release)
    await tenant.becomes(step(NAMESPACE))
    assert tenant.server.find("Role", "reader", SPACE) is not None
    assert tenant.inventory == [SPACE]


async def test_an_object_that_changes_right_before_its_deletion_goes_all_the_same() -> None:
    tenant = await live(step(NAMESPACE, ROLE))

    def touch() -> None:
        tenant.server.edit("Role", "reader", {"metadata": {"labels": {"seen": "yes"}}}, SPACE)

    tenant.operator.journal.on(f"DELETE roles/{SPACE}/reader", touch)
    await tenant.becomes(step(NAMESPACE))
    assert tenant.server.find("Role", "reader", SPACE) is None


async def test_nothing_is_deleted_before_all_that_is_wanted_is_there() -> None:
    tenant = await live(step(NAMESPACE, ROLE, SETTINGS))
    await tenant.becomes(step(NAMESPACE, ROLE))
    web = config_map("web", apiVersion="apps/v1", kind="Deployment", spec={"replicas": 1})
    await tenant.becomes(step(NAMESPACE, web), result=TenantResult.WAITING)
    assert (tenant.deletions, tenant.inventory) == ([], [SPACE, "web", "reader", "settings"])
    assert (tenant.orphans, tenant.held) == ({"settings": OrphanReason.RETAIN}, "True/ObjectsOrphaned")


@pytest.mark.parametrize("change", ["released", "replaced"])
async def test_an_object_that_is_not_the_tenants_any_more_is_left_alone(change: str) -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    if change == "released":
        tenant.server.edit("Role", "reader", {"metadata": {"labels": {LABEL_TENANT: None}}}, SPACE)
    else:
        replace_by_a_strangers(tenant, "Role", "reader")
    await tenant.becomes(step(NAMESPACE))
    assert (tenant.deletions, tenant.events, tenant.inventory) == ([], [], [SPACE])
    assert tenant.server.find("Role", "reader", SPACE) is not None


CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "app": ("TalkdeskApp", "sentiment", sentiment(step(NAMESPACE, ROLE))),
    "owner": ("TalkdeskTenant", TENANT, {"spec": {"installationRef": {"name": "newer"}}}),
    "state": ("TalkdeskTenant", TENANT, {"spec": {"state": "Offboarded"}}),
    "paused": ("TalkdeskTenant", TENANT, {"spec": {"paused": True}}),
}


@pytest.mark.case(71)
@pytest.mark.parametrize("changed", ["app", "owner", "state", "paused"])
async def test_nothing_is_deleted_for_a_view_that_lags(changed: str) -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    tenant.edit(step(NAMESPACE))
    kind, name, changes = CHANGES[changed]
    tenant.operator.journal.on("GET talkdeskapps/sentiment", lambda: tenant.operator.change(kind, name, changes))
    await tenant.provision(result=TenantResult.WAITING)
    assert tenant.deletions == []
    assert "reader" in tenant.inventory


@pytest.mark.case(71)
@pytest.mark.parametrize("kind", ["TalkdeskApp", "TalkdeskTenant"])
@pytest.mark.parametrize("another", [True, False])
async def test_nothing_is_deleted_when_app_or_tenant_are_gone(kind: str, *, another: bool) -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    tenant.edit(step(NAMESPACE))
    name = TENANT if kind == "TalkdeskTenant" else "sentiment"

    def replaced() -> None:
        raw = tenant.server.get(kind, name)
        tenant.server.remove(kind, name)
        if another:
            tenant.server.put(raw | {"metadata": raw["metadata"] | {"uid": "another"}})

    tenant.operator.journal.on("GET talkdeskapps/sentiment", replaced)
    with suppress(KubeError):  # the status of a tenant that is gone can't be written
        await tenant.provision(result=TenantResult.WAITING)
    assert tenant.deletions == []


async def test_an_object_whose_owner_is_in_doubt_is_kept_and_listed() -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    tenant.server.edit("Role", "reader", {"metadata": {"annotations": {ANNOTATION_OWNER: None}}}, SPACE)
    await tenant.becomes(step(NAMESPACE))
    assert (tenant.deletions, tenant.events) == ([], [])
    assert (tenant.inventory, tenant.orphans) == ([SPACE, "reader"], {"reader": OrphanReason.OWNER_UNKNOWN})


async def test_an_orphan_that_came_back_from_a_backup_is_an_orphan_with_its_new_uid() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    await tenant.becomes(step(NAMESPACE))
    raw = tenant.server.get("ConfigMap", "settings", SPACE)
    tenant.server.remove("ConfigMap", "settings", SPACE)
    tenant.server.put(raw | {"metadata": raw["metadata"] | {"uid": "restored"}})
    await tenant.provision()
    assert tenant.orphans == {"settings": OrphanReason.RETAIN}
    assert tenant.operator.tenant.status.inventory[-1].uid == "restored"


# What is kept.


async def test_an_object_that_may_hold_data_becomes_an_orphan_that_is_listed() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    await tenant.becomes(step(NAMESPACE))
    assert (tenant.deletions, tenant.orphans) == ([], {"settings": OrphanReason.RETAIN})
    (orphan,) = tenant.operator.tenant.status.orphaned_objects
    assert orphan.remove == f"kubectl delete ConfigMap settings -n {SPACE}"
    assert orphan.orphaned_time == tenant.operator.now.replace(microsecond=0)
    assert tenant.held == "True/ObjectsOrphaned"
    assert tenant.operator.tenant_reason() == "True/Applied"
    assert tenant.inventory == [SPACE, "settings"]
    tenant.operator.now += DAY
    tenant.operator.journal.clear()
    await tenant.provision()
    assert f"PATCH talkdesktenants/{TENANT}/status" not in tenant.operator.journal.writes


async def test_the_namespace_of_a_live_tenant_is_kept_whatever_the_template_says() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS, onRemove="Delete"))
    await tenant.becomes(step(SETTINGS))
    assert (tenant.deletions, tenant.orphans) == ([], {SPACE: OrphanReason.IN_USE})


async def test_an_orphan_that_returns_to_the_template_is_managed_as_before() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    uid = tenant.uid("ConfigMap", "settings")
    await tenant.becomes(step(NAMESPACE))
    tenant.server.edit("ConfigMap", "settings", {"data": {"x": "2"}}, SPACE)
    await tenant.becomes(step(NAMESPACE, SETTINGS))
    assert (tenant.orphans, tenant.held) == ({}, "none")
    assert tenant.uid("ConfigMap", "settings") == uid
    assert tenant.server.get("ConfigMap", "settings", SPACE)["data"] == {"x": "1"}


@pytest.mark.parametrize("way", ["deleted", "released", "replaced"])
async def test_an_orphan_that_a_person_has_dealt_with_is_forgotten(way: str) -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    await tenant.becomes(step(NAMESPACE))
    match way:
        case "released":
            tenant.server.edit("ConfigMap", "settings", {"metadata": {"labels": {LABEL_TENANT: None}}}, SPACE)
        case "replaced":
            replace_by_a_strangers(tenant, "ConfigMap", "settings")
        case _:
            tenant.server.remove("ConfigMap", "settings", SPACE)
    await tenant.provision()
    assert (tenant.orphans, tenant.held, tenant.inventory) == ({}, "none", [SPACE])


async def test_an_orphan_that_may_not_be_read_stays_listed() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    await tenant.becomes(step(NAMESPACE))
    tenant.server.forbid("ConfigMap", "GET")
    await tenant.provision()
    assert tenant.orphans == {"settings": OrphanReason.RETAIN}


async def test_a_protected_tenant_loses_nothing_until_the_protection_is_taken_away() -> None:
    tenant = await live(step(NAMESPACE, ROLE, config_map("a"), onRemove="Delete"))
    tenant.protect()
    await tenant.becomes(step(NAMESPACE))
    protected = {"reader": OrphanReason.PROTECTED, "a": OrphanReason.PROTECTED}
    assert (tenant.deletions, tenant.orphans, tenant.held) == ([], protected, "True/ObjectsOrphaned")
    tenant.protect(protected=False)
    await tenant.provision()
    assert len(tenant.deletions) == len(tenant.events) == 2
    assert (tenant.orphans, tenant.held) == ({}, "none")


@pytest.mark.case(71)
async def test_a_protection_that_the_cache_does_not_know_yet_counts() -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    tenant.edit(step(NAMESPACE))
    tenant.operator.journal.on(f"GET talkdesktenants/{TENANT}", tenant.protect)
    await tenant.provision()
    assert (tenant.deletions, tenant.orphans) == ([], {"reader": OrphanReason.PROTECTED})


async def test_a_template_that_cannot_be_filled_in_leaves_the_orphans_listed() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    await tenant.becomes(step(NAMESPACE))
    wrong = config_map("b", data={"x": "${tenant.values.missing}"})
    await tenant.becomes(step(NAMESPACE, wrong), result=TenantResult.FAILED)
    assert (tenant.orphans, tenant.held) == ({"settings": OrphanReason.RETAIN}, "True/ObjectsOrphaned")


async def test_more_orphans_than_can_be_recorded_stop_the_tenant_before_anything_is_applied() -> None:
    tenant = await live(step(NAMESPACE, SETTINGS))
    raw = tenant.server.get("TalkdeskTenant", TENANT)
    raw["status"]["inventory"] += [raw["status"]["inventory"][-1] | {"name": f"old-{n}"} for n in range(998)]
    tenant.server.put(raw)
    tenant.edit(step(NAMESPACE, SETTINGS, config_map("one-more")))
    after = await tenant.operator.tenants.provision(tenant.scope())
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.failure is not None
    assert after.tenant_outcome.failure.reason is Reason.OBJECTS_ORPHANED
    assert tenant.operator.journal.writes == []


# How it ends.


async def offboarded(**fields: Any) -> Live:
    tenant = await live(step(NAMESPACE), step(SETTINGS, name="other", **fields))
    await tenant.becomes(step(NAMESPACE))
    tenant.operator.journal.clear()
    await tenant.operator.tenants.offboard(tenant.scope())
    return tenant


async def test_an_orphan_is_retained_after_an_uninstall_and_waits_for_nobody() -> None:
    tenant = await offboarded()
    assert (tenant.deletions, tenant.inventory) == ([], [SPACE, "settings"])
    assert (tenant.orphans, tenant.held) == ({"settings": OrphanReason.RETAIN}, "none")


async def test_an_orphan_of_a_step_that_goes_at_an_uninstall_goes_then() -> None:
    tenant = await offboarded(onOffboard="Delete")
    assert tenant.deletions == [f"DELETE configmaps/{SPACE}/settings"]
    assert (tenant.inventory, tenant.orphans) == ([SPACE], {})


async def test_a_purge_deletes_the_orphans_too() -> None:
    tenant = await offboarded()
    await tenant.operator.tenants.purge(tenant.scope())
    assert tenant.deletions == [
        f"DELETE configmaps/{SPACE}/settings",
        f"DELETE namespaces/{SPACE}",
        f"DELETE talkdesktenants/{TENANT}",
    ]


@pytest.mark.parametrize("end", ["offboard", "purge"])
async def test_an_orphan_that_a_person_released_is_never_deleted(end: str) -> None:
    tenant = await live(step(NAMESPACE, name="space"), step(SETTINGS, onOffboard="Delete"))
    await tenant.becomes(step(NAMESPACE, name="space"))
    tenant.server.edit("ConfigMap", "settings", {"metadata": {"labels": {LABEL_TENANT: None}}}, SPACE)
    if end == "offboard":
        await tenant.operator.tenants.offboard(tenant.scope())
    else:
        await tenant.operator.tenants.purge(tenant.scope())
    assert f"DELETE configmaps/{SPACE}/settings" not in tenant.deletions


async def test_an_offboarding_spares_an_object_that_is_recorded_again_as_one_to_keep() -> None:
    tenant = await live(step(NAMESPACE, ROLE))
    raw = tenant.server.get("TalkdeskTenant", TENANT)
    again = raw["status"]["inventory"][-1] | {"group": "legacy.example.com", "onOffboard": "Delete"}
    raw["status"]["inventory"].append(again)
    tenant.server.put(raw)
    await tenant.operator.tenants.offboard(tenant.scope())
    assert tenant.server.find("Role", "reader", SPACE) is not None
    assert tenant.inventory == [SPACE, "reader"]
