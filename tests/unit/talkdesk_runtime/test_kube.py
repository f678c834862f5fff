"""Requests to the Kubernetes API on real sockets: what is sent, and what each answer comes to."""

import asyncio
import json
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client.configuration import Configuration

from builders.forward_proxy import forward_proxy
from builders.kube_api import answer, connect, failure, kube_api, kubeconfig, stream
from builders.listening import free_port
from scripted_talkdesk import reply, serve, server_context
from talkdesk_runtime.kube import APPLY, Kube, resource_path
from talkdesk_runtime.kube_errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeError,
    KubeExpired,
    KubeForbidden,
    KubeInvalid,
    KubeNoPath,
    KubeOverloaded,
    KubeRefused,
    KubeUnauthorized,
    KubeUnreachable,
)


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (("", "v1", "pods"), "/api/v1/pods"),
        (("", "v1", "pods", "team"), "/api/v1/namespaces/team/pods"),
        (("", "v1", "namespaces", "", "team"), "/api/v1/namespaces/team"),
        (("apps", "v1", "deployments", "team", "app"), "/apis/apps/v1/namespaces/team/deployments/app"),
        (("g/..", "v?", "p#", "n/m", "../x"), "/apis/g%2F../v%3F/namespaces/n%2Fm/p%23/..%2Fx"),
    ],
)
def test_each_part_of_a_path_is_escaped(parts: tuple[str, ...], path: str) -> None:
    assert resource_path(*parts) == path


async def test_a_request_is_sent_as_given_and_its_response_decoded(tmp_path: Path) -> None:
    async with kube_api(answer({"kind": "ConfigMap"})) as api, await connect(tmp_path, api.url) as kube:
        got = await kube.request(
            "PATCH",
            "/api/v1/x%2Fy",
            body={"a": "\u00fc"},
            content_type=APPLY,
            accept="application/x",
            query={"force": "true"},
            as_user="system:serviceaccount:team:maker",
        )
    asked = api.asked[0]
    assert got == {"kind": "ConfigMap"}
    assert (asked.method, asked.path, asked.query) == ("PATCH", "/api/v1/x%2Fy", {"force": "true"})
    assert json.loads(asked.body) == {"a": "\u00fc"}
    assert asked.headers["Content-Type"] == APPLY
    assert asked.headers["Accept"] == "application/x"
    assert asked.headers["Impersonate-User"] == "system:serviceaccount:team:maker"
    assert asked.headers["User-Agent"] == "test/1"
    assert "Authorization" not in asked.headers


async def test_a_response_without_a_body_is_an_empty_object(tmp_path: Path) -> None:
    async with kube_api(answer(raw=b"")) as api, await connect(tmp_path, api.url) as kube:
        assert await kube.request("DELETE", "/x") == {}
        assert "Impersonate-User" not in api.asked[0].headers
        assert "Content-Type" not in api.asked[0].headers


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (301, "", KubeRefused),
        (400, "BadRequest", KubeRefused),
        (401, "Unauthorized", KubeUnauthorized),
        (403, "Forbidden", KubeForbidden),
        (404, "NotFound", KubeNoPath),
        (405, "", KubeRefused),
        (408, "", KubeOverloaded),
        (409, "AlreadyExists", KubeAlreadyExists),
        (409, "Conflict", KubeConflict),
        (410, "Expired", KubeExpired),
        (422, "Invalid", KubeInvalid),
        (429, "TooManyRequests", KubeOverloaded),
        (500, "", KubeOverloaded),
        (503, "", KubeOverloaded),
    ],
)
async def test_each_status_has_its_error_with_the_servers_message(
    tmp_path: Path, status: int, reason: str, error: type[KubeError]
) -> None:
    respond = failure(status, reason, "the server's words", Location="http://elsewhere.invalid/")
    async with kube_api(respond) as api, await connect(tmp_path, api.url) as kube:
        with pytest.raises(error, match=r"^the server's words$") as raised:
            await kube.request("GET", "/x")
    assert type(raised.value) is error
    assert len(api.asked) == 1


@pytest.mark.parametrize("raw", [b"", b"<html>bad gateway</html>", b"[]", b'"text"', b"\xff"])
async def test_a_failure_without_a_status_object_is_described_by_its_number(tmp_path: Path, raw: bytes) -> None:
    async with kube_api(answer(raw=raw, status=502)) as api, await connect(tmp_path, api.url) as kube:
        with pytest.raises(KubeOverloaded, match="the API server answered 502"):
            await kube.request("GET", "/x")


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b"null", b"1", b"\xff", b'{"a":'])
async def test_a_success_that_is_no_json_object_is_refused(tmp_path: Path, raw: bytes) -> None:
    async with kube_api(answer(raw=raw)) as api, await connect(tmp_path, api.url) as kube:
        with pytest.raises(KubeRefused, match="not a JSON object"):
            await kube.request("GET", "/x")


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("0", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("-1", None), ("\u00b2", None)]
)
async def test_retry_after_is_read_in_seconds(tmp_path: Path, value: str, seconds: int | None) -> None:
    respond = failure(429, Retry_After=value)
    async with kube_api(respond) as api, await connect(tmp_path, api.url) as kube:
        with pytest.raises(KubeOverloaded) as raised:
            await kube.request("GET", "/x")
    assert raised.value.retry_after == (None if seconds is None else timedelta(seconds=seconds))


async def test_a_server_that_does_not_answer_times_out(tmp_path: Path) -> None:
    async with kube_api(stream(end="open")) as api, await connect(tmp_path, api.url, timeout=0.2) as kube:
        with pytest.raises(KubeUnreachable, match="did not answer in time"):
            await kube.request("GET", "/x")


async def test_a_connection_that_breaks_is_unreachable(tmp_path: Path) -> None:
    async with kube_api(stream(b'{"kind":', end="cut")) as api, await connect(tmp_path, api.url) as kube:
        with pytest.raises(KubeUnreachable, match="can't be reached: ClientPayloadError"):
            await kube.request("GET", "/x")


async def test_a_server_that_refuses_connections_is_unreachable(tmp_path: Path) -> None:
    async with await connect(tmp_path, f"http://127.0.0.1:{free_port()}") as kube:
        with pytest.raises(KubeUnreachable, match="Connect call failed"):
            await kube.request("GET", "/x")


async def test_tls_needs_the_configured_authority(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "127.0.0.1")
    async with kube_api(tls=context) as api:
        async with await connect(tmp_path, api.url, certificate_authority=str(root)) as kube:
            assert await kube.request("GET", "/x") == {}
            assert kube.server == api.url
            assert kube.ssl_context.verify_mode is ssl.CERT_REQUIRED
        async with await connect(tmp_path, api.url) as kube:
            with pytest.raises(KubeUnreachable, match="certificate verify failed"):
                await kube.request("GET", "/x")
        async with await connect(tmp_path, api.url, insecure_skip_tls_verify=True) as kube:
            assert await kube.request("GET", "/x") == {}


async def test_tls_needs_the_servers_name(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "elsewhere.example")
    async with kube_api(tls=context) as api, await connect(tmp_path, api.url, certificate_authority=str(root)) as kube:
        with pytest.raises(KubeUnreachable, match="certificate verify failed"):
            await kube.request("GET", "/x")


async def test_a_client_certificate_is_presented(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(root)
    key = tmp_path / "key.pem"
    async with kube_api(tls=context) as api:
        user = {"client-certificate": str(root), "client-key": str(key)}
        async with await connect(tmp_path, api.url, certificate_authority=str(root), user=user) as kube:
            assert await kube.request("GET", "/x") == {}
        async with await connect(tmp_path, api.url, certificate_authority=str(root)) as kube:
            with pytest.raises(KubeUnreachable):
                await kube.request("GET", "/x")


async def test_a_token_of_the_kubeconfig_is_sent(tmp_path: Path) -> None:
    async with kube_api() as api, await connect(tmp_path, api.url, user={"token": "made-up"}) as kube:
        await kube.request("GET", "/x")
        assert api.asked[0].headers["Authorization"] == "Bearer made-up"
        assert await kube.authorization() == "Bearer made-up"


@pytest.mark.case(61)
async def test_a_token_that_is_renewed_is_used_from_then_on_and_its_files_newline_is_not_sent(tmp_path: Path) -> None:
    token = tmp_path / "token"

    def renew(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = f"bearer {token.read_text()}"

    async with kube_api() as api:
        configuration = Configuration(host=api.url)
        configuration.refresh_api_key_hook = renew  # type: ignore[assignment]  # inferred from its first value, None
        async with Kube(configuration, user_agent="test/1", connections=1, timeout=timedelta(seconds=5)) as kube:
            for value in ("first\n", "second"):
                token.write_text(value)
                await kube.request("GET", "/x")
            token.unlink()
            with pytest.raises(KubeForbidden, match="the credentials for the Kubernetes API can't be read") as raised:
                await kube.request("GET", "/x")
    assert [asked.headers["Authorization"] for asked in api.asked] == ["bearer first", "bearer second"]
    assert "second" not in str(raised.value)


async def test_an_exec_plugin_for_credentials_is_run(tmp_path: Path) -> None:
    version = "client.authentication.k8s.io/v1"
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "from-a-plugin"}}
    command = {"apiVersion": version, "command": sys.executable, "args": ["-c", f"print({json.dumps(credential)!r})"]}
    async with kube_api() as api, await connect(tmp_path, api.url, user={"exec": command}) as kube:
        await kube.request("GET", "/x")
        assert api.asked[0].headers["Authorization"] == "Bearer from-a-plugin"


@pytest.mark.parametrize("content", ["", "not: a kubeconfig", "{", "clusters: []\nusers: []\ncontexts: []"])
async def test_a_malformed_configuration_is_refused_with_a_reason(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken"
    path.write_text(content)
    with pytest.raises(KubeRefused, match="no usable configuration for the Kubernetes API"):
        await Kube.connect(user_agent="test/1", kubeconfig=path)


CONNECT = """
import asyncio
from talkdesk_runtime.kube import Kube

async def server():
    async with await Kube.connect(user_agent="test/1") as kube:
        return kube.server

print(asyncio.run(server()))
"""


def test_outside_a_cluster_the_environments_kubeconfig_is_used(tmp_path: Path) -> None:
    # In a process of its own, because the library reads the environment only once.
    environment = {"KUBECONFIG": str(kubeconfig(tmp_path, "http://cluster.invalid"))}
    done = subprocess.run([sys.executable, "-c", CONNECT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "http://cluster.invalid\n"


def test_with_no_configuration_at_all_it_says_so(tmp_path: Path) -> None:
    environment = {"KUBECONFIG": str(tmp_path / "missing")}
    done = subprocess.run([sys.executable, "-c", CONNECT], env=environment, capture_output=True, text=True, check=False)
    assert "KubeRefused: no usable configuration for the Kubernetes API" in done.stderr


@pytest.mark.case(61)
async def test_a_broken_kubeconfig_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_text("users:\n- user: {token: canary")
    with pytest.raises(KubeRefused, match=r"broken is not a kubeconfig$"):
        await Kube.connect(user_agent="test/1", kubeconfig=path)


async def test_a_missing_configuration_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(KubeRefused, match="no usable configuration for the Kubernetes API"):
        await Kube.connect(user_agent="test/1", kubeconfig=tmp_path / "missing")


async def test_an_authority_that_is_no_certificate_is_refused_with_a_reason(tmp_path: Path) -> None:
    authority = tmp_path / "authority"
    authority.write_text("nothing")
    with pytest.raises(KubeRefused, match="no usable configuration for the Kubernetes API"):
        await connect(tmp_path, "https://127.0.0.1:1", certificate_authority=str(authority))


@pytest.mark.parametrize("value", ["http://{}", "{}"])
async def test_the_environments_proxy_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    async with kube_api(answer({"through": "the proxy"})) as proxy:
        monkeypatch.setenv("http_proxy", value.format(proxy.url.removeprefix("http://")))
        monkeypatch.delenv("no_proxy", raising=False)
        async with await connect(tmp_path, "http://cluster.invalid") as kube:
            assert await kube.request("GET", "/x") == {"through": "the proxy"}
        assert proxy.asked[0].path == "http://cluster.invalid/x"


async def test_no_proxy_of_the_environment_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with kube_api() as api, await connect(tmp_path, api.url) as kube:
        assert await kube.request("GET", "/x") == {}


async def test_the_kubeconfigs_proxy_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    async with kube_api() as proxy, await connect(tmp_path, "http://cluster.invalid", proxy_url=proxy.url) as kube:
        assert await kube.request("GET", "/x") == {}


@pytest.mark.case(61)
async def test_a_proxy_with_a_password_gets_it_and_the_api_server_does_not(tmp_path: Path) -> None:
    context, root = server_context(tmp_path, "127.0.0.1")
    async with serve(tls=context) as api, forward_proxy("canary-proxy") as proxy:
        api.on("/x", reply(content={"a": 1}))
        connection = await connect(
            tmp_path, api.url, certificate_authority=str(root), proxy_url=proxy.url_with("canary-proxy")
        )
        async with connection as kube:
            assert await kube.request("GET", "/x") == {"a": 1}
        assert [head.split(" ")[0] for head in proxy.heads] == ["CONNECT"]
        assert "Proxy-Authorization" not in api.seen[0].headers


@pytest.mark.case(61)
async def test_without_tls_the_proxys_password_travels_with_requests_and_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"type": "ADDED", "object": {}}
    async with kube_api(answer({"a": 1}), stream(event)) as api, forward_proxy("canary-proxy") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url_with("canary-proxy"))
        monkeypatch.delenv("no_proxy", raising=False)
        async with await connect(tmp_path, api.url) as kube:
            assert await kube.request("GET", "/x") == {"a": 1}
            assert [each async for each in kube.watch("/x")] == [event]
        assert len(proxy.heads) == 2


async def test_an_api_server_in_an_exempt_network_is_called_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    async with kube_api() as api, await connect(tmp_path, api.url) as kube:
        assert await kube.request("GET", "/x") == {}


async def test_a_proxy_of_another_kind_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(KubeRefused, match="a proxy is reached by http or https"):
        await connect(tmp_path, "http://cluster.invalid", proxy_url="socks5://127.0.0.1:1")


async def test_a_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else")
    monkeypatch.setenv("NETRC", str(netrc))
    async with kube_api() as api, await connect(tmp_path, api.url, user={"token": "made-up"}) as kube:
        await kube.request("GET", "/x")
        assert api.asked[0].headers["Authorization"] == "Bearer made-up"


async def test_watches_take_no_connection_from_requests(tmp_path: Path) -> None:
    event = {"type": "ADDED", "object": {}}
    async with (
        kube_api(stream(event, end="open"), stream(event, end="open"), answer()) as api,
        await connect(tmp_path, api.url, connections=1) as kube,
    ):
        watches = [kube.watch("/x") for _ in range(2)]
        for watch in watches:
            assert await anext(watch) == event
        assert await kube.request("GET", "/x") == {}
        await asyncio.gather(*(watch.aclose() for watch in watches))


async def test_more_requests_than_connections_wait_for_their_turn(tmp_path: Path) -> None:
    async with kube_api() as api, await connect(tmp_path, api.url, connections=1) as kube:
        answers: list[dict[str, Any]] = await asyncio.gather(*(kube.request("GET", "/x") for _ in range(5)))
    assert answers == [{}] * 5
