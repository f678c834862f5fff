"""What goes wrong in the cluster, or is done to it by hand."""

import json

import pytest

from builders.conditions import condition, message, reason
from builders.serving import until
from builders.stack import APP, Customer, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS, STEPS
from talkdesk_sandbox.controlplane import KubectlFailed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.case(43)
async def test_without_its_credentials_the_tenant_goes_on_and_calls_stop_until_they_are_back(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        (stored,) = await acme.secrets()

        with pytest.raises(KubectlFailed, match="immutable"):
            await talkdesk.platform.kubectl(
                "patch", "secret", stored["metadata"]["name"], '-p={"stringData":{"client_secret":"other"}}'
            )
        await talkdesk.platform.kubectl("delete", "secret", stored["metadata"]["name"])
        held = await acme.until(lambda held: condition(held, "CredentialsValid") == "False", "miss its credentials")

        assert reason(held, "CredentialsValid") == "CredentialsLost"
        assert stored["metadata"]["name"] in message(held, "CredentialsValid")
        assert held["status"]["phase"] == "Active"
        assert await acme.live("Secret", "talkdesk") is not None

        kept = {"apiVersion": "v1", "kind": "Secret"} | {key: stored[key] for key in ("type", "immutable", "data")}
        metadata = {key: stored["metadata"][key] for key in ("name", "labels", "annotations")}
        await talkdesk.platform.kubectl("create", "-f", "-", stdin=json.dumps(kept | {"metadata": metadata}))
        await acme.touch()
        held = await acme.becomes("Active")
        assert condition(held, "CredentialsValid") == "True"


@pytest.mark.case(53)
async def test_what_rbac_refuses_is_told_in_its_own_words_and_not_rejected(stacks: Stacks) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "${tenant.name}"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }
    async with stacks(steps=[*STEPS, {"name": "greedy", "manifests": [role]}]) as talkdesk:
        acme = await talkdesk.install()
        held = await acme.until(lambda held: reason(held, "TenantReady") == "ApplyRefused", "be refused")

        assert "ClusterRole" in message(held, "TenantReady")
        assert "forbidden" in message(held, "TenantReady")
        assert held["status"]["retry"]["reason"] == "ApplyRefused"
        assert acme.posts() == []

        await talkdesk.change_app(tenant={"steps": list(STEPS)})
        await acme.becomes("Active")


@pytest.mark.case(53, 66)
async def test_what_admission_refuses_is_told_in_its_own_words(stacks: Stacks) -> None:
    elsewhere = {**SETTINGS, "metadata": {"name": "settings", "namespace": "default"}}
    async with stacks(steps=[*STEPS, {"name": "elsewhere", "manifests": [elsewhere]}]) as talkdesk:
        acme = await talkdesk.install()
        held = await acme.until(lambda held: reason(held, "TenantReady") == "ApplyRefused", "be refused")

        assert "may only change namespaces whose names begin with td-" in message(held, "TenantReady")
        await talkdesk.change_app(tenant={"steps": list(STEPS)})
        await acme.becomes("Active")


@pytest.mark.case(9, 54)
async def test_a_template_error_of_one_account_stops_that_one_alone(stacks: Stacks) -> None:
    plan = "${account.name == 'good-account' ? 'gold' : tenant.values.plan}"
    known = {**SETTINGS, "data": {"plan": plan}}
    async with stacks(steps=[{"name": "base", "manifests": [NAMESPACE, known]}]) as talkdesk:
        bad, good = await talkdesk.install("bad-account"), await talkdesk.install("good-account")
        talkdesk.may_wait.add(bad.account_id)

        await good.becomes("Active")
        held = await bad.until(lambda held: reason(held, "Ready") == "RenderFailed", "fail to render")

        assert "data.plan" in message(held, "Ready")
        assert "plan" in message(held, "Ready").partition(": ")[2]
        assert condition(held, "Stalled") == "True"
        assert bad.posts() == []


@pytest.mark.case(54)
async def test_a_template_that_nobody_can_use_is_told_at_the_app(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        broken = [{"name": "base", "manifests": [{**SETTINGS, "data": {"plan": "${credentials.clientSecret}"}}]}]
        await talkdesk.change_app(tenant={"steps": broken})
        await talkdesk.platform.watched.until(
            APP, talkdesk.app, lambda held: condition(held, "Ready") == "False", "be refused"
        )

        held = talkdesk.platform.watched.get(APP, talkdesk.app)
        assert reason(held, "Ready") == "TemplateInvalid"
        assert "credentials" in message(held, "Ready")
        assert await acme.live("Secret", "talkdesk") is not None


@pytest.mark.case(51)
@pytest.mark.parametrize("deed", ["delete", "change"])
async def test_what_is_done_to_a_tenants_object_by_hand_is_put_right_and_told(stacks: Stacks, deed: str) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        commands = {"delete": ["delete"], "change": ["patch", '-p={"data":{"plan":"mine"}}']}
        verb, *rest = commands[deed]

        await talkdesk.platform.kubectl(verb, "configmap", "settings", f"--namespace={acme.home}", *rest)

        await acme.announced("DriftCorrected")
        assert await _plan_is(acme, "Standard")


@pytest.mark.case(51)
async def test_what_nobody_may_watch_is_put_right_at_the_resync(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.live("Secret", "talkdesk")

        await talkdesk.platform.kubectl("delete", "secret", "talkdesk", f"--namespace={acme.home}")

        assert before is not None
        await until(lambda: _credentials_are(acme, before["data"]), within=30)


@pytest.mark.case(51)
async def test_while_it_is_paused_a_tenant_is_not_put_right(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme, other = await talkdesk.install(), await talkdesk.install()
        for each in (acme, other):
            await each.becomes("Active")
        await acme.patch({"op": "replace", "path": "/spec/paused", "value": True})
        await acme.becomes("Paused")

        for each in (acme, other):
            await talkdesk.platform.kubectl("delete", "configmap", "settings", f"--namespace={each.home}")
        await other.announced("DriftCorrected")
        assert await acme.live("ConfigMap", "settings") is None

        await acme.patch({"op": "replace", "path": "/spec/paused", "value": False})
        await until(lambda: _plan_is(acme, "Standard"), within=30)


@pytest.mark.case(53)
async def test_an_object_of_somebody_else_is_left_alone(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        account = talkdesk.app_id
        await talkdesk.platform.kubectl("create", "namespace", f"td-{account}")
        acme = await talkdesk.install(account_id=account)

        held = await acme.until(lambda held: reason(held, "TenantReady") == "Conflict", "find it in the way")

        assert f"td-{account}" in message(held, "TenantReady")
        assert await acme.live("ConfigMap", "settings") is None
        await talkdesk.platform.kubectl("delete", "namespace", f"td-{account}")
        await acme.touch()
        await acme.becomes("Active", within=60)


@pytest.mark.case(47)
async def test_a_status_that_got_lost_is_made_again_without_answering_twice(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        await talkdesk.platform.kubectl(
            "patch", "tdi", acme.name, "--subresource=status", "--type=json", '-p=[{"op":"remove","path":"/status"}]'
        )
        await acme.becomes("Active")

        assert len(acme.posts()) == 1


async def _plan_is(acme: Customer, plan: str) -> bool:
    held = await acme.live("ConfigMap", "settings")
    return held is not None and held["data"]["plan"] == plan


async def _credentials_are(acme: Customer, data: dict[str, str]) -> bool:
    held = await acme.live("Secret", "talkdesk")
    return held is not None and held["data"] == data
