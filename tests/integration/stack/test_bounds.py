"""What one customer may cost: a tenant of 500 objects works, and nobody's trouble holds up anybody else."""

import time
from typing import Any

import pytest

from builders.conditions import message, reason
from builders.say import Say
from builders.serving import until
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS, STEPS, config_map
from talkdesk_crds.names import LABEL_TENANT
from talkdesk_runtime.kube import resource_path

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST = 500
"""Objects that a tenant may have."""
FEW = 5
SUFFICES = 300
"""Seconds for so many on a machine with other work."""
BOUND = 60
"""Seconds within which a customer gets the app while others are in trouble for good; two on an idle machine."""


def hundreds() -> dict[str, Any]:
    """Return a template of 500 objects: a Namespace, and ConfigMaps in five steps."""
    values = {f"list{step}": [f"n{number}" for number in range(100 if step else 99)] for step in range(5)}
    steps = [
        {
            "name": f"step{step}",
            "forEach": f"tenant.values.list{step}",
            "manifests": [config_map({"of": "${account.id}"}, name=f"${{'m{step}-' + item}}")],
        }
        for step in range(5)
    ]
    return {"values": values, "steps": [{"name": "base", "manifests": [NAMESPACE]}, *steps]}


async def made(acme: Customer) -> dict[str, str]:
    """Return the tenant's ConfigMaps, by name with the version of each."""
    path = resource_path("", "v1", "configmaps", acme.tenant_namespace)
    query = {"labelSelector": f"{LABEL_TENANT}={acme.tenant_name}"}
    items = (await acme.stack.platform.kube.request("GET", path, query=query))["items"]
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in items}


def applies(acme: Customer) -> int:
    """Return how many objects were applied in the tenant's namespace so far."""
    return acme.stack.platform.gate.count("PATCH", f"/api/v1/namespaces/{acme.tenant_namespace}/.*")


async def test_a_tenant_of_500_objects_is_made_kept_and_removed_and_others_do_not_wait_for_it(stacks: Stacks) -> None:
    async with stacks(tenant=hundreds(), retention={"keepFor": "1s"}) as talkdesk:
        large = await talkdesk.install(deliver=False)
        halfway = talkdesk.platform.gate.hold(
            "PATCH", f"/api/v1/namespaces/{large.tenant_namespace}/configmaps/m2-n50", "before"
        )
        await large.deliver(large.events("app.installed")[0])
        await halfway.reached()
        other = await talkdesk.install()
        await other.becomes("Active", within=SUFFICES)
        assert large.answer_calls() == []
        halfway.release()
        await large.becomes("Active", within=SUFFICES)
        for each in (large, other):
            assert len(await made(each)) == MOST - 1
            await each.tenant_until(
                lambda obj: obj is not None and len(obj.get("status", {}).get("inventory", ())) == MOST, "have them all"
            )

        assert applies(large) == MOST - 1
        before = await made(large)
        await large.request_reconcile()
        assert await made(large) == before
        sent = applies(large)
        await talkdesk.platform.kubectl("delete", "configmap", "m4-n99", f"--namespace={large.tenant_namespace}")
        await until(lambda: _is_there(large, "m4-n99"))
        assert applies(large) - sent <= FEW, "all others are as they were"

        await large.uninstall()
        await large.becomes("Purged", within=SUFFICES)
        assert await large.live("Namespace") is None


async def _is_there(acme: Customer, name: str) -> bool:
    return await acme.live("ConfigMap", name) is not None


async def test_customers_in_trouble_for_good_hold_up_nobody_else(stacks: Stacks, say: Say) -> None:
    endless = "tenant.values.list.exists(x, tenant.values.text.matches('((a{1,50}){1,50}){1,50}b'))"
    long = f"${{account.name.startsWith('slow') && {endless} ? '1' : '0'}}"
    name = "${account.name.startsWith('refused') ? '-' : 'long'}"
    steps = [{"name": "base", "manifests": [NAMESPACE, SETTINGS, config_map({"long": long}, name=name)]}, *STEPS[2:]]
    async with stacks(tenant={"values": {"list": ["x"] * 5000, "text": "a" * 200}, "steps": steps}) as talkdesk:
        hanging = [await hang(talkdesk, f"hanging{number}") for number in range(3)]
        refused = [await talkdesk.install(f"refused{number}{talkdesk.app}") for number in range(3)]
        slow = [await talkdesk.install(f"slow{number}{talkdesk.app}") for number in range(3)]
        talkdesk.may_stay_unanswered |= {each.account_id for each in (*refused, *slow)}
        for each in refused:
            await each.until(lambda obj: reason(obj, "Ready") == "ApplyRefused", "be refused")
        for each in slow:
            await each.until(lambda obj: "of processor time" in message(obj, "Ready"), "take too long")

        longest = 0.0
        for _ in range(5):
            began = time.monotonic()
            other = await talkdesk.install()
            await other.becomes("Active", within=BOUND)
            longest = max(longest, time.monotonic() - began)
        say(f"with nine customers in trouble, the slowest of five others had the app after {longest:.1f} s")
        assert longest < BOUND
        assert [each.answer_calls() for each in (*hanging, *refused, *slow)] == [[]] * 9


async def hang(talkdesk: Stack, account: str) -> Customer:
    """Let a customer install whose namespace can't be made: the API server never answers."""
    acme = await talkdesk.install(f"{account}{talkdesk.app}", deliver=False)
    talkdesk.may_stay_unanswered.add(acme.account_id)
    for _ in range(50):  # the operator tries again
        talkdesk.platform.gate.hold("PATCH", f"/api/v1/namespaces/{acme.tenant_namespace}", "before")
    await acme.deliver(acme.events("app.installed")[0])
    return acme
