"""Faults in the cluster, and changes that people make in it by hand."""

import json

import pytest

from builders.conditions import condition, message, reason
from builders.serving import until
from builders.stack import APP, Customer, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS, STEPS, config_map, provisioner_policy_message
from talkdesk_sandbox.controlplane import KubectlFailed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.case(43)
async def test_without_its_credentials_the_tenant_stays_and_calls_stop_until_they_are_restored(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        (stored,) = await acme.credential_secrets()

        with pytest.raises(KubectlFailed, match="immutable"):
            await talkdesk.platform.kubectl(
                "patch", "secret", stored["metadata"]["name"], '-p={"stringData":{"client_secret":"other"}}'
            )
        await talkdesk.platform.kubectl("delete", "secret", stored["metadata"]["name"])
        obj = await acme.until(lambda obj: condition(obj, "CredentialsValid") == "False", "lack its credentials")

        assert reason(obj, "CredentialsValid") == "CredentialsLost"
        assert stored["metadata"]["name"] in message(obj, "CredentialsValid")
        assert obj["status"]["phase"] == "Active"
        assert await acme.live("Secret", "talkdesk") is not None

        copy = {"apiVersion": "v1", "kind": "Secret"} | {key: stored[key] for key in ("type", "immutable", "data")}
        metadata = {key: stored["metadata"][key] for key in ("name", "labels", "annotations")}
        await talkdesk.platform.kubectl("create", "-f", "-", stdin=json.dumps(copy | {"metadata": metadata}))
        await acme.touch()
        obj = await acme.becomes("Active")
        assert condition(obj, "CredentialsValid") == "True"


@pytest.mark.case(53)
async def test_an_object_that_rbac_forbids_is_reported_and_the_request_is_not_rejected(stacks: Stacks) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "${tenant.name}"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }
    async with stacks() as talkdesk:
        await talkdesk.change_app(tenant={"steps": [*STEPS, {"name": "greedy", "manifests": [role]}]})
        acme = await talkdesk.install()
        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "AccessMissing", "be refused")

        assert "ClusterRole" in message(obj, "TenantReady")
        assert "forbidden" in message(obj, "TenantReady")
        assert obj["status"]["retry"]["reason"] == "AccessMissing"
        assert acme.answer_calls() == []

        await talkdesk.change_app(tenant={"steps": list(STEPS)})
        await acme.becomes("Active")


@pytest.mark.case(53, 66)
async def test_the_message_of_an_admission_policy_that_denies_an_object_is_reported(stacks: Stacks) -> None:
    elsewhere = {**SETTINGS, "metadata": {"name": "settings", "namespace": "default"}}
    steps = [*STEPS, {"name": "elsewhere", "manifests": [elsewhere]}]
    async with stacks(steps=steps, tenant={"objectScope": "Any"}) as talkdesk:
        acme = await talkdesk.install()
        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "AdmissionRefused", "be refused")

        assert provisioner_policy_message() in message(obj, "TenantReady")
        await talkdesk.change_app(tenant={"steps": list(STEPS)})
        await acme.becomes("Active")


@pytest.mark.case(66)
async def test_an_object_outside_the_tenant_is_left_out_and_named_while_all_others_are_applied(stacks: Stacks) -> None:
    elsewhere = {**SETTINGS, "metadata": {"name": "settings", "namespace": "default"}}
    async with stacks() as talkdesk:
        await talkdesk.change_app(tenant={"steps": [*STEPS, {"name": "elsewhere", "manifests": [elsewhere]}]})
        acme = await talkdesk.install()
        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "OutsideTenant", "be refused")

        assert "ConfigMap default/settings" in message(obj, "TenantReady")
        assert "tenant.objectScope: Any" in message(obj, "TenantReady")
        assert await acme.live("Namespace") is not None
        await talkdesk.change_app(tenant={"steps": list(STEPS)})
        await acme.becomes("Active")


@pytest.mark.case(9, 54)
async def test_a_template_error_of_one_account_stops_only_that_account(stacks: Stacks) -> None:
    plan = "${account.name == 'good-account' ? 'gold' : tenant.values.plan}"
    settings = config_map({"plan": plan})
    async with stacks(steps=[{"name": "base", "manifests": [NAMESPACE, settings]}]) as talkdesk:
        bad, good = await talkdesk.install("bad-account"), await talkdesk.install("good-account")
        talkdesk.may_stay_unanswered.add(bad.account_id)

        await good.becomes("Active")
        obj = await bad.until(lambda obj: reason(obj, "Ready") == "RenderFailed", "fail to render")

        # The message names the field, and the value that the account lacks.
        assert "data.plan" in message(obj, "Ready")
        assert "plan" in message(obj, "Ready").replace("data.plan", "")
        assert condition(obj, "Stalled") == "True"
        assert bad.answer_calls() == []


@pytest.mark.case(54)
async def test_a_template_that_is_invalid_for_every_tenant_makes_the_app_not_ready(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        broken = [{"name": "base", "manifests": [config_map({"plan": "${credentials.clientSecret}"})]}]
        await talkdesk.change_app(tenant={"steps": broken})
        await talkdesk.platform.watched.until(
            APP, talkdesk.app, lambda obj: condition(obj, "Ready") == "False", "become not Ready"
        )

        obj = talkdesk.platform.watched.get(APP, talkdesk.app)
        assert reason(obj, "Ready") == "TemplateInvalid"
        assert "credentials" in message(obj, "Ready")
        assert await acme.live("Secret", "talkdesk") is not None


@pytest.mark.case(51)
@pytest.mark.parametrize("action", ["delete", "change"])
async def test_an_object_changed_or_deleted_by_hand_is_restored_and_an_event_says_so(
    stacks: Stacks, action: str
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        commands = {"delete": ["delete"], "change": ["patch", '-p={"data":{"plan":"mine"}}']}
        verb, *rest = commands[action]

        await talkdesk.platform.kubectl(verb, "configmap", "settings", f"--namespace={acme.tenant_namespace}", *rest)

        await acme.kubernetes_event("DriftCorrected")
        assert await _plan_is(acme, "Standard")


@pytest.mark.case(51)
async def test_an_object_that_may_not_be_watched_is_restored_at_the_resync(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.live("Secret", "talkdesk")

        await talkdesk.platform.kubectl("delete", "secret", "talkdesk", f"--namespace={acme.tenant_namespace}")

        assert before is not None
        await until(lambda: _credentials_are(acme, before["data"]), within=90)


@pytest.mark.case(51)
async def test_objects_of_a_paused_tenant_are_not_restored(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme, other = await talkdesk.install(), await talkdesk.install()
        for each in (acme, other):
            await each.becomes("Active")
        await acme.patch({"op": "replace", "path": "/spec/paused", "value": True})
        await acme.becomes("Paused")

        for each in (acme, other):
            await talkdesk.platform.kubectl("delete", "configmap", "settings", f"--namespace={each.tenant_namespace}")
        await other.kubernetes_event("DriftCorrected")
        assert await acme.live("ConfigMap", "settings") is None

        await acme.patch({"op": "replace", "path": "/spec/paused", "value": False})
        await until(lambda: _plan_is(acme, "Standard"), within=90)


@pytest.mark.case(53)
async def test_an_existing_object_of_somebody_else_is_left_alone(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        account = talkdesk.app_id
        await talkdesk.platform.kubectl("create", "namespace", f"td-{talkdesk.namespace}-{account}")
        acme = await talkdesk.install(account_id=account)

        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "Conflict", "report the conflict")

        assert f"td-{talkdesk.namespace}-{account}" in message(obj, "TenantReady")
        assert await acme.live("ConfigMap", "settings") is None
        await talkdesk.platform.kubectl("delete", "namespace", f"td-{talkdesk.namespace}-{account}")
        await acme.touch()
        await acme.becomes("Active", within=60)


@pytest.mark.case(47)
async def test_a_lost_status_is_rebuilt_without_a_second_answer(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        await talkdesk.platform.kubectl(
            "patch", "tdi", acme.name, "--subresource=status", "--type=json", '-p=[{"op":"remove","path":"/status"}]'
        )
        await acme.becomes("Active")

        assert len(acme.answer_calls()) == 1


async def _plan_is(acme: Customer, plan: str) -> bool:
    obj = await acme.live("ConfigMap", "settings")
    return obj is not None and obj["data"]["plan"] == plan


async def _credentials_are(acme: Customer, data: dict[str, str]) -> bool:
    obj = await acme.live("Secret", "talkdesk")
    return obj is not None and obj["data"] == data
