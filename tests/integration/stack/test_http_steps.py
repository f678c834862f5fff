"""A partner's own service as a step of the template, on the whole stack."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from aiohttp import web

from builders.conditions import message, reason
from builders.killed_hook import KilledHook, killed_hook
from builders.partner_service import KEY, Asked, PartnerService, decoded
from builders.platform import Platform
from builders.service_app import app_with_service, becomes_without_backoff, http, release_key
from builders.stack import TENANT, Customer, Stacks
from builders.stack_manifests import NAMESPACE
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS, ANNOTATION_KEEP_SERVICES, GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = {"ALLOWED_HOOK_NETWORKS": "127.0.0.0/8"}


@pytest.mark.case(64)
async def test_a_tenant_is_made_at_the_service_and_what_it_answers_is_filled_in(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs) as (stack, service):
        customer = await stack.install()
        await customer.becomes("Active")
        assert service.methods() == ["PUT"]
        [asked] = service.asked
        assert asked.path == f"/v1/tenants/{customer.tenant_name}"
        assert asked.body["state"] == "Active"
        assert asked.body["generation"] == 1
        assert asked.body["account"]["id"] == customer.account_id
        assert "credentials" not in asked.body
        config = await customer.existing("ConfigMap", "account")
        assert config["data"] == {"endpoint": f"https://{customer.tenant_name}.example.com"}
        login = await customer.existing("Secret", "login")
        assert decoded(login)["password"] == f"canary-{customer.tenant_name}"
        assert customer.tenant is not None
        assert customer.tenant["status"]["services"] == ["account"]
        programs.canaries.add(f"canary-{customer.tenant_name}".encode())


@pytest.mark.case(64)
async def test_a_customers_life_at_the_service(stacks: Stacks, programs: Platform) -> None:
    async with app_with_service(
        stacks, programs, body={"state": "${tenant.state}", "plan": "${subscription.name}"}
    ) as (
        stack,
        service,
    ):
        acme = await stack.install(subscription=commands.SubscriptionSpec(type="trial"))
        await acme.until_on_trial()
        await acme.becomes("Active")
        trial = commands.TrialCommand(installation=acme.installation_id, action="end")
        await stack.delivered(stack.simulator.trial(trial))
        await acme.becomes("Suspended")
        assert service.tenants[acme.tenant_name]["state"] == "Suspended"
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert service.tenants[acme.tenant_name]["state"] == "Offboarded"
        stack.may_lose_objects.add(acme.account_id)  # a person asks for the purge
        again = await acme.reinstall()
        await again.becomes("Active")
        assert service.tenants[acme.tenant_name]["state"] == "Active"
        assert set(service.methods()) == {"PUT"}
        await again.uninstall()
        await again.becomes("Uninstalled")
        await again.patch({"op": "add", "path": "/spec/purge", "value": {"requestedBy": "admin"}}, kind=TENANT)
        await again.tenant_until(lambda obj: obj is None, "be purged")
        assert service.tenants == {}
        assert service.methods()[-1] == "DELETE"
        assert len({each.key for each in service.asked}) == len(service.asked)


@pytest.mark.case(64)
async def test_what_is_not_retained_is_deleted_at_the_uninstall_before_it_is_answered(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs, step={"onOffboard": "Delete"}) as (stack, service):
        acme = await stack.install()
        await acme.becomes("Active")

        async def slow(asked: Asked) -> web.Response | None:
            if asked.method == "DELETE":
                return web.json_response({"operation": "bye"}, status=202, headers={"Retry-After": "1"})
            assert asked.path.endswith("/last_operation?operation=bye")
            if len(service.asked) < 4:
                return web.json_response({"state": "in progress", "description": "still deleting"})
            service.tenants.clear()
            return web.json_response({}, status=410)

        service.mood = slow
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert service.methods() == ["PUT", "DELETE", "GET", "GET"]
        assert len(acme.approvals()) == 2
        assert acme.tenant is not None
        assert not acme.tenant["status"].get("services")


@pytest.mark.case(64)
async def test_a_service_that_is_down_holds_up_its_own_app_only_and_is_asked_again(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs) as (stack, service), stacks() as other:

        async def down(_: Asked) -> web.Response | None:
            return web.json_response({"description": "out of order"}, status=503)

        service.mood = down
        acme, beta = await stack.install(), await other.install()
        await beta.becomes("Active")
        held = await acme.until(lambda obj: reason(obj, "Ready") == "HookUnavailable", "wait for the service")
        assert "step account: 503: out of order" in message(held, "Ready")
        assert held["status"]["retry"]["nextAttemptTime"]
        service.mood = PartnerService().mood
        await acme.skip_backoff()
        await acme.becomes("Active")
        assert len({each.key for each in service.asked}) == 1, "the same request, the same key"


@pytest.mark.case(64)
async def test_a_refusal_is_said_and_final_and_rejects_where_the_step_says_so(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs, onRefusal="Reject") as (stack, service):

        async def no(_: Asked) -> web.Response | None:
            return web.json_response({"description": "no room for acme"}, status=400)

        service.mood = no
        acme = await stack.install()
        held = await acme.until(lambda obj: reason(obj, "Ready") == "HookRefused", "be refused")
        assert "the service refuses it: 400: no room for acme" in message(held, "Ready")
        assert service.methods() == ["PUT"]
        await stack.change_app(approval={"onTenantFailure": "Reject"})
        await acme.becomes("Rejected")
        assert service.methods().count("DELETE") == 0


@pytest.mark.case(64)
async def test_a_first_request_without_an_answer_leaves_nothing_behind(stacks: Stacks, programs: Platform) -> None:
    async with app_with_service(stacks, programs) as (stack, service):

        async def lost(asked: Asked) -> web.Response | None:
            if len(service.asked) > 1:
                return None
            service.do(asked)
            await asyncio.sleep(5)
            raise web.HTTPInternalServerError

        service.mood = lost
        acme = await stack.install()
        held = await acme.until(lambda obj: reason(obj, "Ready") == "HookFailed", "say that it failed")
        assert "the service failed: no answer in time" in message(held, "Ready")
        await acme.skip_backoff()
        await acme.becomes("Active")
        assert service.methods() == ["PUT", "DELETE", "PUT"]


@pytest.mark.crash
@pytest.mark.case(64)
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_operator_that_is_killed_in_the_middle_of_a_call_leaves_nothing_unknown(
    stacks: Stacks, programs: Platform, moment: str
) -> None:
    async with app_with_service(stacks, programs) as (stack, service):

        async def killing(asked: Asked) -> web.Response | None:
            if len(service.asked) > 1:
                return None
            if moment == "after":
                service.do(asked)
            await programs.operator.kill()
            raise web.HTTPInternalServerError

        service.mood = killing
        acme = await stack.install()
        await service.until_asked(1)
        await programs.operator.kill()
        await programs.start_operator()
        await acme.becomes("Active")
        assert service.methods() == ["PUT", "PUT"]
        assert len({each.key for each in service.asked}) == 1


@pytest.mark.case(64)
async def test_a_key_that_is_not_released_for_the_host_sends_nothing(stacks: Stacks, programs: Platform) -> None:
    async with app_with_service(stacks, programs) as (stack, service):
        await programs.kubectl("annotate", "secret", "hook", "--overwrite", f"{ANNOTATION_FOR_HOSTS}=other.example.com")
        acme = await stack.install()
        stack.may_stay_unanswered.add(acme.account_id)
        held = await acme.until(lambda obj: reason(obj, "Ready") == "HookKeyMissing", "say what is missing")
        assert "is not released for the host" in message(held, "Ready")
        assert service.asked == []


@pytest.mark.case(64)
async def test_a_step_that_leaves_the_template_is_kept_or_deleted_as_it_says(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs, step={"onRemove": "Delete"}) as (stack, service):
        acme = await stack.install()
        await acme.becomes("Active")
        rest = [{"name": "base", "manifests": [NAMESPACE]}]
        await stack.change_app(at_once=True, tenant={"serviceAccountName": "tenant-provisioner", "steps": rest})
        await acme.tenant_until(lambda obj: obj is not None and not obj["status"].get("services"), "forget the service")
        assert service.methods() == ["PUT", "DELETE"]


@pytest.mark.case(64)
async def test_a_service_that_is_gone_for_good_does_not_keep_a_tenant_from_being_purged(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs) as (stack, service):
        acme = await stack.install()
        await acme.becomes("Active")
        stack.may_lose_objects.add(acme.account_id)

        async def gone(_: Asked) -> web.Response | None:
            return web.json_response({"description": "no such service"}, status=403)

        service.mood = gone
        await acme.uninstall()
        held = await acme.until(lambda obj: reason(obj, "Ready") == "HookRefused", "be refused")
        assert "no such service" in message(held, "Ready")
        keep = {"metadata": {"annotations": {ANNOTATION_KEEP_SERVICES: "true"}}}
        path = resource_path(GROUP, VERSION, "talkdesktenants", stack.namespace, acme.tenant_name)
        await programs.kube.request("PATCH", path, body=keep, content_type=MERGE_PATCH)
        await acme.becomes("Uninstalled")
        await acme.patch({"op": "add", "path": "/spec/purge", "value": {"requestedBy": "admin"}}, kind=TENANT)
        await acme.tenant_until(lambda obj: obj is None, "be purged")
        assert "DELETE" not in service.methods()


@pytest.mark.crash
@pytest.mark.case(61, 64)
async def test_the_reference_service_may_be_killed_in_the_middle_of_each_call_of_a_life(
    stacks: Stacks, programs: Platform, tmp_path: Path
) -> None:
    async with killed_hook(tmp_path, KEY) as hook:
        await release_key(programs, hook.url)
        steps = ({"name": "base", "manifests": [NAMESPACE]}, {"name": "account", "http": http(hook.url, timeout="20s")})
        async with stacks(steps=steps) as stack:
            acme = await stack.install()
            await becomes_without_backoff(acme, "Active")
            stack.simulator.update(commands.Update(installation=acme.installation_id, plan="Gold"))
            await _until_asked(acme, hook, 2)
            await acme.uninstall()
            await becomes_without_backoff(acme, "Uninstalled")
            stack.may_lose_objects.add(acme.account_id)
            await acme.patch({"op": "add", "path": "/spec/purge", "value": {"requestedBy": "admin"}}, kind=TENANT)
            async with asyncio.timeout(120):
                while acme.tenant is not None:
                    await asyncio.sleep(1)
                    with suppress(AssertionError, KubeError):
                        await acme.skip_backoff()
        assert hook.kills >= 3
        assert hook.asked[-1][0] == "DELETE"
        keys = [key for method, key in hook.asked if method != "GET"]
        assert len(keys) > len(set(keys)), "the same request came again"
        assert _tenants(tmp_path / "hook.db") == []


async def _until_asked(acme: Customer, hook: KilledHook, puts: int) -> None:
    async with asyncio.timeout(60):
        while len({key for method, key in hook.asked if method == "PUT"}) < puts:  # noqa: ASYNC110 - a test
            await asyncio.sleep(0.2)
    await becomes_without_backoff(acme, "Active")


def _tenants(database: Path) -> list[str]:
    """Return what the service has of tenants that are not deleted."""
    with closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM tenants")]
