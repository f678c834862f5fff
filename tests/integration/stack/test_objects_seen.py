"""What the running operator makes of changes of tenants' objects: after a start, in a fight, while it waits."""

import asyncio
import json
import time
from typing import Any

import pytest

from builders.conditions import condition, message, reason
from builders.deployments import DEPLOYMENT, READY, may_deploy
from builders.serving import until
from builders.stack import Customer, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS, STEPS
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, resource_path

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _settings(customer: Customer) -> str:
    return resource_path("", "v1", "configmaps", customer.tenant_namespace, "settings")


async def _plan(customer: Customer) -> str | None:
    found = await customer.live("ConfigMap", "settings")
    return None if found is None else str(found["data"].get("plan"))


async def _change(customer: Customer, **data: str) -> None:
    """Change the settings as another program does."""
    kube = customer.stack.platform.kube
    await kube.request(
        "PATCH", _settings(customer), body={"data": data}, content_type=MERGE_PATCH, query={"fieldManager": "rival"}
    )


@pytest.mark.case(88)
async def test_what_was_deleted_or_changed_while_the_operator_was_down_is_put_right_soon_after_its_start(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        changed, deleted, left = [await talkdesk.install() for _ in range(3)]
        for each in (changed, deleted, left):
            await each.becomes("Active")
        platform = talkdesk.platform
        before = await left.existing("ConfigMap", "settings")
        await platform.operator.kill()
        await _change(changed, plan="mine")
        await platform.kube.request("DELETE", _settings(deleted))

        await platform.start_operator()

        async def put_right() -> bool:
            return [await _plan(each) for each in (changed, deleted)] == ["Standard", "Standard"]

        await until(put_right, within=20)
        after = await left.existing("ConfigMap", "settings")
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


@pytest.mark.case(87)
async def test_a_program_that_changes_an_object_all_the_time_is_named_and_answered_more_and_more_slowly(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        corrections, until_then = 0, time.monotonic() + 15
        while time.monotonic() < until_then:
            if await _plan(acme) != "mine":
                corrections += 1
                await _change(acme, plan="mine")
            await asyncio.sleep(0.02)

        assert 3 <= corrections <= 7  # the first of them is the installation itself
        tenant = await acme.tenant_until(lambda obj: obj is not None and condition(obj, "Contested"), "be contested")
        assert tenant is not None
        assert reason(tenant, "Contested") == "FieldManagerConflict"
        assert '"rival" changes .data.plan' in message(tenant, "Contested")
        assert condition(tenant, "Ready") == "True"
        events = await talkdesk.platform.kube.request(
            "GET", f"/apis/events.k8s.io/v1/namespaces/{talkdesk.namespace}/events"
        )
        (event,) = [each for each in events["items"] if each["reason"] == "FieldManagerConflict"]
        assert (event["type"], event["regarding"]["kind"]) == ("Warning", "TalkdeskTenant")


async def test_a_tenant_is_ready_as_soon_as_its_objects_are(stacks: Stacks) -> None:
    steps: list[dict[str, Any]] = [
        {"name": "base", "manifests": [NAMESPACE, SETTINGS]},
        {"name": "web", "manifests": [DEPLOYMENT]},
        *STEPS[2:],
    ]
    async with stacks() as talkdesk, may_deploy(talkdesk):
        await talkdesk.change_app(tenant={"steps": steps})
        acme = await talkdesk.install()
        await acme.tenant_until(lambda obj: obj is not None and reason(obj, "Ready") == "NotReady", "wait")
        await asyncio.sleep(25)  # the longer a tenant waits, the less often it is looked at by itself
        path = f"{resource_path('apps', 'v1', 'deployments', acme.tenant_namespace, 'web')}/status"
        body = json.loads(json.dumps({"status": READY}))
        began = time.monotonic()
        await talkdesk.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        await acme.becomes("Active")
        assert time.monotonic() - began < 10  # by itself it would look after another 26 s


@pytest.mark.case(88)
async def test_a_record_that_is_deleted_between_the_first_listing_and_the_watch_does_not_live_on(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        platform = talkdesk.platform
        before = acme.tenant
        assert before is not None
        await platform.operator.kill()
        watch = platform.gate.hold("GET", _TENANTS, "before", skip=1)  # the first is the listing
        starting = asyncio.create_task(platform.start_operator())
        await watch.reached()
        # Somebody takes it away by force, finalizer and all.
        bare = {"metadata": {"finalizers": None}}
        await platform.kube.request("PATCH", _record(acme), body=bare, content_type=MERGE_PATCH)
        await platform.kube.request("DELETE", _record(acme))
        watch.release()
        await starting

        def made_anew(obj: Any) -> bool:
            found = obj is not None and obj["metadata"]["uid"] != before["metadata"]["uid"]
            return found and condition(obj, "Ready") == "True"

        await acme.tenant_until(made_anew, "be made anew")
        assert await _plan(acme) == "Standard"


_TENANTS = f"/apis/{GROUP}/{VERSION}/namespaces/[^/]+/talkdesktenants"


def _record(customer: Customer) -> str:
    return resource_path(GROUP, VERSION, "talkdesktenants", customer.stack.namespace, customer.tenant_name)
