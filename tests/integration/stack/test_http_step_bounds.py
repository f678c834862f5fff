"""What a partner's service can't do: show secrets, hold up other apps, lead elsewhere, keep a request for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from builders.conditions import message, reason
from builders.invariants import leaks
from builders.partner_service import KEY, Asked, PartnerService, decoded
from builders.platform import Platform
from builders.service_app import app_with_service, becomes_without_backoff
from builders.stack import Stacks
from talkdesk_runtime.kube import resource_path
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = {"ALLOWED_HOOK_NETWORKS": "127.0.0.0/8"}
_GOOD = PartnerService().mood
_MANY = 32
"""Customers, as many as the operator has workers."""
_AT_ONCE = 16
"""Requests under way to one service."""


@pytest.mark.case(61)
async def test_no_log_event_metric_or_status_shows_what_a_service_got_or_answered(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs, credentials=True) as (stack, service):
        answers: list[web.Response | None] = [
            web.Response(body=b'{"outputs": "canary-broken', content_type="application/json"),
            web.json_response({"outputs": {"endpoint": ["canary-output"]}, "secrets": {"password": "canary-secret"}}),
            web.json_response({"operation": "canary-operation"}, status=202),
            web.json_response({"state": "succeeded", "secrets": {"password": {"canary-secret": 1}}}),
        ]

        async def odd(_: Asked) -> web.Response | None:
            return answers.pop(0) if answers else None

        service.mood = odd
        acme = await stack.install()
        await becomes_without_backoff(acme, "Active")
        assert not answers
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert b'"hook.called"' in bytes(programs.operator.log), "debug logging is on"
        shown = {KEY, "canary-broken", "canary-output", "canary-secret", "canary-operation"}
        shown |= {f"canary-{acme.tenant_name}", f"https://{acme.tenant_name}.example.com"}
        assert await leaks(programs, {text.encode() for text in shown}) == []


def _answering(status: int, text: str, **headers: str) -> Callable[[Asked], Awaitable[web.Response | None]]:
    async def mood(asked: Asked) -> web.Response | None:
        if asked.method == "DELETE":
            return None
        if asked.method == "GET":
            return web.json_response({"state": "in progress"})
        return web.Response(status=status, text=text, headers=headers, content_type="application/json")

    return mood


@pytest.mark.case(64)
@pytest.mark.parametrize(
    ("mood", "expected", "words"),
    [
        (_answering(202, "{}"), "HookFailed", "it was not done in time"),
        (_answering(201, "[1]"), "HookFailed", "the answer is JSON but no object"),
        (_answering(422, '{"description": "no such plan"}'), "HookRefused", "422: no such plan"),
        (_answering(302, "", Location="/elsewhere"), "HookRefused", "a redirect (302), which is not followed"),
    ],
    ids=["202 for ever", "no JSON object", "422", "redirect"],
)
async def test_trouble_at_a_service_is_said_and_over_when_the_service_is_well_again(
    stacks: Stacks,
    programs: Platform,
    mood: Callable[[Asked], Awaitable[web.Response | None]],
    expected: str,
    words: str,
) -> None:
    async with app_with_service(stacks, programs, pollingTimeout="2s") as (stack, service):
        service.mood = mood
        acme = await stack.install()
        held = await acme.until(lambda obj: reason(obj, "Ready") == expected, f"be {expected}")
        assert words in message(held, "Ready")
        service.mood = _GOOD
        await acme.skip_backoff()
        await acme.becomes("Active")
        assert not [asked.path for asked in service.asked if "elsewhere" in asked.path]
        assert [*service.tenants] == [acme.tenant_name]


@pytest.mark.case(65)
async def test_rotated_credentials_reach_a_service_that_is_to_have_them_by_another_request(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs, credentials=True) as (stack, service):
        acme = await stack.install()
        await acme.becomes("Active")
        stack.simulator.rotate(commands.Rotate(installation=acme.installation_id))
        await acme.until_acknowledged(acme.events("app.credentials_rotated")[-1].id)
        await acme.becomes("Active")
        first, second = (each.client_id for each in acme.at_talkdesk.credentials)
        puts = [asked for asked in service.asked if asked.method == "PUT"]
        assert [asked.body["credentials"]["clientId"] for asked in puts] == [first, second]
        assert puts[0].key != puts[1].key
        assert decoded(await acme.existing("Secret", "login"))["client"] == second
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        told = service.tenants[acme.tenant_name]
        assert told["state"] == "Offboarded"
        assert set(told["credentials"].values()) == {""}, "they end with the uninstall"


@pytest.mark.case(76)
async def test_a_service_that_hangs_holds_up_neither_the_customers_of_other_apps_nor_the_lease(
    stacks: Stacks, programs: Platform
) -> None:
    async with app_with_service(stacks, programs, timeout="300s") as (stack, service), stacks() as other:
        released = asyncio.Event()

        async def hanging(_: Asked) -> web.Response | None:
            await released.wait()
            return None

        service.mood = hanging
        before = await _lease(programs)
        waiting = [await stack.install() for _ in range(_MANY)]
        await service.until_asked(_AT_ONCE)
        for _ in range(3):
            beta = await other.install()
            await beta.becomes("Active")
        assert not released.is_set()
        assert len(service.asked) == _AT_ONCE, "no more calls are under way, and none has been answered"
        after = await _lease(programs)
        assert after["renewTime"] > before["renewTime"]
        assert (after["holderIdentity"], after["leaseTransitions"]) == (
            before["holderIdentity"],
            before["leaseTransitions"],
        )
        released.set()
        for acme in waiting:
            await acme.becomes("Active")


async def _lease(programs: Platform) -> dict[str, Any]:
    path = resource_path("coordination.k8s.io", "v1", "leases", programs.namespace, "talkdesk-operator")
    spec: dict[str, Any] = (await programs.kube.request("GET", path))["spec"]
    return spec
