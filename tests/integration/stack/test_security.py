"""Secrets stay where they belong, whatever breaks; each test's end looks for them everywhere (I4)."""

import pytest

from builders.conditions import message, reason
from builders.invariants import violations
from builders.stack import Stack, Stacks
from builders.stack_manifests import NAMESPACE, SECRET
from talkdesk_sandbox.simulator.faults import Malformed, Redirect, Status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.case(61)
async def test_no_secret_is_told_while_everything_fails(stacks: Stacks) -> None:
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
                "try",
            )
            if obj["status"].get("phase") == "Active":
                break
            await acme.skip_backoff()

        await acme.becomes("Active")


@pytest.mark.case(61)
@pytest.mark.parametrize(
    "data",
    [
        {"not a key!": "${base64.encode(bytes(credentials.clientSecret))}"},
        {"client_secret": "${credentials.clientSecret + '!'}"},
    ],
    ids=["bad key", "no base64"],
)
async def test_what_the_api_server_says_of_a_secrets_value_is_not_repeated(
    stacks: Stacks, data: dict[str, str]
) -> None:
    manifest = {**SECRET, "data": data}
    steps = [{"name": "base", "manifests": [NAMESPACE]}, {"name": "credentials", "manifests": [manifest]}]
    async with stacks(steps=steps) as talkdesk:
        acme = await talkdesk.install()
        talkdesk.may_stay_unanswered.add(acme.account_id)

        obj = await acme.until(lambda obj: obj.get("status", {}).get("retry"), "be refused")

        assert message(obj, "TenantReady").startswith(f"Secret {acme.tenant_namespace}/talkdesk: ")


@pytest.mark.case(61)
async def test_the_search_for_secrets_finds_one_that_is_told(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert await violations(talkdesk) == []

        await acme.patch(
            {"op": "add", "path": "/metadata/annotations", "value": {"oops": acme.at_talkdesk.current.secret}}
        )

        assert any("I4" in sentence for sentence in await violations(talkdesk))
        await acme.patch({"op": "remove", "path": "/metadata/annotations"})


@pytest.mark.case(66)
async def test_a_template_can_do_no_more_than_its_provisioner(stacks: Stacks) -> None:
    steal = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "stolen", "namespace": "kube-system"},
        "data": {"client_id": "${base64.encode(bytes(credentials.clientId))}"},
    }
    async with stacks(steps=[{"name": "steal", "manifests": [steal]}]) as talkdesk:
        acme = await talkdesk.install()
        talkdesk.may_stay_unanswered.add(acme.account_id)

        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "ApplyRefused", "be refused")

        assert "td-" in message(obj, "TenantReady")
        assert _as_whom(talkdesk) == {f"system:serviceaccount:{talkdesk.namespace}:tenant-provisioner"}


def _as_whom(talkdesk: Stack) -> set[str | None]:
    calls = talkdesk.platform.gate.calls
    return {call.as_user for call in calls if call.path.startswith("/api/v1/namespaces/kube-system/")}
