"""The control API: what it refuses and how, and that its client speaks all of it."""

import httpx
import pytest
from pydantic import ValidationError
from starlette.routing import Route

from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import DEFAULT_APP_ID, Client, ControlError, SimulatorServer
from talkdesk_sandbox.simulator.control.routes import ControlApi
from talkdesk_sandbox.simulator.faults.kinds import Drop


@pytest.fixture
async def server(start: Start) -> SimulatorServer:
    return await start()


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/install", "{}", 400, "account"),
        ("/install", "{", 400, "JSON"),
        ("/install", '{"account": ""}', 400, "account"),
        ("/install", '{"account": "a", "nope": 1}', 400, "nope"),
        ("/install", '{"account": "a", "users": -1}', 400, "users"),
        ("/install", '{"account": "a", "root": "ftp://x"}', 400, "root"),
        ("/uninstall", "{}", 400, "either"),
        ("/uninstall", '{"account": "a", "installation": "i"}', 400, "either"),
        ("/uninstall", '{"account": "nobody"}', 404, "nobody"),
        ("/update", '{"installation": "nothing"}', 404, "nothing"),
        ("/trial", '{"account": "acme", "action": "pause"}', 400, "action"),
        ("/trial", '{"account": "acme", "action": "end"}', 409, "trial"),
        ("/trial", '{"account": "acme", "action": "start", "length": "soon"}', 400, "7d"),
        ("/supervise", '{"account": "acme", "action": "resume"}', 409, "suspended"),
        ("/supervise", '{"account": "acme", "action": "suspend"}', 409, "completed"),
        ("/logout", '{"account": "acme", "user": "nobody"}', 404, "nobody"),
        ("/users", '{"account": "acme", "remove": ["nobody"]}', 404, "nobody"),
        ("/rename", '{"account": "acme", "name": "other"}', 409, "other"),
        ("/apps", '{"app_id": "a", "callback": "nowhere"}', 400, "callback"),
        ("/clock", '{"by": "-1d"}', 409, "forward"),
        ("/faults", '{"kind": "nope"}', 400, "kind"),
        ("/events/nothing/sign", "", 404, "nothing"),
        ("/events/nothing/deliver", "", 404, "nothing"),
        ("/nope", "", 404, "Not Found"),
    ],
)
async def test_a_wrong_command_gets_one_line_with_the_reason(
    server: SimulatorServer, http: httpx.AsyncClient, path: str, body: str, status: int, word: str
) -> None:
    for name in ("acme", "other"):
        await server.client.install(account=name)
    response = await http.post(f"{server.url}/_control{path}", content=body)
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    assert word in response.json()["error"]
    assert "\n" not in response.text


async def test_wrong_queries_and_settings_change_nothing(server: SimulatorServer, http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{server.url}/_control/requests?since=x")).status_code == 400
    assert (await http.delete(f"{server.url}/_control/faults/9")).status_code == 404
    before = await server.client.settings()
    for wrong in ({"nope": 1}, {"signature_form": "xml"}, {"token_lifetime": "soon"}, {"page_size": 0}):
        with pytest.raises(ControlError) as caught:
            await server.client.change_settings(**wrong)
        assert caught.value.status == 400
    assert await server.client.settings() == before


async def test_an_account_id_belongs_to_one_account(server: SimulatorServer) -> None:
    outcome = await server.client.install(account="acme", account_id="a1")
    assert outcome.account_id == "a1"
    with pytest.raises(ControlError) as caught:
        await server.client.install(account="other", account_id="a1")
    assert caught.value.status == 409


async def test_the_client_refuses_an_unknown_field_without_a_request(server: SimulatorServer) -> None:
    with pytest.raises(ValidationError):
        await server.client.install(account="acme", color="blue")  # type: ignore[call-arg]  # the refusal is what is shown


async def test_an_installation_is_named_by_id_or_by_account_and_app(server: SimulatorServer) -> None:
    first = await server.client.install(account="acme")
    second = await server.client.install(account="acme", app_id="second")
    assert (await server.client.rotate(account="acme")).installation_id == second.installation_id
    assert (await server.client.rotate(account="acme", app_id=DEFAULT_APP_ID)).installation_id == first.installation_id
    by_id = await server.client.rotate(installation=first.installation_id)
    assert by_id.installation_id == first.installation_id


async def test_suspend_resume_and_revoke_create_no_event(server: SimulatorServer, meet: Meet) -> None:
    outcome = await server.client.install(account="acme", subscription={"type": "trial"})
    partner = await (await meet(server, outcome)).log_in()
    await partner.answer("approve")
    events = await server.client.events()
    states = [
        (await server.client.supervise(action=each, account="acme")).state for each in ("suspend", "resume", "revoke")
    ]
    assert states == ["suspended", "completed", "revoked"]
    await server.client.move("60d")
    assert await server.client.events() == events
    with pytest.raises(ControlError):
        await server.client.supervise(action="revoke", installation=outcome.installation_id)


async def test_the_state_view_has_apps_accounts_and_installations(server: SimulatorServer) -> None:
    outcome = await server.client.install(account="acme", app_id="app", users=3)
    world = await server.client.state()
    (installation,) = world.installations
    assert installation == await server.client.installation(outcome.installation_id)
    assert (installation.state, installation.pending, len(installation.users)) == ("installing", True, 3)
    assert (world.apps, world.accounts, world.public_url) == ({"app": None}, {"acme": 3}, server.url)
    with pytest.raises(ControlError) as caught:
        await server.client.installation("nope")
    assert caught.value.status == 404


async def test_events_can_be_listed_for_one_installation(server: SimulatorServer) -> None:
    outcome = await server.client.install(account="acme")
    await server.client.install(account="other")
    assert await server.client.events(installation=outcome.installation_id) == list(outcome.events)
    with pytest.raises(ControlError, match="callback"):
        await server.client.deliver(outcome.events[0].id)


async def test_one_fault_can_be_cleared(server: SimulatorServer) -> None:
    number = await server.client.set_fault(Drop())
    await server.client.clear_faults(number)
    assert await server.client.faults() == []


async def test_the_client_has_a_method_for_each_control_route(server: SimulatorServer) -> None:
    """Compares what the server saw while every method of the client was called with what there is."""
    client = server.client
    seen: set[tuple[str, str]] = set()
    http = client._http
    http.event_hooks = {"request": [lambda request: _note(seen, request)]}
    outcome = await client.install(account="acme")
    await client.update(account="acme", adding=1)
    await client.rotate(account="acme")
    await client.trial(action="start", account="acme")
    await client.logout(account="acme")
    await client.users("acme", add=1)
    await client.app("second")
    await client.uninstall(account="acme")
    await client.reinstall(account="acme")
    await client.supervise(action="revoke", account="acme")
    await client.rename("acme", "acme-two")
    await client.launch(account="acme-two")
    await client.state()
    await client.clock()
    await client.move("1s")
    await client.settings()
    await client.change_settings(page_size=10)
    await client.rotate_signing_key()
    await client.end_tokens()
    await client.set_fault(Drop())
    await client.faults()
    await client.clear_faults()
    await client.requests()
    await client.clear_requests()
    await client.deliveries()
    await client.drain()
    await client.release()
    await client.events()
    await client.sign(outcome.events[0].id)
    await client.deliver(outcome.events[0].id, url="http://127.0.0.1:9/")
    routes = ControlApi(server.simulator).routes()
    missed = [route for route in routes if not any(_is(route, method, path) for method, path in seen)]
    assert [route.path for route in missed] == ["/_control/faults/{number:int}"]


async def _note(seen: set[tuple[str, str]], request: httpx.Request) -> None:
    seen.add((request.method, request.url.path))


def _is(route: Route, method: str, path: str) -> bool:
    return method in (route.methods or ()) and route.path_regex.match(path) is not None


async def test_the_client_reports_that_no_simulator_answers() -> None:
    async with SimulatorServer() as gone:
        pass
    async with Client(gone.url) as client:
        with pytest.raises(ControlError, match="no simulator answers"):
            await client.clock()
