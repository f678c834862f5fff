"""Deliveries to a real callback: signatures, retries by moving the clock, and each fault of deliveries."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builders.partner import Callback
from builders.simulators import Start
from talkdesk_sandbox.simulator import Behavior, Settings, SimulatorServer
from talkdesk_sandbox.simulator.faults.kinds import Duplicate, Hold, Lose, Slow, Tamper
from talkdesk_sandbox.simulator.views.models import DeliveryView


@pytest.fixture
async def server(start: Start, callback: Callback) -> SimulatorServer:
    return await start(callback_url=callback.url)


async def only(server: SimulatorServer) -> DeliveryView:
    await server.client.drain()
    (delivery,) = await server.client.deliveries()
    return delivery


async def verify(server: SimulatorServer, http: httpx.AsyncClient, headers: dict[str, str], body: bytes) -> None:
    url = f"{server.url}/events/signature-keys/{headers['x-hub-ecdsa-signature-id']}"
    key = serialization.load_der_public_key(base64.b64decode((await http.get(url)).json()["public_key"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(bytes.fromhex(headers["x-hub-ecdsa-signature"]), body, ec.ECDSA(hashes.SHA512()))


async def test_an_event_is_delivered_signed_over_its_raw_body(
    server: SimulatorServer, callback: Callback, http: httpx.AsyncClient
) -> None:
    outcome = await server.client.install(account="acme")
    delivery = await only(server)
    ((headers, body),) = callback.received
    await verify(server, http, headers, body)
    assert headers["content-type"] == "application/json"
    assert orjson.loads(body)["id"] == outcome.events[0].id == delivery.event_id
    assert (delivery.state, [attempt.status for attempt in delivery.attempts]) == ("delivered", [200])
    assert delivery.attempts[0].latency > 0


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_each_2xx_counts_as_delivered(server: SimulatorServer, callback: Callback, status: int) -> None:
    callback.statuses = [status]
    await server.client.install(account="acme")
    assert (await only(server)).state == "delivered"


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 500, 503])
async def test_any_other_status_is_retried_after_five_minutes(
    server: SimulatorServer, callback: Callback, status: int
) -> None:
    callback.statuses = [status]
    await server.client.install(account="acme")
    delivery = await only(server)
    assert (delivery.state, delivery.attempts[0].status) == ("waiting", status)
    await server.client.move("4m59s")
    assert len(callback.received) == 1
    await server.client.move("2s")
    assert (await only(server)).state == "delivered"
    assert [body for _, body in callback.received] == [callback.received[0][1]] * 2


@pytest.mark.case(11)
@pytest.mark.parametrize(("count_from", "third"), [("previous", 15), ("first", 10)])
async def test_after_the_third_failure_the_event_is_lost(
    server: SimulatorServer, callback: Callback, count_from: str, third: int
) -> None:
    await server.client.change_settings(retry_from=count_from)
    callback.statuses = [500] * 3
    await server.client.install(account="acme")
    await server.client.drain()
    await server.client.move("1d")
    delivery = await only(server)
    assert delivery.state == "lost"
    minutes = [(attempt.at - delivery.attempts[0].at).total_seconds() / 60 for attempt in delivery.attempts]
    assert minutes == pytest.approx([0, 5, third], abs=0.1)
    assert len(callback.received) == 3


async def test_one_move_of_the_clock_runs_both_retries_in_order(server: SimulatorServer, callback: Callback) -> None:
    callback.statuses = [500, 500]
    await server.client.install(account="acme")
    await server.client.drain()
    await server.client.move("15m1s")
    assert (await only(server)).state == "delivered"


async def test_retries_also_run_without_moving_the_clock(start: Start, callback: Callback) -> None:
    server = await start(callback_url=callback.url, retry_delays=["50ms"])
    callback.statuses = [500]
    await server.client.install(account="acme")
    await callback.arrived(2)
    assert (await only(server)).state == "delivered"


async def test_a_callback_that_refuses_connections_is_retried(start: Start) -> None:
    server = await start(callback_url="http://127.0.0.1:9/events")
    await server.client.install(account="acme")
    delivery = await only(server)
    attempt = delivery.attempts[0]
    assert (delivery.state, attempt.status, attempt.error) == ("waiting", None, "ClientConnectorError")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 999999 ?\r\n\r\n"])
async def test_a_callback_that_does_not_speak_http_is_retried(start: Start, answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        server = await start(callback_url=f"http://127.0.0.1:{port}/events")
        await server.client.install(account="acme")
        delivery = await only(server)
    assert delivery.state == "waiting"
    assert delivery.attempts[0].error


async def test_a_callback_that_hangs_is_given_up_after_the_delivery_timeout(start: Start, callback: Callback) -> None:
    server = await start(callback_url=callback.url, delivery_timeout="50ms")
    callback.hang = asyncio.Event()
    await server.client.install(account="acme")
    delivery = await only(server)
    assert (delivery.state, delivery.attempts[0].error) == ("waiting", "timeout")


@pytest.mark.parametrize(("follow", "state"), [(False, "waiting"), (True, "delivered")])
async def test_redirects_are_followed_only_if_set(start: Start, callback: Callback, follow: Any, state: str) -> None:
    server = await start(callback_url=callback.url, follow_redirects=follow)
    callback.statuses, callback.headers = [307], {"Location": callback.url + "/moved"}
    await server.client.install(account="acme")
    assert (await only(server)).state == state


async def test_each_app_has_its_own_callback(server: SimulatorServer, callback: Callback) -> None:
    await server.client.app("second", callback=callback.url + "/{app_id}")
    await server.client.install(account="acme", app_id="second")
    assert (await only(server)).url == callback.url + "/second"


async def test_without_a_callback_events_are_kept_and_can_be_delivered_later(start: Start, callback: Callback) -> None:
    server = await start()
    outcome = await server.client.install(account="acme")
    assert await server.client.deliveries() == []
    await server.client.deliver(outcome.events[0].id, url=callback.url)
    assert (await only(server)).state == "delivered"


@pytest.mark.case(3)
async def test_an_old_event_can_be_delivered_again_byte_for_byte(server: SimulatorServer, callback: Callback) -> None:
    outcome = await server.client.install(account="acme")
    await server.client.move("60d")
    await server.client.deliver(outcome.events[0].id)
    await server.client.drain()
    first, second = callback.received
    assert first[1] == second[1]


async def test_a_signed_event_can_be_sent_by_somebody_else(
    server: SimulatorServer, callback: Callback, http: httpx.AsyncClient
) -> None:
    outcome = await server.client.install(account="acme", deliver=False)
    signed = await server.client.sign(outcome.events[0].id)
    assert callback.received == []
    assert signed.url == callback.url
    await http.post(callback.url, content=signed.body, headers=signed.headers)
    ((headers, body),) = callback.received
    await verify(server, http, headers, body)


@pytest.mark.case(5)
async def test_a_rotated_signing_key_signs_the_next_event_with_another_id(
    server: SimulatorServer, callback: Callback, http: httpx.AsyncClient
) -> None:
    await server.client.install(account="acme")
    await server.client.drain()
    new = await server.client.rotate_signing_key()
    await server.client.install(account="other")
    await server.client.drain()
    ids = [headers["x-hub-ecdsa-signature-id"] for headers, _ in callback.received]
    assert ids[1] == new != ids[0]
    for headers, body in callback.received:
        await verify(server, http, headers, body)


async def test_changing_the_curve_replaces_the_signing_key(server: SimulatorServer) -> None:
    before = (await server.client.state()).signing_key_id
    await server.client.change_settings(signature_curve="P-521")
    assert (await server.client.state()).signing_key_id != before


@pytest.mark.case(1)
async def test_a_duplicate_fault_delivers_that_many_copies(server: SimulatorServer, callback: Callback) -> None:
    await server.client.set_fault(Duplicate(copies=2, count=1))
    await server.client.install(account="acme")
    await server.client.drain()
    assert len(callback.received) == 3
    assert len({body for _, body in callback.received}) == 1
    assert {delivery.faults for delivery in await server.client.deliveries()} == {("duplicate",)}


@pytest.mark.case(15)
async def test_a_held_event_comes_after_the_next_one(server: SimulatorServer, callback: Callback) -> None:
    await server.client.set_fault(Hold(event="app.installed", events=1, count=1))
    outcome = await server.client.install(account="acme")
    await server.client.drain()
    assert callback.received == []
    await server.client.uninstall(installation=outcome.installation_id)
    await server.client.drain()
    assert callback.types() == ["app.uninstalled", "app.installed"]


async def test_held_events_wait_for_their_release(server: SimulatorServer, callback: Callback) -> None:
    await server.client.set_fault(Hold())
    await server.client.install(account="acme")
    await server.client.install(account="other")
    await server.client.move("7d")
    assert callback.received == []
    assert await server.client.release() == 2
    await server.client.drain()
    assert len(callback.received) == 2


async def test_a_slow_delivery_arrives_whole_and_late(
    server: SimulatorServer, callback: Callback, http: httpx.AsyncClient
) -> None:
    await server.client.set_fault(Slow(seconds=0.2))
    await server.client.install(account="acme")
    delivery = await only(server)
    assert delivery.state == "delivered"
    assert delivery.attempts[0].latency > 0.19, "timers may fire a moment early"
    ((headers, body),) = callback.received
    await verify(server, http, headers, body)
    assert "transfer-encoding" not in headers


@pytest.mark.case(6)
async def test_a_tampered_event_does_not_verify(
    server: SimulatorServer, callback: Callback, http: httpx.AsyncClient
) -> None:
    await server.client.set_fault(Tamper(count=1))
    await server.client.install(account="acme")
    await server.client.drain()
    with pytest.raises(InvalidSignature):
        await verify(server, http, *callback.received[0])


async def test_a_lost_event_is_never_sent(server: SimulatorServer, callback: Callback) -> None:
    await server.client.set_fault(Lose(event="app.i*"))
    await server.client.install(account="acme")
    await server.client.move("1d")
    delivery = await only(server)
    assert (delivery.state, delivery.attempts, callback.received) == ("lost", (), [])


async def test_a_fault_can_be_limited_to_one_installation(server: SimulatorServer, callback: Callback) -> None:
    outcome = await server.client.install(account="acme")
    await server.client.drain()
    await server.client.set_fault(Lose(installation=outcome.installation_id))
    await server.client.rotate(account="acme")
    await server.client.install(account="other")
    await server.client.drain()
    assert callback.types() == ["app.installed", "app.installed"]


async def test_hundreds_of_events_are_delivered_at_once(server: SimulatorServer, callback: Callback) -> None:
    await asyncio.gather(*(server.client.install(account=f"account-{number}") for number in range(200)))
    await server.client.drain()
    assert {delivery.state for delivery in await server.client.deliveries()} == {"delivered"}
    assert len(callback.received) == 200


async def test_stopping_cancels_running_attempts(callback: Callback) -> None:
    callback.hang = asyncio.Event()
    settings = Settings(callback_url=callback.url, behavior=Behavior(delivery_timeout=timedelta(minutes=10)))
    async with asyncio.timeout(10), SimulatorServer(settings) as server:
        await server.client.install(account="acme")
        await callback.arrived(1)
    assert server.simulator.dispatcher.log[0].attempts == []
