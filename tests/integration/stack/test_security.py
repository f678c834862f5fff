"""Secrets are shown nowhere, also when calls fail; at the end of each test they are searched for everywhere (I4)."""

import asyncio
import secrets
import threading

import pytest
from typing_extensions import override

from builders.conditions import message, reason
from builders.invariants import places_of, violations
from builders.stack import Stack, Stacks
from builders.stack_manifests import NAMESPACE, SECRET, STEPS, config_map, provisioner_policy_message
from talkdesk_crds.names import LABEL_NAMESPACE
from talkdesk_sandbox.simulator.faults import Malformed, Redirect, Status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.case(61)
async def test_no_secret_is_shown_while_every_kind_of_call_fails(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        for fault in (
            Status(route="POST */oauth/token", status=400, count=1),
            Malformed(route="POST */oauth/token", count=1),
            Redirect(route="POST */oauth/token", location="http://127.0.0.1:1/", count=1),
            Malformed(route="GET /account", after_effect=True, count=1),
            Status(route="POST /apps/*/state", status=500, count=1),
        ):
            talkdesk.simulator.faults.set(fault)
        talkdesk.platform.gate.refuse("PATCH", r"/api/v1/namespaces/td-[^/]+/secrets/talkdesk", 500)

        acme = await talkdesk.install()
        for _ in range(8):
            obj = await acme.until(
                lambda obj: obj.get("status", {}).keys() & {"retry"} or obj.get("status", {}).get("phase") == "Active",
                "have tried",
            )
            if obj["status"].get("phase") == "Active":
                break
            await acme.skip_backoff()

        await acme.becomes("Active")


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"not a key!": "${base64.encode(bytes(credentials.clientSecret))}"}, "ApplyRefused"),
        ({"client_secret": "${credentials.clientSecret + '!'}"}, "ApplyRefused"),
    ],
    ids=["bad key", "no base64"],
)
async def test_what_the_api_server_says_about_a_secrets_value_is_not_repeated(
    stacks: Stacks, data: dict[str, str], why: str
) -> None:
    manifest = {**SECRET, "data": data}
    steps = [{"name": "base", "manifests": [NAMESPACE]}, {"name": "credentials", "manifests": [manifest]}]
    async with stacks(steps=steps) as talkdesk:
        acme = await talkdesk.install()
        talkdesk.may_stay_unanswered.add(acme.account_id)

        obj = await acme.backs_off()

        assert reason(obj, "TenantReady") == why
        assert f"Secret {acme.tenant_namespace}/talkdesk" in message(obj, "TenantReady")


@pytest.mark.case(61)
async def test_the_search_for_secrets_finds_a_secret_in_an_annotation(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert await violations(talkdesk) == []

        await acme.patch(
            {"op": "add", "path": "/metadata/annotations", "value": {"oops": acme.at_talkdesk.current.secret}}
        )

        assert any(violation.startswith("I4") for violation in await violations(talkdesk))
        await acme.patch({"op": "remove", "path": "/metadata/annotations"})


class _Waits(bytes):
    """A text whose search ends when the event loop has had a turn."""

    turned = threading.Event()

    @override
    def __contains__(self, _: object) -> bool:
        return self.turned.wait(30)


async def test_the_search_for_secrets_leaves_the_event_loop_to_the_gate_or_a_leader_would_lose_its_lease() -> None:
    search = asyncio.create_task(places_of({b"secret"}, [("a log", _Waits())]))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(_Waits.turned.set)
    assert await search == ["a log"]


@pytest.mark.case(66)
async def test_a_template_can_do_no_more_than_its_service_account(stacks: Stacks) -> None:
    steal = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "stolen", "namespace": "kube-system"},
        "data": {"client_id": "${base64.encode(bytes(credentials.clientId))}"},
    }
    steps = [{"name": "steal", "manifests": [steal]}]
    async with stacks(steps=steps, tenant={"objectScope": "Any"}) as talkdesk:
        acme = await talkdesk.install()
        talkdesk.may_stay_unanswered.add(acme.account_id)

        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "AdmissionRefused", "be refused")

        assert provisioner_policy_message() in message(obj, "TenantReady")
        assert _as_whom(talkdesk) == {f"system:serviceaccount:{talkdesk.namespace}:tenant-provisioner"}


@pytest.mark.case(66)
async def test_a_template_that_names_another_apps_tenant_is_refused_and_told(stacks: Stacks) -> None:
    theirs = f"td-{secrets.token_hex(4)}-acme"
    stolen = config_map({"x": "y"}, "stolen")
    stolen["metadata"]["namespace"] = theirs
    steps = [{"name": "base", "manifests": [NAMESPACE, stolen]}]
    async with stacks() as talkdesk:
        labels = f'{{"metadata":{{"labels":{{"{LABEL_NAMESPACE}":"another"}}}}}}'
        await talkdesk.platform.kubectl("create", "namespace", theirs)
        await talkdesk.platform.kubectl("patch", "namespace", theirs, "--type=merge", f"--patch={labels}")
        await talkdesk.change_app(tenant={"steps": steps})
        acme = await talkdesk.install()
        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "OutsideTenant", "be refused")
        assert f"ConfigMap {theirs}/stolen" in message(obj, "TenantReady")

        # Where the app itself allows it, the guard does not.
        await talkdesk.change_app(tenant={"objectScope": "Any"})
        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "AdmissionRefused", "be refused")
        assert provisioner_policy_message() in message(obj, "TenantReady")
        await talkdesk.change_app(tenant={"steps": list(STEPS), "objectScope": "Tenant"})
        await acme.becomes("Active")
        await talkdesk.platform.kubectl("delete", "namespace", theirs, "--wait=false")


def _as_whom(talkdesk: Stack) -> set[str | None]:
    calls = talkdesk.platform.gate.calls
    return {call.as_user for call in calls if call.path.startswith("/api/v1/namespaces/kube-system/")}
