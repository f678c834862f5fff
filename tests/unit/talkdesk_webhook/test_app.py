import asyncio
import gzip
import json
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from builders.api_server import ApiServer
from builders.events import Signer, encode, event, installed, links, rotated, uninstalled
from builders.logout_endpoint import SECRET, logout_endpoint
from builders.ports import (
    AppsInMemory,
    KeysInMemory,
    RelayInMemory,
    RelayKeysInMemory,
    StoreInMemory,
    known_app,
    logout_to,
    receiver,
)
from builders.serving import Served, serving, until
from talkdesk_crds.hosts import Region
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_webhook.app import create_app
from talkdesk_webhook.event_reports import EventReports
from talkdesk_webhook.inbox import InboxUnavailable, OtherAccount, Result
from talkdesk_webhook.key_budgets import Asker
from talkdesk_webhook.metrics import Metrics
from talkdesk_webhook.receiver import Relay
from talkdesk_webhook.relay import LogoutRelay, RelayFailed, RelayFault, relay_client

SIGNER = Signer()
PATH = "/events/team/sentiment"


@dataclass
class Webhook:
    """A served webhook, its ports, and a client."""

    served: Served
    client: httpx.AsyncClient
    apps: AppsInMemory
    keys: KeysInMemory
    store: StoreInMemory
    relay: RelayInMemory
    registry: CollectorRegistry
    signer: Signer = field(default=SIGNER)

    async def post(self, body: Any, *, path: str = PATH, **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else encode(body)
        return await self.client.post(path, content=raw, headers=self.signer.headers(raw) | headers)

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"talkdesk_webhook_{name}_total", labels)


@asynccontextmanager
async def webhook(
    *,
    apps: AppsInMemory | None = None,
    relay: Relay | None = None,
    max_in_flight: int = 100,
    path_prefix: str = "",
    **limits: Any,
) -> AsyncIterator[Webhook]:
    apps, keys, store, registry = apps or AppsInMemory(), KeysInMemory(SIGNER), StoreInMemory(), CollectorRegistry()
    in_memory = RelayInMemory()
    it = receiver(apps, keys, store, relay or in_memory, **limits)
    app = create_app(
        it,
        Metrics(registry),
        max_in_flight=max_in_flight,
        reports=EventReports(ApiServer().kube),
        path_prefix=path_prefix,
    )
    async with serving(app) as served, httpx.AsyncClient(base_url=served.url, timeout=10) as client:
        yield Webhook(served, client, apps, keys, store, in_memory, registry)


def assert_refused(response: httpx.Response, status: int, reason: str) -> None:
    assert (response.status_code, response.json()["reason"]) == (status, reason)
    assert set(response.json()) == {"error", "reason"}
    assert response.headers["content-type"] == "application/json"
    assert response.text.count("\n") == 1
    assert ("retry-after" in response.headers) == (status == 503)


async def test_a_good_event_is_stored_and_then_acknowledged() -> None:
    async with webhook() as hook:
        response = await hook.post(installed())
        assert (response.status_code, response.json()) == (200, {"result": "stored"})
        assert [wanted.name for wanted in hook.store.stored] == ["sentiment-5c1f0a9b"]
        assert hook.count("events", type="app.installed", result="stored") == 1


@pytest.mark.parametrize("result", [Result.DUPLICATE, Result.STALE, Result.CONFLICT])
async def test_an_event_that_is_stored_already_is_acknowledged_too(result: Result) -> None:
    async with webhook() as hook:
        hook.store.result = result
        response = await hook.post(uninstalled())
        assert (response.status_code, response.json()) == (200, {"result": result.value})
        assert hook.count("events", type="app.uninstalled", result=result.value) == 1


@pytest.mark.case(8)
async def test_unknown_types_are_acknowledged_and_counted_under_one_label() -> None:
    async with webhook() as hook:
        for kind in ("app.renamed", "app.moved"):
            response = await hook.post(event(kind, api_version="7"))
            assert (response.status_code, response.json()) == (200, {"result": "ignored"})
        assert hook.store.stored == []
        assert hook.count("events", type="other", result="ignored") == 2


@pytest.mark.case(8)
async def test_unknown_fields_and_versions_of_a_known_type_are_stored() -> None:
    async with webhook() as hook:
        response = await hook.post(installed({"colour": {"deep": [1]}}, api_version="2", new_member=[None]))
        assert response.json() == {"result": "stored"}


LOGOUT = event("user.logout", {"user_id": "canary-user", "user_email": "canary@example.com", "account_name": "canary"})
WITH_LOGOUT = known_app(logout=logout_to("https://app.example.com/canary"))


async def test_a_logout_of_an_app_without_an_endpoint_is_acknowledged_and_leaves_nothing() -> None:
    async with webhook() as hook:
        with structlog.testing.capture_logs() as logs:
            response = await hook.post(LOGOUT)
        assert response.json() == {"result": "ignored"}
        assert (hook.store.stored, hook.relay.forwarded) == ([], [])
        assert hook.count("events", type="user.logout", result="ignored") == 1
        assert "canary" not in str(logs)


@pytest.mark.case(8, 61)
async def test_a_logout_is_forwarded_unchanged_and_only_counted() -> None:
    async with webhook(apps=AppsInMemory(WITH_LOGOUT)) as hook:
        raw = json.dumps(LOGOUT, indent=3).encode()
        with structlog.testing.capture_logs() as logs:
            response = await hook.post(raw)
        assert (response.status_code, response.json()) == (200, {"result": "relayed"})
        assert hook.relay.forwarded == [("event-user.logout", raw)]
        assert hook.store.stored == []
        assert hook.count("events", type="user.logout", result="relayed") == 1
        assert "canary" not in str(logs)


@pytest.mark.case(61, 64)
@pytest.mark.parametrize("fault", RelayFault)
async def test_a_logout_that_was_not_forwarded_is_answered_with_503(fault: RelayFault) -> None:
    async with webhook(apps=AppsInMemory(WITH_LOGOUT)) as hook:
        hook.relay.error = RelayFailed(fault, "the endpoint answered 500", timedelta(seconds=7))
        with structlog.testing.capture_logs() as logs:
            response = await hook.post(LOGOUT)
        assert_refused(response, 503, fault.value)
        assert response.headers["retry-after"] == "7"
        assert hook.count("refused", status="503", reason=fault.value) == 1
        assert "canary" not in str(logs) + response.text
        assert {"app": "sentiment", "error": "the endpoint answered 500"}.items() <= logs[0].items()


@pytest.mark.case(14, 67)
async def test_a_logout_that_is_not_verified_is_not_forwarded() -> None:
    async with webhook(apps=AppsInMemory(WITH_LOGOUT)) as hook:
        raw = encode(LOGOUT)
        unsigned = await hook.client.post(PATH, content=raw, headers={"Content-Type": "application/json"})
        assert_refused(unsigned, 401, "signature_missing")
        assert_refused(await hook.post(LOGOUT, **{"X-Hub-Ecdsa-Signature": "ab" * 70}), 401, "signature_mismatch")
        assert_refused(await hook.post(LOGOUT | {"app_id": "another"}), 403, "foreign_app")
        assert_refused(await hook.post(LOGOUT | {"_links": links("talkdeskapp.eu")}), 403, "foreign_host")
        assert_refused(await hook.post(LOGOUT | {"data": {}}), 400, "not_an_event")
        assert hook.relay.forwarded == []


@pytest.mark.case(13, 64)
async def test_a_silent_endpoint_delays_no_installation_and_no_response_beyond_its_timeout() -> None:
    async with logout_endpoint() as endpoint, relay_client(100, user_agent="test") as client:
        endpoint.open.clear()
        apps = AppsInMemory(known_app(logout=logout_to(endpoint.url, timeout="1h", allow_insecure=True)))
        relay = LogoutRelay(client, RelayKeysInMemory(SECRET), max_in_flight=2)
        async with webhook(apps=apps, relay=relay, max_in_flight=4, request_timeout=timedelta(seconds=1)) as hook:
            hanging = [asyncio.create_task(hook.post(LOGOUT)) for _ in range(2)]
            await until(lambda: endpoint.waiting == 2)
            assert_refused(await hook.post(LOGOUT), 503, "logout_busy")
            assert (await hook.post(installed())).json() == {"result": "stored"}
            for response in await asyncio.gather(*hanging):
                assert_refused(response, 503, "timeout")


@pytest.mark.case(6)
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Hub-Ecdsa-Signature": ""}, "signature_malformed"),
        ({"X-Hub-Ecdsa-Signature": "not hex at all!!"}, "signature_malformed"),
        ({"X-Hub-Ecdsa-Signature": "ab" * 70}, "signature_mismatch"),
        ({"X-Hub-Ecdsa-Signature-Id": "../key"}, "key_id_malformed"),
        ({"X-Hub-Ecdsa-Signature-Id": "another-key"}, "key_unknown"),
    ],
)
async def test_bad_signatures_change_nothing_and_are_counted_by_reason(headers: dict[str, str], reason: str) -> None:
    async with webhook() as hook:
        assert_refused(await hook.post(installed(), **headers), 401, reason)
        assert hook.store.stored == []
        assert hook.count("refused", status="401", reason=reason) == 1


@pytest.mark.case(67)
async def test_unsigned_and_foreign_signed_events_change_nothing() -> None:
    async with webhook() as hook:
        raw = encode(installed(mark="forged"))
        unsigned = await hook.client.post(PATH, content=raw, headers={"Content-Type": "application/json"})
        assert_refused(unsigned, 401, "signature_missing")
        forger = Signer()  # of the same key id, but another key
        forged = await hook.client.post(PATH, content=raw, headers=forger.headers(raw))
        assert_refused(forged, 401, "signature_mismatch")
        assert hook.store.stored == []


@pytest.mark.case(67)
async def test_a_key_of_another_region_verifies_nothing() -> None:
    async with webhook(apps=AppsInMemory(known_app(region=Region.EU))) as hook:
        assert_refused(await hook.post(installed()), 401, "key_unknown")


@pytest.mark.case(4, 14)
async def test_for_a_body_that_is_another_apps_no_key_is_asked_for() -> None:
    async with webhook() as hook:
        hook.signer = Signer("made-up")
        assert_refused(await hook.post(installed(app_id="another")), 403, "foreign_app")
        assert_refused(await hook.post(gzip.compress(encode(installed(app_id="another")))), 403, "foreign_app")
        assert hook.keys.asked == []


@pytest.mark.case(4)
async def test_an_unknown_key_is_asked_for_in_the_name_of_sender_and_account_and_these_are_proven_by_a_good_one() -> (
    None
):
    async with webhook() as hook:
        hook.signer = Signer("made-up")
        assert_refused(await hook.post(installed()), 401, "key_unknown")
        assert_refused(await hook.post(b"{}"), 401, "key_unknown")
        assert hook.keys.asked == [("made-up", Asker("127.0.0.1", "acc-1")), ("made-up", Asker("127.0.0.1"))]
        assert hook.keys.proven == []
        hook.signer = SIGNER
        assert (await hook.post(installed())).status_code == 200
        assert hook.keys.asked[2:] == [(SIGNER.key_id, Asker("127.0.0.1"))]
        assert hook.keys.proven == [(SIGNER.key_id, Asker("127.0.0.1", "acc-1"))]


async def test_keys_and_apps_that_cant_be_looked_up_are_logged_once_a_minute_whoever_asks() -> None:
    async with webhook() as hook:
        hook.signer = Signer("made-up")
        with structlog.testing.capture_logs() as logs:
            hook.keys.error = LookupFailed("too many")
            for _ in range(20):
                assert_refused(await hook.post(installed()), 503, "key_unavailable")
            hook.apps.error = LookupFailed("too many")
            for _ in range(20):
                assert_refused(await hook.post(installed()), 503, "app_unavailable")
    names = [each["event"] for each in logs]
    assert sorted(names) == ["app.unavailable", "request.refused", "request.refused", "signing_key.unavailable"]


async def test_an_app_may_accept_unsigned_events() -> None:
    async with webhook(apps=AppsInMemory(known_app(verify_signatures=False))) as hook:
        response = await hook.client.post(PATH, json=installed())
        assert response.json() == {"result": "stored"}


@pytest.mark.case(6)
async def test_a_body_that_a_proxy_serialised_anew_is_refused() -> None:
    async with webhook() as hook:
        raw = encode(installed())
        again = json.dumps(json.loads(raw), separators=(",", ":")).encode()
        response = await hook.client.post(PATH, content=again, headers=SIGNER.headers(raw))
        assert_refused(response, 401, "signature_mismatch")


@pytest.mark.case(14)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (installed(app_id="another"), "foreign_app"),
        (installed(_links=links("talkdeskapp.eu", "talkdeskid.eu")), "foreign_host"),
        (event("user.logout", app_id="another"), "foreign_app"),
    ],
)
async def test_events_that_are_not_this_apps_are_forbidden(body: dict[str, Any], reason: str) -> None:
    async with webhook() as hook:
        assert_refused(await hook.post(body), 403, reason)
        assert hook.store.stored == []


@pytest.mark.parametrize(
    "path",
    ["/events/team/other", "/events/other/sentiment", "/events/Team/sentiment", "/events/team/..%2f", "/events/t%00/a"],
)
async def test_an_app_that_does_not_exist_is_not_found(path: str) -> None:
    async with webhook() as hook:
        response = await hook.post(installed(), path=path)
        assert response.status_code == 404
        assert response.json()["reason"] in {"app_unknown", "not_found"}


@pytest.mark.case(77)
@pytest.mark.parametrize("path", ["/", "/events/team", PATH])
async def test_whoever_asks_for_what_is_not_there_has_to_connect_for_each_request(path: str) -> None:
    async with webhook() as hook:
        assert (await hook.client.get(path)).headers["Connection"] == "close"


async def test_other_paths_and_methods_are_answered_in_json() -> None:
    async with webhook() as hook:
        assert_refused(await hook.client.get("/"), 404, "not_found")
        assert_refused(await hook.client.post("/events/team", json={}), 404, "not_found")
        assert_refused(await hook.client.get(PATH), 405, "method_not_allowed")


@pytest.mark.case(7)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"nope", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"\xff\xfe", "not_json"),
        (encode(installed({"account_id": "x\ufffd"})), "not_an_event"),
        (b'{"type": "a", "type": "b"}', "duplicate_name"),
        (b"[]", "not_an_event"),
        (b"{}", "not_an_event"),
        (encode({"type": "app.installed"}), "not_an_event"),
        (encode(installed({"client_id": None})), "not_an_event"),
        (encode(installed({"account_id": "x" * 129})), "not_an_event"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_signed_body_that_is_no_event_is_refused(body: bytes, reason: str) -> None:
    async with webhook() as hook:
        assert_refused(await hook.post(body), 400, reason)
        assert hook.store.stored == []


def _spelled(name: str) -> bytes:
    """Return a signed event's body in which the account's name is spelled so, as JSON text without its quotes."""
    return encode(installed({"account_name": "NAME"})).replace(b"NAME", name.encode("latin-1"))


@pytest.mark.case(86)
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (_spelled(r"Acme \ud83d"), {}),
        (_spelled("Acm\xe9"), {}),
        (_spelled("tab\there"), {}),
        (b"\xef\xbb\xbf" + _spelled("Acme"), {}),
        (_spelled("Acme").decode().encode("utf-16"), {}),
        (_spelled("Acme"), {"Content-Type": ""}),
        (_spelled("Acme"), {"Content-Type": "text/plain"}),
        (_spelled("Acme"), {"Content-Encoding": ""}),
        (_spelled("Acme"), {"Content-Encoding": "utf-8"}),
        (_spelled("Acme"), {"Content-Encoding": "gzip"}),
        (gzip.compress(_spelled("Acme")), {"Content-Encoding": "gzip"}),
        (gzip.compress(_spelled("Acme")), {}),
    ],
    ids=lambda value: str(value)[-24:],
)
async def test_a_signed_event_is_taken_in_whatever_form_it_comes(body: bytes, headers: dict[str, str]) -> None:
    async with webhook() as hook:
        response = await hook.post(body, **headers)
        assert (response.status_code, response.json()) == (200, {"result": "stored"})
        (record,) = hook.store.stored
        assert record.account_id == "acc-1"
        str(record.registers).encode()


@pytest.mark.case(86)
async def test_a_signed_event_without_a_content_type_is_taken() -> None:
    async with webhook() as hook:
        raw = encode(installed())
        request = hook.client.build_request("POST", PATH, content=raw, headers=hook.signer.headers(raw))
        request.headers.pop("Content-Type", None)
        assert (await hook.client.send(request)).json() == {"result": "stored"}


@pytest.mark.case(7)
async def test_a_bomb_is_refused_unless_it_is_signed_and_small_when_unpacked() -> None:
    async with webhook() as hook:
        bomb = gzip.compress(b" " * 50_000_000)
        assert_refused(await hook.post(bomb), 415, "body_encoded")
        unsigned = await hook.client.post(PATH, content=bomb)
        assert_refused(unsigned, 401, "signature_missing")


def _head(*lines: str, body: bytes = b"") -> bytes:
    signed = [f"{name}: {value}" for name, value in SIGNER.headers(body).items()]
    head = (f"POST {PATH} HTTP/1.1", "Host: a", *signed, *lines, "", "")
    return "\r\n".join(head).encode()


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.case(7)
async def test_an_oversized_body_is_refused_by_its_content_length() -> None:
    async with webhook() as hook:
        answer = await hook.served.raw(_head("Content-Length: 300000"), within=2)
        assert _status(answer) == 413
        assert b"body_too_large" in answer


@pytest.mark.case(7)
async def test_endless_chunks_are_refused_within_bounded_memory() -> None:
    async with webhook() as hook:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", hook.served.port)
        writer.write(_head("Transfer-Encoding: chunked"))

        async def pour() -> None:
            for _ in range(1600):  # 100 MiB
                writer.write(chunk)
                await writer.drain()

        pouring = asyncio.create_task(pour())
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"body_too_large")
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        writer.close()
        assert _status(answer) == 413
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 20_000  # KiB


@pytest.mark.case(7)
async def test_a_chunked_body_within_the_limit_is_accepted() -> None:
    async with webhook() as hook:
        raw = encode(installed())
        chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (raw[:100], raw[100:])]
        head = _head("Transfer-Encoding: chunked", "Connection: close", body=raw)
        answer = await hook.served.raw(head, *chunks, b"0\r\n\r\n")
        assert _status(answer) == 200


@pytest.mark.case(7)
async def test_a_slow_body_times_out() -> None:
    async with webhook(body_timeout=timedelta(milliseconds=100)) as hook:
        answer = await hook.served.raw(_head("Content-Length: 100"), b"{", within=2)
        assert _status(answer) == 408
        assert b"body_too_slow" in answer


@pytest.mark.case(13)
async def test_bodies_that_come_slowly_take_no_place_from_events_that_are_here() -> None:
    async with webhook(max_in_flight=2) as hook, asyncio.TaskGroup() as senders:
        slow = _head("Content-Length: 100000")
        waiting = [senders.create_task(hook.served.raw(slow, b"{", within=5)) for _ in range(10)]
        await until(lambda: hook.registry.get_sample_value("talkdesk_webhook_in_flight") == 10)
        assert (await hook.post(installed())).status_code == 200
        for each in waiting:
            each.cancel()


async def test_nothing_is_read_of_a_request_whose_headers_can_bear_no_signature() -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n".encode()
    async with webhook() as hook:
        hook.keys.error = LookupFailed("it was asked")
        answer = await hook.served.raw(head, within=2)
        assert (_status(answer), b"signature_missing" in answer) == (401, True)


async def test_a_sender_who_disconnects_in_the_middle_leaves_nothing() -> None:
    async with webhook() as hook:
        _, writer = await asyncio.open_connection("127.0.0.1", hook.served.port)
        writer.write(_head("Content-Length: 100") + b"{")
        await writer.drain()
        writer.close()
        await until(lambda: hook.count("refused", status="400", reason="body_incomplete") == 1)


@pytest.mark.case(10)
@pytest.mark.parametrize("broken", ["apps", "keys", "store"])
async def test_a_failure_on_our_side_is_a_503_with_retry_after(broken: str) -> None:
    async with webhook() as hook:
        errors = {"apps": LookupFailed("x"), "keys": LookupFailed("x"), "store": InboxUnavailable("x")}
        getattr(hook, broken).error = errors[broken]
        reasons = {"apps": "app_unavailable", "keys": "key_unavailable", "store": "not_stored"}
        response = await hook.post(installed())
        assert_refused(response, 503, reasons[broken])
        assert response.headers["retry-after"] == "5"


async def test_the_api_servers_retry_after_is_sent_to_the_sender() -> None:
    async with webhook() as hook:
        hook.store.error = InboxUnavailable("x", timedelta(seconds=42))
        assert (await hook.post(installed())).headers["retry-after"] == "42"


async def test_an_installation_of_another_account_is_forbidden() -> None:
    async with webhook() as hook:
        hook.store.error = OtherAccount("the installation is known as another account's")
        assert_refused(await hook.post(installed()), 403, "foreign_account")


@pytest.mark.case(10)
async def test_a_store_that_does_not_return_is_a_503_after_the_timeout() -> None:
    async with webhook(request_timeout=timedelta(milliseconds=100)) as hook:
        hook.store.open.clear()
        assert_refused(await hook.post(installed()), 503, "timeout")
        assert hook.store.stored == []


@pytest.mark.case(13)
async def test_requests_beyond_the_limit_get_a_503_and_the_others_succeed() -> None:
    async with webhook(max_in_flight=3) as hook:
        hook.store.open.clear()
        running = [asyncio.create_task(hook.post(installed())) for _ in range(3)]
        await until(lambda: hook.store.waiting == 3)
        assert_refused(await hook.post(installed()), 503, "busy")
        hook.store.open.set()
        assert [response.status_code for response in await asyncio.gather(*running)] == [200] * 3
        assert (await hook.post(installed())).status_code == 200


@pytest.mark.case(13)
async def test_a_burst_of_rotations_beyond_the_limit_is_delivered_again_and_loses_nothing() -> None:
    async with webhook(max_in_flight=4) as hook:
        hook.store.open.clear()
        ids = [f"i{number}" for number in range(20)]
        wave = {
            each: asyncio.create_task(hook.post(rotated({"installation_id": each}, id=f"rotation-{each}")))
            for each in ids
        }
        await until(lambda: hook.store.waiting == 4 and sum(task.done() for task in wave.values()) == 16)
        newcomer = installed({"installation_id": "new"})
        assert_refused(await hook.post(newcomer), 503, "busy")
        refused = [each for each, task in wave.items() if task.done()]
        for each in refused:
            response = wave[each].result()
            assert_refused(response, 503, "busy")
            assert response.headers["retry-after"] == "1"
        hook.store.open.set()
        await asyncio.gather(*wave.values())

        left: list[dict[str, Any]] = [rotated({"installation_id": each}, id=f"rotation-{each}") for each in refused]
        left.insert(len(left) // 2, newcomer)
        while left:
            answers = await asyncio.gather(*(hook.post(body) for body in left))
            left = [body for body, answer in zip(left, answers, strict=True) if answer.status_code != 200]
        assert sorted(wanted.installation_id for wanted in hook.store.stored) == sorted([*ids, "new"])
        assert hook.count("events", type="app.credentials_rotated", result="stored") == 20


async def test_a_fault_of_our_own_is_a_500_that_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with webhook() as hook:
        hook.store.error = ZeroDivisionError("canary")
        response = await hook.post(installed())
        assert (response.status_code, response.json()["reason"]) == (500, "internal")
        assert "canary" not in response.text
        assert hook.count("refused", status="500", reason="internal") == 1
    assert "ASGI" in caplog.text


async def test_the_port_for_events_shows_nothing_else() -> None:
    async with webhook() as hook:
        for path in ("/metrics", "/healthz", "/readyz", "/"):
            assert_refused(await hook.client.get(path), 404, "not_found")


async def test_what_is_counted_has_no_label_that_a_sender_chose() -> None:
    async with webhook() as hook:
        await hook.post(installed())
        await hook.post(event("canary.type"))
        await hook.post(installed(app_id="canary"))
        text = generate_latest(hook.registry).decode()
        assert 'talkdesk_webhook_events_total{result="stored",type="app.installed"} 1.0' in text
        assert 'talkdesk_webhook_duration_seconds_count{status="200"} 2.0' in text
        assert "talkdesk_webhook_in_flight 0.0" in text
        assert "canary" not in text


@pytest.mark.case(2)
async def test_a_conflict_is_logged_as_a_warning_with_ids_only() -> None:
    async with webhook() as hook:
        hook.store.result = Result.CONFLICT
        with structlog.testing.capture_logs() as logs:
            await hook.post(installed({"account_name": "canary"}))
        (line,) = [line for line in logs if line["log_level"] == "warning"]
        assert line["result"] == "conflict"
        assert line["event_id"] == "event-app.installed"
        assert "canary" not in str(logs)


async def test_a_path_prefix_stands_before_all_paths_and_changes_nothing_else() -> None:
    async with webhook(path_prefix="/partner/talkdesk") as hook:
        assert (await hook.post(installed(), path=f"/partner/talkdesk{PATH}")).json() == {"result": "stored"}
        forged = SIGNER.headers(b"another body")
        response = await hook.client.post(f"/partner/talkdesk{PATH}", content=encode(installed()), headers=forged)
        assert_refused(response, 401, "signature_mismatch")
        assert_refused(await hook.post(installed(), path="/partner/talkdesk/events/team/other"), 404, "app_unknown")
        for path in (PATH, f"/partner{PATH}", f"/talkdesk{PATH}", f"//partner/talkdesk{PATH}", "/partner/talkdesk"):
            assert_refused(await hook.post(installed(), path=path), 404, "not_found")


async def test_what_proxies_write_changes_neither_path_nor_signature_nor_log() -> None:
    forged = {
        "X-Forwarded-For": "192.0.2.66",
        "X-Forwarded-Host": "forged.example.com",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/events/team/other",
        "X-Forwarded-Uri": "/events/team/other",
        "X-Original-URL": "/events/team/other",
        "X-Rewrite-URL": "/events/team/other",
        "X-HTTP-Method-Override": "GET",
        "Forwarded": "for=192.0.2.66;host=forged.example.com;proto=https",
    }
    async with webhook() as hook:
        with structlog.testing.capture_logs() as logs:
            assert (await hook.post(installed(), **forged)).json() == {"result": "stored"}
            assert_refused(await hook.post(installed(), path="/events/team/other", **forged), 404, "app_unknown")
            unsigned = await hook.client.post(
                PATH, content=encode(installed()), headers=forged | {"Content-Type": "application/json"}
            )
            assert_refused(unsigned, 401, "signature_missing")
        assert [wanted.name for wanted in hook.store.stored] == ["sentiment-5c1f0a9b"]
        assert not any(word in str(logs) for word in ("192.0.2.66", "forged.example.com"))
