"""The session that kopf watches with: the same credentials and the same proxy as all our other requests."""

from pathlib import Path

import pytest

from builders.forward_proxy import forward_proxy
from builders.kube_api import answer, connect, kube_api
from scripted_talkdesk import reply, serve, server_context
from talkdesk_operator.informer.kopf_watch import Login
from talkdesk_runtime.clock import Clock


async def test_a_session_has_the_credentials_of_the_process(tmp_path: Path) -> None:
    async with kube_api(answer()) as api, await connect(tmp_path, api.url, user={"token": "made-up"}) as kube:
        session = (await Login(kube, Clock.system()).session()).aiohttp_session
        async with session, session.get(f"{kube.server}/x") as response:
            assert response.status == 200
        assert api.asked[0].headers["Authorization"] == "Bearer made-up"


@pytest.mark.case(61)
async def test_a_session_uses_the_proxy_and_its_password_stays_there(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "127.0.0.1")
    async with serve(tls=context) as api, forward_proxy("canary-proxy") as proxy:
        api.on("/x", reply(content={}))
        connection = await connect(
            tmp_path, api.url, certificate_authority=str(root), proxy_url=proxy.url_with("canary-proxy")
        )
        async with connection as kube:
            session = (await Login(kube, Clock.system()).session()).aiohttp_session
            async with session, session.get(f"{kube.server}/x") as response:
                assert response.status == 200
        assert [head.split(" ")[0] for head in proxy.heads] == ["CONNECT"]
        assert "Proxy-Authorization" not in api.seen[0].headers


async def test_without_tls_a_session_sends_the_proxys_password_along(tmp_path: Path) -> None:
    async with kube_api(answer()) as api, forward_proxy("canary-proxy") as proxy:
        async with await connect(tmp_path, api.url, proxy_url=proxy.url_with("canary-proxy")) as kube:
            session = (await Login(kube, Clock.system()).session()).aiohttp_session
            async with session, session.get(f"{kube.server}/x") as response:
                assert response.status == 200
        assert len(proxy.heads) == 1


async def test_a_session_takes_no_password_from_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else")
    monkeypatch.setenv("NETRC", str(netrc))
    async with kube_api(answer()) as api, await connect(tmp_path, api.url) as kube:
        session = (await Login(kube, Clock.system()).session()).aiohttp_session
        async with session, session.get(f"{kube.server}/x") as response:
            assert response.status == 200
        assert "Authorization" not in api.asked[0].headers
