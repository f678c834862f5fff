"""Each fault of requests, over real sockets."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from builders.partner import Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import SimulatorServer
from talkdesk_sandbox.simulator.faults.kinds import (
    ApiFault,
    Delay,
    Drop,
    Empty,
    Huge,
    Malformed,
    Redirect,
    Status,
    Timeout,
)

STATE = "POST /apps/*/state"


@pytest.fixture
async def server(start: Start) -> SimulatorServer:
    return await start()


@pytest.fixture
async def partner(server: SimulatorServer, meet: Meet) -> Partner:
    return await (await meet(server, await server.client.install(account="acme"))).log_in()


async def approvals(server: SimulatorServer) -> int:
    return len(await server.client.requests(effect="approve"))


async def test_a_delayed_answer_is_late_and_correct(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Delay(route=STATE, seconds=0.2))
    started = time.perf_counter()
    assert (await partner.answer("approve")).status_code == 200
    assert time.perf_counter() - started >= 0.2


@pytest.mark.case(22)
@pytest.mark.parametrize(
    ("fault", "effects"),
    [
        (Drop(route=STATE, count=1), 0),
        (Drop(route=STATE, count=1, after_effect=True), 1),
        (Timeout(route=STATE, count=1, seconds=0.05), 1),
    ],
)
async def test_a_cut_connection_gives_no_answer(
    server: SimulatorServer, partner: Partner, fault: ApiFault, effects: int
) -> None:
    await server.client.set_fault(fault)
    with pytest.raises(httpx.RemoteProtocolError):
        await partner.answer("approve")
    assert await approvals(server) == effects
    cut = (await server.client.requests())[-1]
    assert (cut.status, cut.fault, cut.answered) == (None, fault.kind, 200 if effects else None)
    assert await partner.state() == ("completed" if effects else "installing")


@pytest.mark.case(22)
async def test_a_timeout_keeps_the_connection_open_as_long_as_set(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Timeout(route=STATE, seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        await partner.http.post(
            f"{partner.installation}/state", json={"state": "approve"}, headers=partner.headers, timeout=0.2
        )
    assert await partner.state() == "completed"


@pytest.mark.case(27)
async def test_a_status_comes_with_retry_after_in_seconds_or_as_a_date(
    server: SimulatorServer, partner: Partner
) -> None:
    await server.client.set_fault(Status(route="/account", status=429, retry_after=timedelta(seconds=7), count=1))
    response = await partner.get("/account")
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    dated = Status(route="/account", status=503, retry_after=timedelta(minutes=1), retry_after_form="date", count=1)
    await server.client.set_fault(dated)
    response = await partner.get("/account")
    at, now = (parsedate_to_datetime(response.headers[name]) for name in ("retry-after", "date"))
    assert (response.status_code, timedelta(seconds=60) <= at - now <= timedelta(seconds=62)) == (503, True)
    assert (await partner.get("/account")).status_code == 200


async def test_a_status_without_retry_after_has_none(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Status(status=500))
    assert "retry-after" not in (await partner.get("/account")).headers


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_wrong_status_may_come_before_or_after_the_effect(
    server: SimulatorServer, partner: Partner, after_effect: Any
) -> None:
    await server.client.set_fault(Status(route=STATE, status=500, count=1, after_effect=after_effect))
    assert (await partner.answer("approve")).status_code == 500
    assert await approvals(server) == int(after_effect)


@pytest.mark.case(30)
@pytest.mark.parametrize(
    ("fault", "body"), [(Malformed(route="/account"), b'{"state": "compl'), (Empty(route="/account"), b"")]
)
async def test_a_200_may_have_half_a_document_or_no_body(
    server: SimulatorServer, partner: Partner, fault: ApiFault, body: bytes
) -> None:
    await server.client.set_fault(fault)
    response = await partner.get("/account")
    assert (response.status_code, response.content) == (200, body)


@pytest.mark.case(30)
async def test_a_huge_answer_is_valid_json_of_that_size_in_chunks(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Huge(route="/account", size=300_000))
    response = await partner.get("/account")
    assert len(response.content) == 300_000
    assert set(response.json()) == {"padding"}
    assert response.headers["transfer-encoding"] == "chunked"


@pytest.mark.case(29)
async def test_a_redirect_has_the_location_that_is_set(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Redirect(route="*/oauth/token", location="https://elsewhere.example/"))
    response = await partner.ask_token()
    assert (response.status_code, response.headers["location"]) == (307, "https://elsewhere.example/")


async def test_a_delay_can_be_combined_with_another_fault(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Delay(seconds=0.1))
    await server.client.set_fault(Status(status=502))
    started = time.perf_counter()
    assert (await partner.get("/account")).status_code == 502
    assert time.perf_counter() - started >= 0.1
    assert (await server.client.requests())[-1].fault == "delay,status"


async def test_the_signature_key_endpoint_can_fail(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Status(route="*/events/signature-keys/*", status=500))
    assert (await partner.get("/events/signature-keys/any")).status_code == 500


async def test_the_control_api_has_no_faults(server: SimulatorServer) -> None:
    await server.client.set_fault(Drop())
    assert len(await server.client.faults()) == 1
    await server.client.clear_faults()
    assert await server.client.faults() == []


async def test_cutting_one_connection_does_not_affect_others(server: SimulatorServer, partner: Partner) -> None:
    await server.client.set_fault(Drop(route="/account"))
    answers = await asyncio.gather(
        *(partner.get("/account") for _ in range(5)), partner.get("/apps"), return_exceptions=True
    )
    assert [type(each) for each in answers[:5]] == [httpx.RemoteProtocolError] * 5
    assert isinstance(answers[5], httpx.Response)


@pytest.mark.case(35)
async def test_the_date_header_has_the_simulators_time(server: SimulatorServer, partner: Partner) -> None:
    await server.client.move("3d")
    date = parsedate_to_datetime((await partner.get("/nope")).headers["date"])
    assert date - datetime.now(UTC) > timedelta(days=2, hours=23)


async def test_requests_are_recorded_in_sequence_and_can_be_cleared(server: SimulatorServer, partner: Partner) -> None:
    await partner.answer("approve")
    token, approval = await server.client.requests()
    assert (token.effect, token.account, token.path) == ("token", "acme", "/accounts/acme/oauth/token")
    assert (approval.effect, approval.installation_id) == ("approve:completed", partner.data["installation_id"])
    assert (approval.method, approval.status, approval.sequence) == ("POST", 200, token.sequence + 1)
    assert await server.client.requests(since=token.sequence) == [approval]
    assert await server.client.requests(installation="nope") == []
    assert await server.client.requests(effect="approve:rejected") == []
    await server.client.clear_requests()
    await partner.get("/account")
    assert [record.sequence for record in await server.client.requests()] == [approval.sequence + 1]
