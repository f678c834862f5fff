"""The client makes no calls to a host that is down, each host for itself; urgent calls are made all the same."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from scripted_talkdesk import Responder, ScriptedTalkdesk, access, cut, reply, serve, silence, token_reply
from talkdesk_crds.hosts import HostAllowList
from talkdesk_operator.adapters.talkdesk import ClientSettings, TalkdeskClient
from talkdesk_operator.domain.ports.talkdesk import (
    Account,
    Decision,
    TalkdeskError,
    TalkdeskInvalidCredentials,
    TalkdeskMalformed,
    TalkdeskOutcomeUnknown,
    TalkdeskUnavailable,
)
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits
from talkdesk_runtime.clock import Clock

pytestmark = pytest.mark.case(27)


@dataclass
class Machine:
    """A client on time that tests move, whose breakers open after two failures."""

    seconds: float = 1000.0
    sent: list[str] = field(default_factory=list)
    """Outcomes of what was sent."""

    def client(self, *, concurrency: int = 64, total: float = 20) -> TalkdeskClient:
        async def sleep(seconds: float) -> None:
            self.seconds += seconds

        settings = ClientSettings(
            concurrency=concurrency,
            total_timeout=timedelta(seconds=total),
            breaker=BreakerLimits(failures=2, open_time=Backoff(timedelta(seconds=5), timedelta(minutes=1))),
        )
        clock = Clock(monotonic=lambda: self.seconds, now=lambda: datetime.now(UTC), sleep=sleep)

        def observe(_call: str, outcome: str, _seconds: float) -> None:
            self.sent.append(outcome)

        return TalkdeskClient(settings, proxies={}, clock=clock, observe=observe)


@pytest.mark.parametrize("answer", [reply(500), reply(503), reply(502), reply(407), cut, silence])
async def test_a_gateway_that_is_down_is_not_called(talkdesk: ScriptedTalkdesk, answer: Responder) -> None:
    machine = Machine()
    client = machine.client(total=0.2)
    talkdesk.on("/account", answer)
    for _ in range(5):
        with pytest.raises(TalkdeskUnavailable):
            await client.account(access(talkdesk.url))
    assert machine.sent == ["ok", "Unavailable", "Unavailable"]
    assert client.open_breakers() == {("sentiment/US", "api"): 1}
    talkdesk.on("/account", reply(content={"id": "acc"}))
    assert await client.account(access(talkdesk.url, urgent=True)) == Account("acc")
    assert await client.account(access(talkdesk.url)) == Account("acc")
    assert client.open_breakers() == {}
    await client.aclose()


async def test_a_change_whose_outcome_is_unknown_counts_as_a_failure(talkdesk: ScriptedTalkdesk) -> None:
    client = Machine().client()
    state = "/apps/a1/installations/i1/state"
    talkdesk.on(state, cut)
    for kind in (TalkdeskOutcomeUnknown, TalkdeskOutcomeUnknown, TalkdeskUnavailable):
        with pytest.raises(TalkdeskError) as failure:
            await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "")
        assert type(failure.value) is kind
    assert len(talkdesk.calls(state)) == 2
    await client.aclose()


@pytest.mark.parametrize(
    "answer", [reply(400), reply(403), reply(404), reply(409), reply(429), reply(302), reply(body=b"<html>")]
)
async def test_any_response_that_is_no_server_error_keeps_the_circuit_closed(
    talkdesk: ScriptedTalkdesk, answer: Responder
) -> None:
    client = Machine().client()
    talkdesk.on("/account", answer)
    for _ in range(5):
        with pytest.raises(TalkdeskError):
            await client.account(access(talkdesk.url))
    assert len(talkdesk.calls("/account")) == 5
    assert client.open_breakers() == {}
    await client.aclose()


@pytest.mark.case(24)
async def test_refused_credentials_keep_the_circuit_closed(talkdesk: ScriptedTalkdesk) -> None:
    client = Machine().client()
    talkdesk.on("/acme/oauth/token", reply(401))
    for _ in range(5):
        with pytest.raises(TalkdeskInvalidCredentials):
            await client.account(access(talkdesk.url))
    assert len(talkdesk.seen) == 5
    await client.aclose()


async def test_a_broken_token_host_concerns_its_own_customer_only(talkdesk: ScriptedTalkdesk) -> None:
    client = Machine().client()
    async with serve() as identity:
        talkdesk.on("/account", reply(content={"id": "acc"}))
        identity.on("/acme/oauth/token", reply(500))
        hosts = HostAllowList.for_endpoints(talkdesk.url, identity.url, allow_insecure=True)
        broken = access(talkdesk.url, token_url=f"{identity.url}/acme/oauth/token", hosts=hosts)
        for _ in range(4):
            with pytest.raises(TalkdeskUnavailable, match="asking for a token"):
                await client.account(broken)
        assert len(identity.seen) == 2
        assert client.open_breakers() == {("sentiment/US", "token"): 1}
        well = access(talkdesk.url)
        assert await client.account(well) == Account("acc")
    await client.aclose()


async def test_an_urgent_call_shares_no_token_request_that_may_be_refused(
    talkdesk: ScriptedTalkdesk,
) -> None:
    machine = Machine()
    client = machine.client()
    talkdesk.on("/acme/oauth/token", reply(500))
    for _ in range(3):
        with pytest.raises(TalkdeskUnavailable):
            await client.account(access(talkdesk.url))
    talkdesk.on("/acme/oauth/token", token_reply())
    talkdesk.on("/account", reply(content={"id": "acc"}))
    there, urgent = access(talkdesk.url), access(talkdesk.url, urgent=True)
    held, answered = await asyncio.gather(client.account(there), client.account(urgent), return_exceptions=True)
    assert isinstance(held, TalkdeskUnavailable)
    assert answered == Account("acc")
    await client.aclose()


async def test_calls_that_wait_for_a_slot_are_not_made_once_the_circuit_is_open(talkdesk: ScriptedTalkdesk) -> None:
    client = Machine().client(concurrency=1)
    talkdesk.on("/account", reply(500))
    there = access(talkdesk.url)
    results = await asyncio.gather(*(client.account(there) for _ in range(10)), return_exceptions=True)
    assert all(type(result) is TalkdeskUnavailable for result in results)
    assert len(talkdesk.calls("/account")) == 2
    await client.aclose()


async def test_a_call_while_the_circuit_is_open_waits_for_no_slot(talkdesk: ScriptedTalkdesk) -> None:
    client = Machine().client(concurrency=1)
    there = access(talkdesk.url)
    arrived = asyncio.Event()

    async def never(request: web.BaseRequest) -> web.StreamResponse:
        arrived.set()
        return await silence(request)

    talkdesk.on("/account", reply(500), reply(500), never)
    for _ in range(2):
        with pytest.raises(TalkdeskUnavailable):
            await client.account(there)
    holding = asyncio.create_task(client.account(replace(there, urgent=True)))
    async with asyncio.timeout(5):
        await arrived.wait()
        with pytest.raises(TalkdeskUnavailable, match="nothing was sent"):
            await client.account(there)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    await client.aclose()


async def test_of_many_calls_after_the_open_time_one_is_the_probe(talkdesk: ScriptedTalkdesk) -> None:
    machine = Machine()
    client = machine.client()
    there = access(talkdesk.url)
    arrived, go = asyncio.Event(), asyncio.Event()
    answer = reply(content={"id": "acc"})

    async def held(request: web.BaseRequest) -> web.StreamResponse:
        arrived.set()
        await go.wait()
        return await answer(request)

    talkdesk.on("/account", reply(500), reply(500), held)
    for _ in range(2):
        with pytest.raises(TalkdeskUnavailable):
            await client.account(there)
    machine.seconds += 5
    probe = asyncio.create_task(client.account(there))
    async with asyncio.timeout(5):
        await arrived.wait()
    results = await asyncio.gather(*(client.account(there) for _ in range(10)), return_exceptions=True)
    assert all(type(result) is TalkdeskUnavailable for result in results)
    go.set()
    assert await probe == Account("acc")
    assert len(talkdesk.calls("/account")) == 3
    await client.aclose()


async def test_when_a_probe_is_cancelled_on_its_way_the_next_call_is_the_probe(talkdesk: ScriptedTalkdesk) -> None:
    machine = Machine()
    client = machine.client()
    there = access(talkdesk.url)
    arrived = asyncio.Event()

    async def never(_request: web.BaseRequest) -> web.StreamResponse:
        arrived.set()
        await asyncio.Event().wait()
        return web.Response()

    talkdesk.on("/account", reply(500), reply(500), never, reply(content={"id": "acc"}))
    for _ in range(2):
        with pytest.raises(TalkdeskUnavailable):
            await client.account(there)
    machine.seconds += 5
    probe = asyncio.create_task(client.account(there))
    async with asyncio.timeout(5):
        await arrived.wait()
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await client.account(there) == Account("acc")
    await client.aclose()


async def test_a_malformed_response_to_a_probe_closes_the_circuit(talkdesk: ScriptedTalkdesk) -> None:
    machine = Machine()
    client = machine.client()
    talkdesk.on("/account", reply(500), reply(500), reply(body=b"<html>"))
    for kind in (TalkdeskUnavailable, TalkdeskUnavailable, TalkdeskMalformed):
        machine.seconds += 5
        with pytest.raises(kind):
            await client.account(access(talkdesk.url))
    assert client.open_breakers() == {}
    await client.aclose()
