"""The pretend SCIM service, asked by hand."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from talkdesk_sandbox.scim import ScimServer, ScimSettings
from talkdesk_sandbox.scim.__main__ import main
from talkdesk_sandbox.simulator.faults.kinds import Status

USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ana@example.com",
    "externalId": "u1",
    "active": True,
}
PATCH = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "active", "value": False}],
}
BULK = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
    "Operations": [{"method": "POST", "path": "/Users", "bulkId": "1", "data": USER}],
}


class Asking:
    """A caller with the right token."""

    def __init__(self, server: ScimServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session

    async def __call__(
        self, method: str, path: str, content: Any = None, *, token: str = "scim-token", **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method,
            f"{self.server.url}{path}",
            json=content,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"} | names,
        ) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers.copy()


Ask = Callable[..., Awaitable[Asking]]


@pytest.fixture
async def service() -> AsyncIterator[Ask]:
    """Start a service with those settings; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Asking:
            server = await stack.enter_async_context(ScimServer(ScimSettings(**settings)))
            return Asking(server, await stack.enter_async_context(aiohttp.ClientSession()))

        yield start


async def test_a_user_can_be_created_patched_and_deleted(service: Ask) -> None:
    ask = await service()
    status, made, headers = await ask("POST", "/Users", USER)
    assert (status, headers["Content-Type"]) == (201, "application/scim+json")
    assert made["meta"]["version"] == headers["ETag"]
    status, _, _ = await ask("PATCH", f"/Users/{made['id']}", PATCH, If_Match=headers["ETag"])
    assert status == 204
    assert not ask.server.user("u1")["active"]
    status, _, _ = await ask("PATCH", f"/Users/{made['id']}", PATCH, If_Match=headers["ETag"])
    assert status == 412
    assert (await ask("POST", "/Users", USER))[1]["scimType"] == "uniqueness"
    assert (await ask("DELETE", f"/Users/{made['id']}"))[0] == 204
    assert ask.server.users() == []
    with pytest.raises(LookupError, match="0 users"):
        ask.server.user("u1")


@pytest.mark.parametrize("path", ["/Users", "/ServiceProviderConfig", "/Bulk"])
async def test_a_request_without_the_token_gets_401(service: Ask, path: str) -> None:
    ask = await service(token=SecretStr("right"))
    assert (await ask("GET", path, token="wrong"))[0] == 401
    assert (await ask("GET", path, Authorization="Basic right"))[0] == 401


async def test_other_paths_get_404(service: Ask) -> None:
    ask = await service()
    ask.server.url = ask.server.url.removesuffix("/scim/v2")
    assert (await ask("GET", "/Users"))[0] == 404
    assert (await ask("GET", "/other/scim/v2/Users"))[0] == 404


async def test_searches_find_by_external_id_and_by_name(service: Ask) -> None:
    ask = await service(max_results=2)
    for number in range(5):
        await ask("POST", "/Users", USER | {"externalId": f"u{number}", "userName": f"{number}@example.com"})
    for words, found in (
        ('externalId eq "u1"', ["u1"]),
        ('externalId eq "u3" or externalId eq "no" or externalId eq "u0"', ["u3", "u0"]),
        ('externalId eq "U1"', []),
        ('userName eq "2@EXAMPLE.com"', ["u2"]),
    ):
        _, listed, _ = await ask("GET", f"/Users?filter={words}")
        assert [each["externalId"] for each in listed.get("Resources", [])] == found, words
    _, listed, _ = await ask("GET", '/Users?filter=externalId eq "u1" or userName eq "2@example.com"')
    assert {each["externalId"] for each in listed["Resources"]} == {"u1", "u2"}
    _, listed, _ = await ask("GET", "/Users?filter=" + " or ".join(f'externalId eq "u{n}"' for n in range(5)))
    assert (listed["totalResults"], len(listed["Resources"])) == (5, 2)
    assert (await ask("GET", "/Users?filter=nonsense"))[1]["scimType"] == "invalidFilter"


async def test_a_deleted_user_is_not_found_any_more(service: Ask) -> None:
    ask = await service()
    _, made, _ = await ask("POST", "/Users", USER)
    await ask("DELETE", f"/Users/{made['id']}")
    assert (await ask("GET", '/Users?filter=externalId eq "u1"'))[1]["totalResults"] == 0


@pytest.mark.parametrize(
    ("switch", "method", "path", "content", "status"),
    [
        ("config", "GET", "/ServiceProviderConfig", None, 404),
        ("patch", "PATCH", "/Users/x", PATCH, 501),
        ("bulk", "POST", "/Bulk", BULK, 501),
        ("filter", "GET", '/Users?filter=externalId eq "u1"', None, 400),
    ],
)
async def test_a_feature_that_is_turned_off_is_refused(
    service: Ask, switch: str, method: str, path: str, content: Any, status: int
) -> None:
    ask = await service(**{switch: False})
    assert (await ask(method, path, content))[0] == status


async def test_versions_may_be_ignored(service: Ask) -> None:
    ask = await service(etag=False)
    _, made, _ = await ask("POST", "/Users", USER)
    assert (await ask("PATCH", f"/Users/{made['id']}", PATCH, If_Match='"old"'))[0] == 204


async def test_faults_hit_by_path_and_requests_are_counted(service: Ask) -> None:
    ask = await service()
    ask.server.faults.set(Status(route="POST */Users", status=503, count=1))
    assert (await ask("POST", "/Users", USER))[0] == 503
    assert (await ask("POST", "/Users", USER))[0] == 201
    assert ask.server.count("POST") == ask.server.count("POST", "/Users") == 2
    assert ask.server.count("GET") == 0


async def test_a_refused_request_past_the_network_raises_lookup_error(service: Ask) -> None:
    ask = await service()
    with pytest.raises(LookupError, match="GET /Users/nobody"):
        ask.server.ask("GET", "/Users/nobody")


async def test_it_runs_as_its_own_process() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "talkdesk_sandbox.scim", "--token=t", "--no-bulk", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        url = (await process.stdout.readline()).decode().removeprefix("scim: ").strip()
        async with aiohttp.ClientSession() as session:
            answer = await session.get(f"{url}/ServiceProviderConfig", headers={"Authorization": "Bearer t"})
            assert not (await answer.json(content_type=None))["bulk"]["supported"]
        process.terminate()
        assert await process.stdout.read() == b"scim: 0 users\n"
        assert await process.wait() == 0


def test_an_address_that_cannot_be_bound_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "192.0.2.1", "--port", "1"]) == 1
    assert capsys.readouterr().err.startswith("scim: can't listen on port 1 of 192.0.2.1: ")


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert capsys.readouterr().err == f"scim: can't listen on port {port} of 127.0.0.1: Address already in use\n"


@pytest.mark.parametrize(("flag", "value"), [("--port", "70000"), ("--port", "-1")])
def test_a_setting_that_is_no_good_is_named(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{flag}={value}"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("scim: port: ")
