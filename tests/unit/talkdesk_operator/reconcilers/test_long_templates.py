"""Templates, rules and addresses that take long: their app says so, nobody is rejected, and everything else goes on."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from builders.objects import app_object
from builders.operator_in_memory import (
    NAMESPACE,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_operator.reconcilers.apps import CompiledApps, compile_app
from talkdesk_operator.reconcilers.aside import aside

ENDLESS = "'abcdefghijklmnopqrstuvwxyz'.split('').exists(x, account.name.matches('((a{1,50}){1,50}){1,50}b'))"
REJECT = {"approval": {"onTenantFailure": "Reject"}}
LONGEST_SILENCE = 2.0
"""Seconds; in one process the same takes 10 s and more."""


class Silence:
    """The longest time for which the event loop was kept from everything else."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def measure(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.monotonic() - began)


@asynccontextmanager
async def silence() -> AsyncGenerator[Silence]:
    measured = Silence()
    task = asyncio.create_task(measured.measure())
    await asyncio.sleep(0)
    yield measured
    task.cancel()


def base(**data: str) -> dict[str, Any]:
    return {"name": "base", "manifests": [NAMESPACE, config_map("account", data=data)]}


def message(at: OperatorInMemory) -> str:
    ready = find(at.installation.status.conditions, ConditionType.READY)
    assert ready is not None
    return f"{ready.reason}: {ready.message}"


async def test_an_endless_template_is_named_and_keeps_nothing_waiting() -> None:
    at = OperatorInMemory(sentiment(base(company=f"${{{ENDLESS}}}"), **REJECT), installed(), credentials_secret())
    async with silence() as measured:
        await at.converge()
    assert "takes more than 0.25 s of processor time" in message(at)
    assert "steps[base].manifests[1].data.company" in message(at)
    assert at.answers == []
    assert measured.longest < LONGEST_SILENCE


async def test_the_app_itself_says_that_its_template_takes_too_long() -> None:
    at = OperatorInMemory(sentiment(base(company=f"${{{ENDLESS}}}")), installed(), credentials_secret())
    async with silence() as measured:
        await at.apps.write_status(TalkdeskApp.read(at.server.get("TalkdeskApp", "sentiment")))
    ready = find(TalkdeskApp.read(at.server.get("TalkdeskApp", "sentiment")).status.conditions, ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", Reason.TEMPLATE_INVALID)
    assert "takes more than 0.25 s of processor time" in ready.message
    assert measured.longest < LONGEST_SILENCE


async def test_an_endless_rule_waits_for_a_person_and_keeps_nothing_waiting() -> None:
    rules = [{"expression": ENDLESS, "reason": "no"}]
    at = OperatorInMemory(sentiment(base(), approval={"rejectWhen": rules}), installed(), credentials_secret())
    async with silence() as measured:
        await at.converge()
    assert "takes more than 0.25 s of processor time" in message(at)
    assert at.answers == []
    assert measured.longest < LONGEST_SILENCE


async def test_an_endless_ready_when_is_not_ready_and_keeps_nothing_waiting() -> None:
    endless = ENDLESS.replace("account.name", "object.metadata.name")
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "${tenant.name}"}}
    step = {"name": "base", "manifests": [NAMESPACE, manifest], "readyWhen": endless}
    at = OperatorInMemory(sentiment(step), installed(), credentials_secret())
    async with silence() as measured:
        await at.converge()
    assert "takes more than 0.25 s of processor time" in at.tenant.status.model_dump_json()
    assert at.answers == []
    assert measured.longest < LONGEST_SILENCE


async def test_a_template_that_is_long_only_together_is_bounded() -> None:
    values = {"many": [f"{number:016}" for number in range(4_000)]}
    data = {f"k{number}": "${'x' in tenant.values.many}-" for number in range(900)}
    app = sentiment(base(**data))
    app["spec"]["tenant"]["values"] = values
    at = OperatorInMemory(app, installed(), credentials_secret())
    async with silence() as measured:
        await at.converge()
    assert measured.longest < LONGEST_SILENCE


async def test_more_objects_than_a_record_can_hold_are_refused_at_the_app() -> None:
    steps = [
        {"name": f"s{step}", "manifests": [config_map(f"c{step}-{number}") for number in range(50)]}
        for step in range(11)
    ]
    view = compile_app(TalkdeskApp.read(sentiment(*steps)))
    assert view.problem == "steps: 550 objects, of which a tenant can have 500"
    assert compile_app(TalkdeskApp.read(sentiment(*steps[:10]))).problem == ""


async def test_more_expressions_than_can_be_compiled_in_a_moment_are_refused_at_the_app() -> None:
    data = {f"k{number}": "${account.id}" for number in range(600)}
    steps = [{"name": "s", "manifests": [config_map(f"c{number}", data=data) for number in range(20)]}]
    problem = compile_app(TalkdeskApp.read(sentiment(*steps))).problem
    assert problem == "steps: 12020 expressions, of which 10000 are allowed"


async def test_objects_that_are_huge_together_are_refused_before_they_are_made() -> None:
    big = [config_map(f"c{number}", data={"k": "${tenant.values.big}"}) for number in range(40)]
    app = sentiment({"name": "s", "manifests": [NAMESPACE, *big]})
    app["spec"]["tenant"]["values"] = {"big": "x" * 1_000_000}
    at = OperatorInMemory(app, installed(), credentials_secret())
    await at.converge()
    assert "what is filled in has more than 8 MiB together" in message(at)


async def test_a_large_app_is_compiled_beside_the_event_loop() -> None:
    data = {f"k{number}": "${account.id}" for number in range(400)}
    steps = [{"name": "s", "manifests": [config_map(f"c{number}", data=data) for number in range(20)]}]
    app = TalkdeskApp.read(sentiment(*steps))
    apps = CompiledApps(OperatorInMemory().cluster, lambda: OperatorInMemory().now)
    async with silence() as measured:
        await apps.prepare(app)
    began = time.monotonic()
    assert apps.view(app).problem == ""
    assert time.monotonic() - began < measured.longest + 0.05
    assert measured.longest < LONGEST_SILENCE


@pytest.mark.parametrize("held", [1, 20])
async def test_an_app_that_takes_long_has_one_thread_and_leaves_the_others_to_other_apps(held: int) -> None:
    slow, quick = (TalkdeskApp.read(app_object(name, meta={"uid": name})) for name in ("slow", "quick"))
    hold = asyncio.Event()
    loop = asyncio.get_running_loop()
    running: list[int] = []

    def wait() -> None:
        running.append(1)
        asyncio.run_coroutine_threadsafe(hold.wait(), loop).result(timeout=30)

    waiting = [asyncio.create_task(aside(slow, wait)) for _ in range(held)]
    async with asyncio.timeout(10):
        assert await aside(quick, lambda: "done") == "done"
    assert len(running) <= 1
    hold.set()
    await asyncio.gather(*waiting)
    assert len(running) == held
