"""The account's tenant: its record, its conditions, and what is done to its objects by whom."""

import base64
from typing import Any

import pytest

from builders.objects import DAY, HOUR, INSTALLATION, scope, tenant_object
from builders.operator_in_memory import (
    ACCOUNT,
    IDENTITY,
    SPACE,
    TEMPLATE_STEPS,
    TENANT,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
    tenant_scope,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.tenant import StepState, TenantState
from talkdesk_operator.domain.reconcile.scope import RetryClass, TenantResult
from talkdesk_operator.reconcilers.template_variables import template_variables
from talkdesk_runtime.kube_errors import KubeOverloaded

RECORD = f"PATCH talkdesktenants/{TENANT}"
STATUS = f"{RECORD}/status"
BASE, KEYS = TEMPLATE_STEPS


def world(*steps: dict[str, Any], tenant: dict[str, Any] | None = None, **spec: Any) -> OperatorInMemory:
    """An operator with an app of these steps, an installation, and perhaps a tenant of before."""
    there = [sentiment(*steps, **spec), installed(), *([tenant] if tenant is not None else [])]
    return OperatorInMemory(*there)


async def provisioned(*steps: dict[str, Any], **spec: Any) -> OperatorInMemory:
    operator = world(*steps, **spec)
    after = await operator.tenants.provision(tenant_scope(operator))
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.result is TenantResult.READY
    operator.journal.clear()
    return operator


async def offboarded(*steps: dict[str, Any], **spec: Any) -> OperatorInMemory:
    operator = await provisioned(*steps, **spec)
    await operator.tenants.offboard(tenant_scope(operator))
    operator.journal.clear()
    return operator


# Provision.


async def test_the_record_with_the_plan_is_made_before_the_first_object() -> None:
    operator = world()
    after = await operator.tenants.provision(tenant_scope(operator))
    assert operator.journal.writes[:2] == ["POST talkdesktenants", f"APPLY namespaces/{SPACE}"]
    assert operator.journal.writes[-1] == STATUS
    tenant = operator.tenant
    assert after.tenant == tenant
    assert (tenant.spec.name, tenant.spec.state, tenant.spec.account_id) == (SPACE, TenantState.ACTIVE, ACCOUNT)
    assert tenant.spec.installation_ref is not None
    assert tenant.spec.installation_ref.name == INSTALLATION
    assert [(o.kind, o.name, o.on_offboard) for o in tenant.spec.objects] == [
        ("Namespace", SPACE, "Retain"),
        ("ConfigMap", "account", "Retain"),
        ("Secret", "keys", "Delete"),
    ]
    assert [item.name for item in tenant.status.inventory] == [SPACE, "account", "keys"]
    assert all(item.uid for item in tenant.status.inventory)


async def test_objects_are_filled_with_facts_and_credentials_in_the_name_of_the_apps_account() -> None:
    operator = await provisioned()
    secret = operator.server.get("Secret", "keys", SPACE)
    assert secret["data"] == {"key": base64.b64encode(b"key-1").decode()}
    assert {identity for identity, _ in operator.applied} == {IDENTITY}


async def test_a_ready_tenant_says_so_and_what_it_was_made_from() -> None:
    operator = await provisioned()
    assert operator.tenant_reason() == "True/Applied"
    assert operator.tenant_reason("Reconciling") == "False/Applied"
    assert operator.tenant.status.applied_inputs is not None
    assert [step.state for step in operator.tenant.status.steps] == [StepState.READY, StepState.READY]


async def test_provisioning_again_applies_again_and_writes_no_record_of_ours() -> None:
    operator = await provisioned()
    before = operator.server.versions
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.server.versions == before
    assert RECORD not in operator.journal.writes
    assert STATUS not in operator.journal.writes


async def test_an_object_that_comes_into_the_template_is_planned_before_it_is_applied() -> None:
    operator = await provisioned()
    other = {"name": "other", "manifests": [config_map("b")]}
    operator.change("TalkdeskApp", "sentiment", sentiment(BASE, KEYS, other))
    await operator.tenants.provision(tenant_scope(operator))
    writes = operator.journal.writes
    assert writes.index(RECORD) < writes.index(f"APPLY configmaps/{SPACE}/b")
    assert [item.name for item in operator.tenant.status.inventory] == [SPACE, "account", "keys", "b"]


async def test_a_plan_that_broke_off_stays_on_record_when_another_takes_its_place() -> None:
    operator = world()
    operator.journal.fail(f"APPLY configmaps/{SPACE}/account", _PowerCut())
    with pytest.raises(_PowerCut):
        await operator.tenants.provision(tenant_scope(operator))
    operator.change("TalkdeskApp", "sentiment", sentiment({"name": "other", "manifests": [config_map("b")]}))
    operator.journal.clear()
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.journal.writes[:2] == [STATUS, RECORD]
    assert [(item.name, bool(item.uid)) for item in operator.tenant.status.inventory] == [("b", True), (SPACE, True)]


class _PowerCut(Exception):
    """The process ends."""


async def test_a_failed_object_fails_the_tenant_and_keeps_the_whole_plan_on_record() -> None:
    operator = world()
    operator.journal.fail(f"APPLY configmaps/{SPACE}/account", KubeOverloaded("busy"))
    after = await operator.tenants.provision(tenant_scope(operator))
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.result is TenantResult.FAILED
    assert after.tenant_outcome.failure is not None
    assert after.tenant_outcome.failure.reason is Reason.CLUSTER_UNAVAILABLE
    assert after.tenant_outcome.started_at == operator.now
    assert operator.tenant_reason() == "False/ClusterUnavailable"
    assert [(item.name, bool(item.uid)) for item in operator.tenant.status.inventory] == [
        (SPACE, True),
        ("account", False),
        ("keys", False),
    ]


async def test_a_step_that_is_not_ready_in_time_has_failed_and_goes_on_when_it_is_ready_after_all() -> None:
    web = config_map("web", apiVersion="apps/v1", kind="Deployment", spec={"replicas": 1})
    operator = world(BASE, {"name": "web", "manifests": [web], "timeLimit": "10m"}, KEYS)

    async def outcome() -> tuple[TenantResult, list[StepState], list[bool]]:
        after = await operator.tenants.provision(tenant_scope(operator))
        assert after.tenant_outcome is not None
        steps = operator.tenant.status.steps
        return (
            after.tenant_outcome.result,
            [each.state for each in steps],
            [each.waiting_since == began for each in steps],
        )

    began = operator.now.replace(microsecond=0)
    waiting = [StepState.READY, StepState.WAITING, StepState.PENDING], [False, True, False]
    assert await outcome() == (TenantResult.WAITING, *waiting)
    operator.now += 9 * HOUR / 60
    assert await outcome() == (TenantResult.WAITING, *waiting)
    operator.now += 1 * HOUR / 60
    failed = [StepState.READY, StepState.FAILED, StepState.PENDING], [False, True, False]
    assert await outcome() == (TenantResult.FAILED, *failed)
    assert operator.tenant.status.steps[1].message.startswith("not ready within 10m: Deployment ")
    assert operator.tenant_reason() == "False/NotReady"
    operator.now += 1 * HOUR / 60
    assert await outcome() == (TenantResult.FAILED, *failed)

    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), 1)
    available = {"conditions": [{"type": "Available", "status": "True"}]}
    operator.server.edit("Deployment", "web", {"status": counts | available}, SPACE)
    assert await outcome() == (TenantResult.READY, [StepState.READY] * 3, [False] * 3)


async def test_the_moment_since_when_a_tenant_waits_is_not_moved_by_looking_again() -> None:
    web = config_map("web", apiVersion="apps/v1", kind="Deployment", spec={"replicas": 1})
    operator = world(BASE, {"name": "web", "manifests": [web]})
    first = await operator.tenants.provision(tenant_scope(operator))
    began = operator.now
    operator.now += HOUR
    second = await operator.tenants.provision(tenant_scope(operator))
    for after in (first, second):
        assert after.tenant_outcome is not None
        assert (after.tenant_outcome.result, after.tenant_outcome.started_at) == (TenantResult.WAITING, began)


async def test_a_template_that_cannot_be_understood_fails_without_a_request() -> None:
    operator = world({"name": "base", "manifests": [{"kind": "${ 1 +"}]})
    after = await operator.tenants.provision(tenant_scope(operator))
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.failure is not None
    assert after.tenant_outcome.failure.reason is Reason.TEMPLATE_INVALID
    assert after.tenant_outcome.failure.retry_class is RetryClass.TERMINAL
    assert operator.journal.lines == []


UNRENDERABLE = {"name": "base", "manifests": [config_map("a", data={"x": "${tenant.values.missing}"})]}


async def test_a_template_that_cannot_be_filled_in_makes_no_tenant() -> None:
    operator = world(UNRENDERABLE)
    after = await operator.tenants.provision(tenant_scope(operator))
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.failure is not None
    assert after.tenant_outcome.failure.reason is Reason.RENDER_FAILED
    assert operator.journal.lines == []


async def test_a_tenant_whose_template_cannot_be_filled_in_any_more_stays_and_is_stalled() -> None:
    operator = await provisioned()
    operator.change("TalkdeskApp", "sentiment", sentiment(UNRENDERABLE))
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.journal.writes == [STATUS]
    assert operator.tenant_reason() == "False/RenderFailed"
    assert operator.tenant_reason("Stalled") == "True/RenderFailed"
    assert operator.server.find("ConfigMap", "account", SPACE) is not None
    operator.journal.clear()
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.journal.writes == []


async def test_what_a_person_set_on_the_tenant_stays() -> None:
    operator = await provisioned()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"values": {"plan": "big"}, "deletionProtection": True}})
    other = {"name": "other", "manifests": [config_map("b", data={"plan": "${tenant.values.plan}"})]}
    operator.change("TalkdeskApp", "sentiment", sentiment(BASE, KEYS, other))
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.server.get("ConfigMap", "b", SPACE)["data"] == {"plan": "big"}
    assert operator.tenant.spec.deletion_protection


async def test_the_tenants_name_is_fixed_when_it_was_made_once() -> None:
    operator = await provisioned()
    changed = sentiment()
    changed["spec"]["tenant"]["name"] = "other-${account.id}"
    operator.change("TalkdeskApp", "sentiment", changed)
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.tenant.spec.name == SPACE


def named(name: str) -> dict[str, Any]:
    """The member `tenant` of an app whose template gives tenants that name."""
    return {"spec": {"tenant": {"name": name}}}


async def test_a_name_from_a_mistake_follows_the_template_while_nothing_was_applied() -> None:
    operator = world()
    operator.server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    before = operator.server.get("Namespace", "default")
    operator.change("TalkdeskApp", "sentiment", named("default"))
    await operator.tenants.provision(tenant_scope(operator))
    assert (operator.tenant.spec.name, operator.tenant_reason()) == ("default", "False/Conflict")
    operator.change("TalkdeskApp", "sentiment", named("td-${account.id}"))
    await operator.tenants.provision(tenant_scope(operator))
    assert (operator.tenant.spec.name, operator.tenant.status.name) == (SPACE, SPACE)
    assert operator.tenant_reason() == "True/Applied"
    assert operator.server.get("Namespace", "default") == before
    assert [item.name for item in operator.tenant.status.inventory] == [SPACE, "account", "keys"]


async def test_a_name_is_fixed_when_an_object_was_made_though_the_process_ended_before_the_record() -> None:
    operator = world()
    operator.journal.fail(f"APPLY configmaps/{SPACE}/account", _PowerCut())
    with pytest.raises(_PowerCut):
        await operator.tenants.provision(tenant_scope(operator))
    operator.change("TalkdeskApp", "sentiment", named("other-${account.id}"))
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.tenant.spec.name == SPACE
    assert operator.server.find("Namespace", f"other-{ACCOUNT}") is None


async def test_a_name_whose_use_cannot_be_looked_up_is_kept_for_now() -> None:
    operator = world()
    operator.journal.fail(f"APPLY namespaces/{SPACE}", _PowerCut())
    with pytest.raises(_PowerCut):
        await operator.tenants.provision(tenant_scope(operator))
    operator.change("TalkdeskApp", "sentiment", named("other-${account.id}"))
    operator.journal.fail(f"GET namespaces/{SPACE}", KubeOverloaded("busy"))
    with pytest.raises(KubeOverloaded):
        await operator.tenants.provision(tenant_scope(operator))
    assert operator.tenant.spec.name == SPACE


@pytest.mark.parametrize("renamed", ["td-mine", "", "default"])
async def test_a_record_that_somebody_renamed_gets_its_name_back_and_loses_nothing(renamed: str) -> None:
    """The kind refuses it, but nothing relies on that."""
    operator = await provisioned()
    before = {place: raw for place, raw in operator.server.objects.items() if SPACE in place}
    operator.change("TalkdeskTenant", TENANT, {"spec": {"name": renamed}})
    await operator.tenants.provision(tenant_scope(operator))
    assert {place: raw for place, raw in operator.server.objects.items() if SPACE in place} == before
    assert operator.tenant.spec.name == SPACE
    assert operator.server.find("Namespace", "td-mine") is None


async def test_a_tenant_of_an_installation_before_gets_its_new_owner() -> None:
    made_before = tenant_object(TENANT, accountId=ACCOUNT, installationRef={"name": "before"})
    made_before["spec"]["name"] = SPACE
    operator = world(tenant=made_before)
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.tenant.spec.installation_ref is not None
    assert operator.tenant.spec.installation_ref.name == INSTALLATION


async def test_a_new_owner_of_the_same_plan_costs_one_write_of_the_record() -> None:
    operator = await provisioned()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"installationRef": {"name": "before"}}})
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.journal.writes[0] == RECORD
    assert operator.journal.writes.count(RECORD) == 1


async def test_a_record_without_a_name_gets_the_rendered_one() -> None:
    operator = world(tenant=tenant_object(TENANT, accountId=ACCOUNT))
    operator.change("TalkdeskTenant", TENANT, {"spec": {"name": None}})
    await operator.tenants.provision(tenant_scope(operator))
    assert operator.tenant.spec.name == SPACE


async def test_a_tenant_that_comes_back_loses_the_marks_of_its_retention() -> None:
    operator = await offboarded()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "me"}}})
    await operator.tenants.provision(tenant_scope(operator))
    spec = operator.tenant.spec
    assert (spec.state, spec.uninstall_time, spec.purge) == (TenantState.ACTIVE, None, None)
    assert operator.tenant.status.purge_time is None


# Offboard.


async def test_offboarding_is_on_record_before_the_first_object_goes() -> None:
    operator = await provisioned(retention={"keepFor": "30d"})
    after = await operator.tenants.offboard(tenant_scope(operator))
    assert operator.journal.writes == [RECORD, f"DELETE secrets/{SPACE}/keys", STATUS]
    tenant = operator.tenant
    assert (tenant.spec.state, tenant.spec.uninstall_time) == (TenantState.OFFBOARDED, operator.now)
    assert tenant.status.purge_time == operator.now + 30 * DAY
    assert tenant.spec.objects == ()
    assert [item.name for item in tenant.status.inventory] == [SPACE, "account"]
    assert {step.name: step.state for step in tenant.status.steps} == {
        "base": StepState.READY,
        "credentials": StepState.DELETED,
    }
    assert operator.tenant_reason() == "False/Retained"
    assert operator.tenant_reason("Reconciling") == "False/Retained"
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.result is TenantResult.OFFBOARDED


async def test_offboarding_again_writes_nothing_and_does_not_move_the_end_of_the_retention() -> None:
    operator = await offboarded()
    operator.now += DAY
    await operator.tenants.offboard(tenant_scope(operator))
    assert operator.journal.lines == []


async def test_a_tenant_without_objects_to_delete_at_an_uninstall_is_offboarded_at_once() -> None:
    operator = await provisioned(BASE)
    after = await operator.tenants.offboard(tenant_scope(operator))
    assert operator.journal.writes == [RECORD, STATUS]
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.result is TenantResult.OFFBOARDED


async def test_an_object_that_does_not_go_keeps_the_tenant_in_offboarding() -> None:
    operator = await provisioned()
    operator.server.edit("Secret", "keys", {"metadata": {"finalizers": ["example.com/hold"]}}, SPACE)
    after = await operator.tenants.offboard(tenant_scope(operator))
    assert operator.tenant_reason() == "False/Offboarding"
    assert operator.tenant_reason("Reconciling") == "True/Offboarding"
    assert after.tenant_outcome is not None
    assert (after.tenant_outcome.result, after.tenant_outcome.started_at) == (TenantResult.DELETING, operator.now)
    assert "keys" in {item.name for item in operator.tenant.status.inventory}
    operator.server.remove("Secret", "keys", SPACE)
    await operator.tenants.offboard(tenant_scope(operator))
    assert operator.tenant_reason() == "False/Retained"


async def test_an_object_that_may_not_be_deleted_fails_the_offboarding() -> None:
    operator = await provisioned()
    operator.server.forbid("Secret", "DELETE")
    after = await operator.tenants.offboard(tenant_scope(operator))
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.result is TenantResult.FAILED
    assert operator.tenant_reason() == "False/AccessMissing"


async def test_a_plan_that_broke_off_is_offboarded_too() -> None:
    operator = world()
    operator.journal.fail(f"APPLY secrets/{SPACE}/keys", _PowerCut(), "after")
    with pytest.raises(_PowerCut):
        await operator.tenants.provision(tenant_scope(operator))
    operator.journal.clear()
    await operator.tenants.offboard(tenant_scope(operator))
    assert operator.journal.writes == [STATUS, RECORD, f"DELETE secrets/{SPACE}/keys", STATUS]
    assert operator.server.find("Secret", "keys", SPACE) is None


# Purge.


async def test_a_purge_deletes_everything_then_the_record() -> None:
    operator = await offboarded()
    after = await operator.tenants.purge(tenant_scope(operator))
    assert operator.journal.writes == [
        STATUS,
        f"DELETE configmaps/{SPACE}/account",
        f"DELETE namespaces/{SPACE}",
        f"PATCH talkdesktenants/{TENANT}",
        f"DELETE talkdesktenants/{TENANT}",
    ]
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.result is TenantResult.PURGED


async def test_a_purge_that_a_person_asked_for_is_reported_with_their_name() -> None:
    operator = await offboarded()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "maria"}}})
    await operator.tenants.purge(tenant_scope(operator))
    assert operator.journal.writes[-3:] == ["POST events/PurgeRequested", RECORD, f"DELETE talkdesktenants/{TENANT}"]
    (note,) = [request.body["note"] for request in operator.server.requests if request.path.endswith("/events")]
    assert "maria" in note


async def test_the_record_stays_while_an_object_is_still_there() -> None:
    operator = await offboarded()
    operator.server.edit("Namespace", SPACE, {"metadata": {"finalizers": ["kubernetes"]}})
    after = await operator.tenants.purge(tenant_scope(operator))
    assert operator.journal.writes[-1] == STATUS
    assert operator.tenant_reason() == "False/Purging"
    assert after.tenant_outcome is not None
    assert after.tenant_outcome.result is TenantResult.DELETING
    assert [item.name for item in operator.tenant.status.inventory] == [SPACE]
    operator.server.remove("Namespace", SPACE)
    await operator.tenants.purge(tenant_scope(operator))
    assert operator.server.find("TalkdeskTenant", TENANT) is None


async def test_the_record_of_users_goes_before_the_tenants_record() -> None:
    operator = await offboarded()
    labels = {"app.kubernetes.io/managed-by": "talkdesk-operator", "app.kubernetes.io/component": "users"}
    secret = credentials_secret(f"{TENANT}-users-0")
    secret["metadata"]["labels"] = labels | {"appconnect.talkdesk.dev/tenant": TENANT}
    secret["type"] = "appconnect.talkdesk.dev/users"
    operator.server.put(secret)
    await operator.tenants.purge(tenant_scope(operator))
    assert operator.journal.writes[-3:] == [
        f"DELETE secrets/{TENANT}-users-0",
        RECORD,
        f"DELETE talkdesktenants/{TENANT}",
    ]


# What templates see, and what must not happen.


async def test_a_template_sees_every_credential_and_where_to_use_it() -> None:
    known = tenant_scope(world())
    assert known.app is not None
    variables = template_variables(known, known.app)
    assert variables["credentials"] == {
        "clientId": "client-1",
        "clientSecret": "made-up-secret",
        "privateKey": "made-up-key",
        "keyId": "key-1",
        "keyAlgorithm": "ES256",
        "tokenUrl": "https://acme.talkdeskid.com/oauth/token",
        "apiUrl": "https://api.talkdeskapp.com",
    }
    assert variables["sso"]["clientId"] == "client-1"


async def test_a_template_sees_no_credentials_where_there_are_none() -> None:
    known = scope(app=tenant_scope(world()).app)
    assert known.app is not None
    variables = template_variables(known, known.app)
    assert variables["credentials"] == {}
    assert variables["sso"]["clientId"] is None


async def test_a_step_on_a_tenant_without_app_or_tenant_is_a_fault() -> None:
    operator = world()
    with pytest.raises(LookupError, match="app"):
        await operator.tenants.provision(scope(app=None))
    with pytest.raises(LookupError, match="tenant"):
        await operator.tenants.offboard(tenant_scope(operator))


async def test_a_message_is_cut_to_what_a_condition_holds() -> None:
    operator = world()
    operator.journal.fail(f"APPLY configmaps/{SPACE}/account", KubeOverloaded("x" * 5000))
    await operator.tenants.provision(tenant_scope(operator))
    assert max(len(each.message) for each in operator.tenant.status.conditions) <= 2048
