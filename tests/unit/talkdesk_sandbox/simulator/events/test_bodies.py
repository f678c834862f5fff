"""What each event says, field by field as the reference pages show it."""

import re
from typing import Any

import orjson
import pytest

from builders.partner import Callback, Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import SimulatorServer
from talkdesk_sandbox.simulator.views.models import Outcome

HEX = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
async def server(start: Start, callback: Callback) -> SimulatorServer:
    return await start(callback_url=callback.url)


async def install(server: SimulatorServer, meet: Meet, **fields: Any) -> tuple[Outcome, Partner]:
    outcome = await server.client.install(account="acme", **fields)
    return outcome, await (await meet(server, outcome)).log_in()


async def bodies(server: SimulatorServer, callback: Callback, event_type: str) -> list[dict[str, Any]]:
    await server.client.drain()
    return [body for _, raw in callback.received if (body := orjson.loads(raw))["type"] == event_type]


async def test_app_installed_has_credentials_and_all_links(server: SimulatorServer, meet: Meet) -> None:
    outcome, partner = await install(server, meet)
    event = partner.event
    assert set(event) == {
        "id",
        "created_at",
        "api_version",
        "type",
        "app_id",
        "app_version_id",
        "app_version_name",
        "data",
        "_links",
    }
    assert (event["type"], event["api_version"], event["app_id"]) == ("app.installed", "1", outcome.app_id)
    assert HEX.fullmatch(event["id"])
    assert set(partner.data) == {
        "installation_id",
        "account_id",
        "account_name",
        "client_id",
        "client_secret",
        "private_key",
        "public_key",
        "key_id",
        "key_algorithm",
    }
    assert set(event["_links"]) == {"root", "self", "installation", "userinfo", "authorization", "tokens"}
    assert event["_links"]["self"]["href"] == f"{server.url}/apps/{outcome.app_id}/events/{event['id']}"


async def test_app_updated_has_only_what_changes(server: SimulatorServer, callback: Callback, meet: Meet) -> None:
    _, partner = await install(server, meet)
    gone = (await partner.get(f"{partner.installation}/users")).json()["_embedded"]["users"][0]["id"]
    await server.client.update(account="acme", adding=2, removing=[gone], licenses=10, plan="Gold")
    await server.client.update(account="acme", plan="Silver")
    first, second = await bodies(server, callback, "app.updated")
    assert set(first["data"]) == {"installation_id", "account_id", "account_name", "users", "subscription"}
    assert len(first["data"]["users"]["adding"]) == 2
    assert first["data"]["users"]["removing"] == [gone]
    assert first["data"]["subscription"] == {"adding": {"name": "Gold", "licenses": "10"}}
    assert "users" not in second["data"]
    assert second["data"]["subscription"] == {"adding": {"name": "Silver"}}
    assert set(first["_links"]) == {"root", "self"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("object", {"reason": {"type": "price", "message": "too dear"}}),
        ("string", {"reason": "too dear"}),
        ("null", {"reason": None}),
        ("absent", {}),
    ],
)
async def test_app_uninstalled_has_its_reason_in_the_configured_form(
    server: SimulatorServer, callback: Callback, form: str, expected: dict[str, Any]
) -> None:
    await server.client.change_settings(uninstall_reason_form=form)
    await server.client.install(account="acme")
    await server.client.uninstall(account="acme", reason_type="price", reason="too dear")
    (event,) = await bodies(server, callback, "app.uninstalled")
    ids = {"installation_id", "account_id", "account_name"}
    assert {name: value for name, value in event["data"].items() if name not in ids} == expected
    assert set(event["_links"]) == {"root", "self", "installation"}


async def test_a_trial_starts_with_the_approval_and_expires_by_itself(
    server: SimulatorServer, callback: Callback, meet: Meet
) -> None:
    _, partner = await install(server, meet, subscription={"type": "trial"})
    assert await bodies(server, callback, "app.trial_started") == []
    await partner.answer("approve")
    (started,) = await bodies(server, callback, "app.trial_started")
    assert set(started["data"]) == {"installation_id", "account_id", "expires_at"}
    assert "app_version_name" not in started
    assert (await partner.get(f"{partner.installation}/trial")).json()["state"] == "started"
    await server.client.trial(action="extend", account="acme", length="10d")
    (extended,) = await bodies(server, callback, "app.trial_extended")
    assert extended["data"]["expires_at"] > started["data"]["expires_at"]
    await server.client.move("39d")
    assert await bodies(server, callback, "app.trial_ended") == []
    await server.client.move("1d")
    (ended,) = await bodies(server, callback, "app.trial_ended")
    assert (ended["data"]["ended_reason"], ended["data"]["ended_by"]) == ("trial_expired", "system")
    await partner.log_in()
    assert (await partner.get(f"{partner.installation}/trial")).json()["ended_reason"] == "trial_expired"


@pytest.mark.case(21)
async def test_a_paid_plan_and_an_uninstall_end_a_trial(
    server: SimulatorServer, callback: Callback, meet: Meet
) -> None:
    _, partner = await install(server, meet, subscription={"type": "trial"})
    await partner.answer("approve")
    await server.client.update(account="acme", type="paid", plan="Gold")
    await partner.answer("approve")
    await server.client.trial(action="start", account="acme", length="5d")
    await server.client.uninstall(account="acme")
    reasons = [event["data"]["ended_reason"] for event in await bodies(server, callback, "app.trial_ended")]
    assert reasons == ["plan_upgraded", "app_uninstalled"]
    assert {event["data"]["ended_by"] for event in await bodies(server, callback, "app.trial_ended")} == {"user"}


@pytest.mark.parametrize(("links", "algorithm"), [(False, True), (True, False)])
async def test_credentials_rotated_has_the_new_version_and_the_configured_extras(
    server: SimulatorServer, callback: Callback, meet: Meet, links: Any, algorithm: Any
) -> None:
    await server.client.change_settings(rotated_event_links=links, rotated_event_key_algorithm=algorithm)
    _, partner = await install(server, meet)
    await server.client.rotate(account="acme")
    (event,) = await bodies(server, callback, "app.credentials_rotated")
    assert event["data"]["client_id"] != partner.data["client_id"]
    assert event["data"]["private_key"] != partner.data["private_key"]
    assert ("tokens" in event["_links"], "authorization" in event["_links"]) == (links, links)
    assert ("key_algorithm" in event["data"]) is algorithm


async def test_user_logout_names_the_user(server: SimulatorServer, callback: Callback, meet: Meet) -> None:
    _, partner = await install(server, meet)
    user = (await partner.get("/users")).json()["_embedded"]["users"][1]
    await server.client.logout(account="acme", user=user["id"])
    (event,) = await bodies(server, callback, "user.logout")
    assert (event["data"]["user_id"], event["data"]["user_email"]) == (user["id"], user["email"])
    assert "app_version_id" not in event
    assert event["_links"]["user"]["href"].endswith(f"/users/{user['id']}")


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("seconds", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("milliseconds", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"),
    ],
)
async def test_times_have_the_configured_form(server: SimulatorServer, meet: Meet, form: str, pattern: str) -> None:
    await server.client.change_settings(timestamp_form=form)
    _, partner = await install(server, meet)
    assert re.fullmatch(pattern, partner.event["created_at"])


async def test_the_form_of_times_can_be_random(server: SimulatorServer, callback: Callback) -> None:
    await server.client.change_settings(timestamp_form="random")
    for number in range(20):
        await server.client.install(account=f"account-{number}")
    ends = {event["created_at"][-1] for event in await bodies(server, callback, "app.installed")}
    assert ends == {"Z", "0"}


@pytest.mark.case(8)
async def test_the_envelope_can_have_the_fields_of_third_party_material(server: SimulatorServer, meet: Meet) -> None:
    await server.client.change_settings(type_field="event_type", event_id_field=True)
    _, partner = await install(server, meet)
    assert partner.event["event_type"] == "app.installed"
    assert partner.event["event_id"] == partner.event["id"]
    assert "type" not in partner.event


@pytest.mark.case(14)
async def test_an_accounts_events_can_name_another_gateway(server: SimulatorServer) -> None:
    outcome = await server.client.install(account="abroad", root="https://api.talkdeskapp.eu")
    event = orjson.loads((await server.client.sign(outcome.events[0].id)).body)
    hrefs = [link["href"] for link in event["_links"].values()]
    assert len(hrefs) == 6
    assert all(href.startswith("https://api.talkdeskapp.eu") for href in hrefs)


@pytest.mark.case(57)
@pytest.mark.parametrize("name", ["Ünïcødé ☎️", 'a"b\\c', "${account.name}", "line\nbreak", "x" * 300, "a/b", "a?b#c"])
async def test_any_account_name_works(server: SimulatorServer, meet: Meet, name: str) -> None:
    partner = await meet(server, await server.client.install(account=name))
    assert partner.data["account_name"] == name
    url = partner.event["_links"]["tokens"]["href"]
    form = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    form |= {"grant_type": "client_credentials", "client_assertion": partner.assertion(aud=url)}
    assert (await partner.http.post(url, data=form)).status_code == 200
