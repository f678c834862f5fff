"""The webhook's clients use the environment's proxies, and never a password of ~/.netrc."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from builders.events import Signer
from builders.forward_proxy import forward_proxy
from builders.logout_endpoint import SECRET, logout_endpoint
from builders.ports import RelayKeysInMemory, known_app, logout_to
from scripted_talkdesk import reply, serve
from talkdesk_webhook.key_budgets import Asker
from talkdesk_webhook.relay import LogoutRelay, relay_client
from talkdesk_webhook.signing_keys import KeyLifetimes, SigningKeys, gateway_client

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
KEY = "/events/signature-keys/key-1"

pytestmark = pytest.mark.case(29)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def gateway() -> httpx.AsyncClient:
    return gateway_client(timedelta(seconds=5), user_agent="test")


def relay() -> httpx.AsyncClient:
    return relay_client(10, user_agent="test")


CLIENTS = pytest.mark.parametrize("client", [gateway, relay])


async def test_signing_keys_are_fetched_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve() as talkdesk, forward_proxy("canary") as proxy:
        talkdesk.on(KEY, reply(content={"public_key": Signer().pem}))
        monkeypatch.setenv("http_proxy", proxy.url_with("canary"))
        async with gateway() as client:
            somebody = Asker("192.0.2.1", "acme")
            assert await SigningKeys(client, KeyLifetimes()).get(talkdesk.url, "key-1", somebody) is not None
        assert proxy.heads[0].startswith(f"GET {talkdesk.url}{KEY} ")


async def test_logouts_are_forwarded_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with logout_endpoint() as endpoint, forward_proxy("canary") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url_with("canary"))
        logout = logout_to(endpoint.url, allow_insecure=True)
        async with relay() as client:
            its = LogoutRelay(client, RelayKeysInMemory(SECRET), max_in_flight=1)
            await its.relay(known_app(logout=logout), logout, "event-1", b"{}")
        assert endpoint.came == [("event-1", b"{}")]
        assert proxy.heads[0].startswith(f"POST {endpoint.url} ")


@CLIENTS
@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "*"])
async def test_exempt_hosts_are_called_directly(
    client: Callable[[], httpx.AsyncClient], exempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    monkeypatch.setenv("no_proxy", exempt)
    async with serve() as server, client() as it:
        server.on(KEY, reply(content={}))
        assert (await it.get(f"{server.url}{KEY}")).status_code == 200


@CLIENTS
@pytest.mark.case(61)
async def test_netrc_puts_nothing_into_requests(
    client: Callable[[], httpx.AsyncClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password canary-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serve() as server, client() as it:
        await it.get(f"{server.url}{KEY}")
        assert "Authorization" not in server.seen[0].headers
