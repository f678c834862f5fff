"""Requests to a partner's service, to a real server: signatures, bounds, TLS, circuit breakers."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from builders.listening import free_port, listening
from talkdesk_operator.adapters.hooks import HookClient, HookSettings
from talkdesk_operator.domain.ports.hooks import ClientCertificate, HookRequest, HookTarget, Reply, Unanswered
from talkdesk_runtime.fence import Fence
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.controlplane.certificates import make_credentials

KEYS = WebhookSecrets.read("canary-new\ncanary-old")
TARGET = HookTarget("team/sentiment/account", KEYS, timedelta(seconds=5))
BODY = b'{"state":"Active"}'


@dataclass
class Server:
    """Answers what it is told to, and keeps what it got."""

    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.path_qs, headers, await request.read()))
        return await self.answer(request)


def says(status: int, content: Any = None, **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        text = content if isinstance(content, str) else "" if content is None else json.dumps(content)
        return web.Response(status=status, text=text, headers=headers)

    return answer


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with listening(web.AppRunner(app), tls=tls) as url:
        server.url = url
        yield server


@asynccontextmanager
async def calling(settings: HookSettings | None = None, **more: Any) -> AsyncIterator[HookClient]:
    made = HookClient(settings, **more)
    try:
        yield made
    finally:
        await made.aclose()


def put(url: str) -> HookRequest:
    return HookRequest("PUT", f"{url}/tenants/acme", "r1_account_1", BODY)


async def test_a_request_is_signed_with_both_keys_and_carries_its_key() -> None:
    async with serving(says(200, {"outputs": {"a": 1}})) as server, calling() as client:
        target = replace(TARGET, headers={"X-Plan": "gold", "Webhook-Id": "mine"})
        assert await client.call(target, put(server.url)) == Reply(200, {"outputs": {"a": 1}})
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("PUT", "/tenants/acme", BODY)
    assert headers["webhook-id"] == headers["idempotency-key"] == "r1_account_1"
    assert headers["x-plan"] == "gold"
    assert headers["content-type"] == "application/json"
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-signature"] == KEYS.headers("r1_account_1", at, BODY)["webhook-signature"]
    assert len(headers["webhook-signature"].split()) == 2
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


async def test_what_a_service_may_answer() -> None:
    async with calling() as client:
        for content, expected in (
            ({"a": 1}, Reply(200, {"a": 1})),
            (None, Reply(200, {})),
            ("[]", Reply(200, None, problem="is JSON but no object")),
        ):
            async with serving(says(200, content)) as server:
                assert await client.call(TARGET, put(server.url)) == expected
        async with serving(says(503, {"description": "later"}, **{"Retry-After": "7"})) as server:
            expected = Reply(503, {"description": "later"}, timedelta(seconds=7))
            assert await client.call(TARGET, put(server.url)) == expected
        async with serving(says(302, None, Location="http://127.0.0.1:1/")) as server:
            assert await client.call(TARGET, put(server.url)) == Reply(302, {})
        async with serving(says(200, "x" * 300_000)) as server:
            assert await client.call(TARGET, put(server.url)) == Reply(200, None, problem="is too big")


async def test_why_there_is_no_response() -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    quick = replace(TARGET, timeout=timedelta(seconds=0.2))
    async with calling() as client:
        async with serving(never) as server:
            assert await client.call(quick, put(server.url)) == Unanswered("no answer in time", sent=True)
        async with serving(cut) as server:
            assert await client.call(TARGET, put(server.url)) == Unanswered("the connection was cut", sent=True)
        nobody = f"http://127.0.0.1:{free_port()}"
        answer = await client.call(replace(TARGET, name="other"), put(nobody))
        assert answer == Unanswered("no connection: Connection refused", sent=False)


async def test_nothing_is_sent_where_nothing_may_be_sent() -> None:
    async with serving(says(200)) as server:
        denied = HookSettings(denied_networks=(ip_network("127.0.0.0/8"),))
        async with calling(denied) as client:
            answer = await client.call(TARGET, put(server.url))
        assert isinstance(answer, Unanswered)
        assert "denied_networks" in answer.message
        fence = Fence(lambda: 0.0)
        fence.shut()
        async with calling(fence=fence) as client:
            answer = await client.call(TARGET, put(server.url))
        assert isinstance(answer, Unanswered)
        assert not answer.sent
    assert server.requests == []


async def test_a_service_that_keeps_failing_gets_no_calls_for_a_while_and_others_do() -> None:
    async with serving(says(500)) as server, serving(says(200)) as other, calling() as client:
        for _ in range(8):
            assert isinstance(await client.call(TARGET, put(server.url)), Reply)
        held = client.held(TARGET)
        assert held is not None
        assert held.retry_after is not None
        assert not held.sent
        answer = await client.call(TARGET, put(server.url))
        assert isinstance(answer, Unanswered)
        assert len(server.requests) == 8
        assert await client.call(replace(TARGET, name="team/sentiment/other"), put(other.url)) == Reply(200, {})


async def test_one_service_gets_so_many_requests_at_once() -> None:
    under_way, most = 0, 0

    async def slow(_: web.Request) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        under_way -= 1
        return web.Response()

    async with serving(slow) as server, calling() as client:
        await asyncio.gather(*(client.call(TARGET, put(server.url)) for _ in range(40)))
    assert most == 16


@dataclass(frozen=True)
class Trust:
    """Certificates of one authority."""

    ca: str
    server: ssl.SSLContext
    client: ClientCertificate


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    made = make_credentials(Path(tmp_path_factory.mktemp("tls"), "made"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(made.ca))
    context.load_cert_chain(*made.server)
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = made.admin
    return Trust(made.ca.read_text(), context, ClientCertificate(certificate.read_text(), SecretStr(key.read_text())))


async def test_a_service_with_a_certificate_of_its_own_authority_is_called_and_shown_ours(trust: Trust) -> None:
    async with serving(says(200), trust.server) as server, calling() as client:
        ours = replace(TARGET, ca_bundle=trust.ca, client_certificate=trust.client)
        assert await client.call(ours, put(server.url)) == Reply(200, {})
        without = await client.call(replace(TARGET, name="b", ca_bundle=trust.ca), put(server.url))
        assert isinstance(without, Unanswered)
        unknown = await client.call(replace(TARGET, name="c", client_certificate=trust.client), put(server.url))
        assert isinstance(unknown, Unanswered)
        assert not unknown.sent
        assert "not trusted" in unknown.message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("bundle", "key"),
    [
        ("no certificate, canary", None),
        ("-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----", None),
        ("", "canary"),
    ],
)
async def test_certificates_that_cannot_be_used_are_said_without_quoting_them(bundle: str, key: str | None) -> None:
    certificate = None if key is None else ClientCertificate("canary", SecretStr(key))
    async with calling() as client:
        broken = replace(TARGET, ca_bundle=bundle, client_certificate=certificate)
        answer = await client.call(broken, put("https://127.0.0.1:1"))
    assert isinstance(answer, Unanswered)
    assert not answer.sent
    assert "can't be used" in answer.message or "no certificates" in answer.message
    assert "canary" not in answer.message


def test_what_is_shown_of_a_target_holds_no_secret() -> None:
    shown = replace(TARGET, headers={"X": "canary"}, client_certificate=ClientCertificate("x", SecretStr("canary")))
    assert "canary" not in repr(shown)
    assert "canary" not in repr(HookRequest("PUT", "https://x", "k", b"canary"))
    assert "canary" not in repr(Reply(200, {"secrets": {"a": "canary"}}))
