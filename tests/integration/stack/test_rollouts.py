"""A change of the template reaches customers in waves, stops at failures, and is taken back, on a real API server."""

import pytest

from builders.conditions import condition, reason
from builders.rollouts import BREAKS, WITHIN, app_until, steps, versions
from builders.stack import TENANT, Stack, Stacks
from talkdesk_runtime.kube import resource_path

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(55)]
FAILING = 5


async def revisions(talkdesk: Stack) -> list[str]:
    path = resource_path("apps", "v1", "controllerrevisions", talkdesk.namespace)
    query = {"labelSelector": f"appconnect.talkdesk.dev/app={talkdesk.app}"}
    items = (await talkdesk.platform.kube.request("GET", path, query=query))["items"]
    return [each["metadata"]["name"] for each in sorted(items, key=lambda each: each["revision"])]


async def test_many_customers_are_moved_in_waves_while_some_fail_and_are_brought_back(
    stacks: Stacks, pytestconfig: pytest.Config
) -> None:
    rollout = {"pauseAfterFailures": FAILING, "maxUnavailable": "25%"}
    async with stacks(steps=steps("1"), templateRollout=rollout) as talkdesk:
        customers = [await talkdesk.install() for _ in range(pytestconfig.getoption("--customers"))]
        for each in customers:
            await each.becomes("Active", within=WITHIN)
        for each in customers[:FAILING]:
            await each.patch({"op": "add", "path": "/spec/values", "value": BREAKS}, kind=TENANT)

        await talkdesk.change_app(tenant={"steps": steps("2")})
        app = await app_until(talkdesk, lambda obj: reason(obj, "RolledOut") == "TenantsFailing", "stop at failures")
        (said,) = [each["message"] for each in app["status"]["conditions"] if each["type"] == "RolledOut"]
        assert all(f"{each.tenant_name} (ApplyRefused)" in said for each in customers[:FAILING]), said
        assert app["status"]["tenants"]["failing"] == FAILING
        columns = await talkdesk.platform.kubectl("get", "tdapp", talkdesk.app)
        assert all(name in columns for name in ("UPDATED", "TOTAL", "FAILING"))
        newcomer = await talkdesk.install()
        await newcomer.becomes("Active", within=WITHIN)
        assert await versions([newcomer]) == {"1"}

        first, _ = await revisions(talkdesk)
        await talkdesk.change_app(templateRollout={"policy": "Pinned", "revision": first})
        await app_until(
            talkdesk,
            lambda obj: obj["status"].get("currentRevision") == first and condition(obj, "RolledOut") == "True",
            "be as before",
        )
        assert await versions([*customers, newcomer]) == {"1"}
        events = (await talkdesk.platform.kube.request("GET", _events(talkdesk)))["items"]
        assert "TenantsFailing" in {event["reason"] for event in events if event["regarding"]["name"] == talkdesk.app}


async def test_a_leader_that_is_killed_in_the_middle_leaves_a_rollout_that_goes_on(stacks: Stacks) -> None:
    async with stacks(steps=steps("1"), templateRollout={"maxUnavailable": 1}) as talkdesk:
        customers = [await talkdesk.install() for _ in range(6)]
        for each in customers:
            await each.becomes("Active", within=WITHIN)
        await talkdesk.change_app(tenant={"steps": steps("3")})
        await app_until(talkdesk, lambda obj: obj["status"]["tenants"]["updated"] in range(1, 5), "be in the middle")
        await talkdesk.platform.programs["operator"].kill()
        await talkdesk.platform.start_operator()
        await app_until(talkdesk, lambda obj: condition(obj, "RolledOut") == "True", "be rolled out")
        assert await versions(customers) == {"3"}


async def test_one_customer_stays_at_a_revision_that_a_person_chose(stacks: Stacks) -> None:
    async with stacks(steps=steps("1")) as talkdesk:
        acme, other = await talkdesk.install(), await talkdesk.install()
        for each in (acme, other):
            await each.becomes("Active", within=WITHIN)
        (first,) = await revisions(talkdesk)
        await acme.patch({"op": "add", "path": "/spec/revision", "value": first}, kind=TENANT)
        await talkdesk.change_app(tenant={"steps": steps("3")})
        await app_until(talkdesk, lambda obj: obj["status"]["tenants"].get("held") == 1, "hold one")
        await app_until(talkdesk, lambda obj: condition(obj, "RolledOut") == "True", "be rolled out")
        assert (await versions([acme]), await versions([other])) == ({"1"}, {"3"})
        await acme.patch({"op": "remove", "path": "/spec/revision"}, kind=TENANT)
        await acme.tenant_until(lambda obj: obj is not None and obj["status"].get("revision") != first, "move")
        await acme.becomes("Active", within=WITHIN)
        assert await versions([acme]) == {"3"}


def _events(talkdesk: Stack) -> str:
    return resource_path("events.k8s.io", "v1", "events", talkdesk.namespace)
