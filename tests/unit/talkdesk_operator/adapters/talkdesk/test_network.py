"""TLS, names, addresses, proxies: each failure in its own words, and no secret on the way."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from builders.forward_proxy import forward_proxy
from builders.listening import free_port
from scripted_talkdesk import ScriptedTalkdesk, access, cut, reply, serve, server_context
from talkdesk_operator.adapters.talkdesk import ClientSettings, TalkdeskClient
from talkdesk_operator.domain.ports.talkdesk import Account, Decision, TalkdeskOutcomeUnknown, TalkdeskUnavailable
from talkdesk_runtime.http_transport import RoutingTransport


@asynccontextmanager
async def made(client: TalkdeskClient) -> AsyncIterator[TalkdeskClient]:
    try:
        yield client
    finally:
        await client.aclose()


@pytest.mark.case(29)
async def test_tls_works_with_a_trusted_root(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "127.0.0.1")
    client = TalkdeskClient(proxies={}, tls=ssl.create_default_context(cafile=root))
    async with serve(tls=context) as talkdesk, made(client):
        talkdesk.on("/account", reply(content={"id": "acc"}))
        assert await client.account(access(talkdesk.url)) == Account("acc")


@pytest.mark.case(29)
async def test_a_root_named_by_the_environment_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, root = server_context(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    async with serve(tls=context) as talkdesk, made(TalkdeskClient(proxies={})) as client:
        talkdesk.on("/account", reply(content={"id": "acc"}))
        assert await client.account(access(talkdesk.url)) == Account("acc")


@pytest.mark.case(29)
async def test_a_certificate_of_an_unknown_root_is_named(tmp_path: Path, client: TalkdeskClient) -> None:
    context, _ = server_context(tmp_path, "127.0.0.1")
    async with serve(tls=context) as talkdesk:
        with pytest.raises(TalkdeskUnavailable, match="TLS: the server's certificate is not trusted: self"):
            await client.account(access(talkdesk.url))
        assert talkdesk.seen == []


@pytest.mark.case(29)
async def test_a_certificate_for_another_host_is_named(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "other.example")
    client = TalkdeskClient(proxies={}, tls=ssl.create_default_context(cafile=root))
    async with serve(tls=context) as talkdesk, made(client):
        with pytest.raises(TalkdeskUnavailable, match=r"not trusted: IP address mismatch"):
            await client.account(access(talkdesk.url))
        assert talkdesk.seen == []


@pytest.mark.case(29)
async def test_a_server_without_tls_is_named(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    with pytest.raises(TalkdeskUnavailable, match="TLS: the handshake failed"):
        await client.account(access(talkdesk.url.replace("http:", "https:")))


@pytest.mark.case(29)
async def test_a_name_that_doesnt_exist_is_named(client: TalkdeskClient) -> None:
    with pytest.raises(TalkdeskUnavailable, match="DNS: the host name can't be resolved"):
        await client.account(access("http://nowhere.invalid"))


@pytest.mark.case(22, 29)
async def test_a_refused_connection_changed_nothing_and_says_so(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}))
    there = access(talkdesk.url)
    await client.account(there)
    gone = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(TalkdeskUnavailable, match="no connection: Connection refused"):
        await client.answer(access(gone), "a1", "i1", Decision.APPROVE, "")


@pytest.mark.case(29)
async def test_a_connection_that_doesnt_come_about_in_time_changed_nothing() -> None:
    # A full backlog: the kernel lets further connections wait for ever.
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        settings = ClientSettings(connect_timeout=timedelta(seconds=0.3))
        async with made(TalkdeskClient(settings, proxies={})) as client:
            with pytest.raises(TalkdeskUnavailable, match="no connection in time"):
                await client.account(access(f"http://127.0.0.1:{listener.getsockname()[1]}"))


@pytest.mark.case(29)
async def test_ipv6_literals_work(client: TalkdeskClient) -> None:
    async with serve("::1") as talkdesk:
        talkdesk.on("/account", reply(content={"id": "acc"}))
        assert await client.account(access(talkdesk.url)) == Account("acc")


@pytest.mark.case(29)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_the_environments_proxy_is_used_for_http(
    talkdesk: ScriptedTalkdesk, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}))
    async with forward_proxy("canary-proxy") as proxy:
        monkeypatch.setenv(variable, proxy.url.replace("http://", "user:canary-proxy@"))
        async with made(TalkdeskClient()) as client:
            assert await client.account(access(talkdesk.url)) == Account("acc")
        assert proxy.heads[0].startswith(f"POST {talkdesk.url}/acme/oauth/token")


@pytest.mark.case(29, 61)
async def test_https_goes_through_a_tunnel_that_sees_no_secret(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "127.0.0.1")
    async with serve(tls=context) as talkdesk, forward_proxy("canary-proxy") as proxy:
        talkdesk.on("/account", reply(content={"id": "acc"}))
        proxies = {"https": proxy.url.replace("//", "//user:canary-proxy@")}
        client = TalkdeskClient(proxies=proxies, tls=ssl.create_default_context(cafile=root))
        async with made(client):
            assert await client.account(access(talkdesk.url)) == Account("acc")
        assert proxy.heads
        assert all(head.startswith("CONNECT 127.0.0.1:") and "canary" not in head for head in proxy.heads)


@pytest.mark.case(29)
@pytest.mark.parametrize("exempt", ["*", "127.0.0.1", "example.com, 127.0.0.1"])
async def test_no_proxy_is_used_for_exempt_hosts(talkdesk: ScriptedTalkdesk, exempt: str) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}))
    proxies = {"http": f"http://127.0.0.1:{free_port()}", "no": exempt}
    async with made(TalkdeskClient(proxies=proxies)) as client:
        assert await client.account(access(talkdesk.url)) == Account("acc")


@pytest.mark.case(29)
@pytest.mark.parametrize("exempt", ["", ",", "0.0.1", "27.0.0.1", "example.com"])
async def test_a_proxy_that_cant_be_reached_is_named(exempt: str) -> None:
    proxies = {"http": f"http://user:canary-proxy@127.0.0.1:{free_port()}", "no": exempt}
    async with made(TalkdeskClient(proxies=proxies)) as client:
        with pytest.raises(TalkdeskUnavailable, match="the proxy can't be reached: Connection refused") as failure:
            await client.account(access("http://talkdesk.invalid"))
        assert "canary" not in str(failure.value)


@pytest.mark.case(29)
async def test_a_domain_in_no_proxy_exempts_its_hosts() -> None:
    proxies = {"http": f"http://127.0.0.1:{free_port()}", "no": ".invalid"}
    async with made(TalkdeskClient(proxies=proxies)) as client:
        with pytest.raises(TalkdeskUnavailable, match="DNS"):
            await client.account(access("http://talkdesk.invalid"))


@pytest.mark.case(29)
async def test_a_proxy_that_refuses_the_tunnel_is_named() -> None:
    async with (
        forward_proxy("canary-proxy") as proxy,
        made(TalkdeskClient(proxies={"https": proxy.url})) as client,
    ):
        with pytest.raises(TalkdeskUnavailable, match="the proxy refused the connection with status 407"):
            await client.account(access("https://talkdesk.invalid"))


@pytest.mark.parametrize("url", ["socks5://user:canary@127.0.0.1:1", "ftp://127.0.0.1"])
def test_a_proxy_that_cant_be_used_is_an_error_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="prox") as failure:
        RoutingTransport(proxies={"https": url})
    assert "canary" not in str(failure.value)


@pytest.mark.case(29, 61)
async def test_netrc_puts_nothing_into_requests(
    talkdesk: ScriptedTalkdesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password canary-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    talkdesk.on("/account", reply(content={"id": "acc"}))
    async with made(TalkdeskClient()) as client:
        await client.account(access(talkdesk.url))
    assert "Authorization" not in talkdesk.calls("/acme/oauth/token")[0].headers


@pytest.mark.case(22)
async def test_on_a_kept_connection_that_the_server_closed_the_outcome_of_a_change_is_unknown(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    """Aiohttp does not distinguish a connection that died before the request from one that died after it."""
    talkdesk.on("/account", reply(content={"id": "acc"}))
    await client.account(access(talkdesk.url))
    talkdesk.on("/apps/a1/installations/i1/state", cut)
    with pytest.raises(TalkdeskOutcomeUnknown):
        await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "")
