"""The Apps, Account, Users and Events APIs over real sockets."""

from typing import Any

import pytest

from builders.partner import Callback, Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import SimulatorServer


@pytest.fixture
async def server(start: Start, callback: Callback) -> SimulatorServer:
    return await start(callback_url=callback.url)


@pytest.fixture
async def partner(server: SimulatorServer, meet: Meet) -> Partner:
    return await (await meet(server, await server.client.install(account="acme"))).log_in()


async def test_an_install_waits_for_approval_and_is_then_completed(server: SimulatorServer, partner: Partner) -> None:
    assert await partner.state() == "installing"
    response = await partner.answer("approve", reason="ready")
    assert response.status_code == 200
    assert response.json()["state"] == "approve"
    assert response.json()["reason"] == "ready"
    assert await partner.state() == "completed"
    view = await server.client.installation(partner.data["installation_id"])
    assert (view.answers, view.pending, view.answer_until) == (("approve:completed",), False, None)


async def test_a_rejected_install_is_rejected_with_its_reason(partner: Partner) -> None:
    await partner.answer("reject", reason="no capacity")
    body = (await partner.get(partner.installation)).json()["_embedded"]["state"]
    assert (body["state"], body["reason"]) == ("rejected", "no capacity")


async def test_the_returned_state_can_be_the_resulting_one(server: SimulatorServer, partner: Partner) -> None:
    await server.client.change_settings(state_echo="resulting")
    assert (await partner.answer("approve")).json()["state"] == "completed"


@pytest.mark.case(23)
@pytest.mark.parametrize("status", [200, 403, 404, 409])
async def test_an_answer_with_nothing_pending_gets_the_configured_status(
    server: SimulatorServer, partner: Partner, status: int
) -> None:
    await server.client.change_settings(wrong_state_status=status)
    await partner.answer("approve")
    assert (await partner.answer("approve")).status_code == status
    assert (await server.client.installation(partner.data["installation_id"])).answers == ("approve:completed",)


@pytest.mark.parametrize(
    "body",
    [{"state": "installing"}, {"state": None}, {"state": ["approve"]}, {}, [], {"state": "approve", "reason": 1}],
)
async def test_a_malformed_answer_gets_400_and_changes_nothing(partner: Partner, body: Any) -> None:
    assert (await partner.post(f"{partner.installation}/state", body)).status_code == 400
    assert await partner.state() == "installing"


async def test_a_body_that_is_not_json_gets_400(partner: Partner) -> None:
    url = f"{partner.installation}/state"
    assert (await partner.http.post(url, content=b"{", headers=partner.headers)).status_code == 400
    assert (await partner.http.post(url, content=b"{" * 70_000, headers=partner.headers)).status_code == 413


async def test_every_route_without_a_valid_token_gets_401(partner: Partner) -> None:
    for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": partner.headers["Authorization"][7:]}):
        for url in ("/account", "/users", "/apps", partner.installation, f"{partner.installation}/users"):
            response = await partner.http.get(url if "://" in url else partner.root + url, headers=headers)
            assert response.status_code == 401
            assert set(response.json()) == {"code", "message", "description", "fields"}


async def test_a_token_gives_access_to_its_own_installation_only(server: SimulatorServer, partner: Partner) -> None:
    other = await server.client.install(account="other")
    foreign = f"{partner.root}/apps/{other.app_id}/installations/{other.installation_id}"
    assert (await partner.get(foreign)).status_code == 403
    assert (await partner.post(f"{foreign}/state", {"state": "approve"})).status_code == 403
    assert (await partner.get(f"{partner.root}/apps/{other.app_id}/installations/nope")).status_code == 404
    assert (await partner.get(f"{partner.root}/apps/nope/installations/{other.installation_id}")).status_code == 404
    assert (await server.client.installation(other.installation_id)).answers == ()


@pytest.mark.parametrize(
    ("scope", "denied"),
    [
        ("apps:read", ["/account", "/users", "POST {}/state", "POST {}/credentials/actions/rotate"]),
        ("account:read", ["{}", "{}/users", "{}/subscription", "{}/trial", "/apps"]),
        ("users:read", ["/account", "/apps/x/events/y"]),
    ],
)
async def test_each_route_requires_its_scope(partner: Partner, scope: str, denied: list[str]) -> None:
    await partner.log_in(scope=scope)
    for route in denied:
        method, _, url = route.format(partner.installation).rpartition(" ")
        absolute = url if "://" in url else partner.root + url
        response = await partner.http.request(method or "GET", absolute, headers=partner.headers, json={})
        assert response.status_code == 403, route


@pytest.mark.parametrize(
    ("shape", "state_keys", "other_keys"),
    [
        ("documented", {"error"}, {"code", "message", "description", "fields"}),
        ("standard", {"code", "message", "description", "fields"}, {"code", "message", "description", "fields"}),
        ("legacy", {"error"}, {"error"}),
    ],
)
async def test_errors_have_the_configured_shape(
    server: SimulatorServer, partner: Partner, shape: str, state_keys: set[str], other_keys: set[str]
) -> None:
    await server.client.change_settings(error_shape=shape)
    assert set((await partner.answer("nope")).json()) == state_keys
    assert set((await partner.get("/users/nope")).json()) == other_keys


async def test_unknown_routes_and_methods_are_refused_as_json(partner: Partner) -> None:
    assert (await partner.get("/nope")).json()["message"] == "Not Found"
    assert (await partner.get(f"{partner.installation}/state")).status_code == 405


async def test_the_account_has_the_facts_of_the_install_command(server: SimulatorServer, meet: Meet) -> None:
    outcome = await server.client.install(account="globex", company_name="Globex Corp", timezone="Asia/Tokyo")
    partner = await (await meet(server, outcome)).log_in()
    body = (await partner.get("/account")).json()
    assert body["id"] == outcome.account_id == partner.data["account_id"]
    assert (body["name"], body["company_name"], body["timezone"]) == ("globex", "Globex Corp", "Asia/Tokyo")


async def test_installation_and_subscription_have_the_facts_of_the_install_command(
    server: SimulatorServer, meet: Meet
) -> None:
    subscription = {"name": "Gold", "type": "paid", "licenses": 7}
    partner = await (
        await meet(server, await server.client.install(account="acme", subscription=subscription))
    ).log_in()
    body = (await partner.get(partner.installation)).json()
    assert body["id"] == partner.data["installation_id"]
    assert body["_links"]["self"]["href"] == partner.installation
    assert "apps:write" in body["scopes"]
    assert body["_embedded"]["created_by"]["email"]
    held = (await partner.get(f"{partner.installation}/subscription")).json()
    assert (held["name"], held["type"], held["total_licenses"]) == ("Gold", "paid", 7)
    assert (await partner.get(f"{partner.installation}/trial")).status_code == 404


async def test_the_app_is_described(partner: Partner) -> None:
    listed = (await partner.get("/apps")).json()["_embedded"]["apps"]
    assert [app["id"] for app in listed] == [partner.event["app_id"]]
    assert (await partner.get(f"/apps/{partner.event['app_id']}")).json() == listed[0]
    assert (await partner.get("/apps/other")).status_code == 404


@pytest.mark.case(60)
@pytest.mark.parametrize("paging", ["page", "cursor"])
@pytest.mark.parametrize("route", ["{}/users", "/users"])
async def test_users_are_read_by_following_next(start: Start, meet: Meet, paging: str, route: str) -> None:
    server = await start(paging=paging, page_size=10)
    partner = await (await meet(server, await server.client.install(account="acme", users=25))).log_in()
    url, pages, seen = route.format(partner.installation), 0, []
    while url:
        body = (await partner.get(url)).json()
        assert body["total"] == 25
        seen += [user["id"] for user in body["_embedded"]["users"]]
        pages, url = pages + 1, body["_links"].get("next", {}).get("href")
    assert (pages, len(set(seen)), len(seen)) == (3, 25, 25)


async def test_a_page_has_fifty_users_unless_the_request_says_otherwise(server: SimulatorServer, meet: Meet) -> None:
    partner = await (await meet(server, await server.client.install(account="acme", users=120))).log_in()
    url = f"{partner.installation}/users"
    assert len((await partner.get(url)).json()["_embedded"]["users"]) == 50
    assert len((await partner.get(url + "?per_page=120")).json()["_embedded"]["users"]) == 120
    assert (await partner.get(url + "?page=9")).json()["_embedded"]["users"] == []
    for bad in ("page=0", "page=x", "per_page=0", "per_page=99999", "page=%C2%B2", "cursor=x", "cursor=cHh4"):
        assert (await partner.get(f"{url}?{bad}")).status_code == 400, bad


async def test_account_users_can_be_filtered_and_read_one_by_one(server: SimulatorServer, partner: Partner) -> None:
    first, second = (await partner.get("/users")).json()["_embedded"]["users"]
    await server.client.users("acme", deactivate=[second["id"]])
    active = (await partner.get("/users?active=true")).json()["_embedded"]["users"]
    assert [user["id"] for user in active] == [first["id"]]
    by_email = (await partner.get("/users", params={"email": second["email"]})).json()["_embedded"]["users"]
    assert [user["id"] for user in by_email] == [second["id"]]
    assert (await partner.get(f"/users/{second['id']}")).json()["active"] is False
    assert (await partner.get("/users/nope")).status_code == 404


async def test_auto_provisioned_users_get_licenses_without_an_event(server: SimulatorServer, partner: Partner) -> None:
    await server.client.drain()
    before = len(await server.client.events())
    added = await server.client.users("acme", add=2, license=True)
    listed = (await partner.get(f"{partner.installation}/users")).json()["_embedded"]["users"]
    assert set(added) <= {user["id"] for user in listed}
    await server.client.users("acme", remove=added)
    assert (await partner.get(f"{partner.installation}/users")).json()["total"] == 2
    assert len(await server.client.events()) == before


@pytest.mark.parametrize(
    ("form", "status", "secret"), [("full", 200, True), ("redacted", 200, False), ("absent", 404, None)]
)
async def test_an_event_can_be_read_again_in_the_configured_form(
    server: SimulatorServer, partner: Partner, form: str, status: int, secret: Any
) -> None:
    await server.client.change_settings(event_reread=form)
    response = await partner.get(partner.event["_links"]["self"]["href"])
    assert response.status_code == status
    if status == 200:
        assert response.json()["id"] == partner.event["id"]
        assert ("private_key" in response.json()["data"]) is secret


async def test_the_signature_key_needs_no_token(server: SimulatorServer, partner: Partner) -> None:
    signed = await server.client.sign(partner.event["id"])
    url = f"{server.url}/events/signature-keys/{signed.headers['X-Hub-Ecdsa-Signature-Id']}"
    body = (await partner.http.get(url)).json()
    assert set(body) == {"public_key", "key_id", "created_at"}
    await server.client.rotate_signing_key()
    assert "expires_at" in (await partner.http.get(url)).json()
    await server.client.move("1d")
    assert (await partner.http.get(url)).status_code == 404


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_after_the_uninstall_the_token_gets_the_configured_status(
    server: SimulatorServer, partner: Partner, status: int
) -> None:
    await server.client.change_settings(after_uninstall_status=status)
    await partner.answer("approve")
    await server.client.uninstall(account="acme")
    assert await partner.state() == "pending"
    assert (await partner.answer("approve")).status_code == 200
    assert (await partner.get(partner.installation)).status_code == status
    assert (await partner.get("/account")).status_code == status
    assert (await partner.ask_token()).status_code == 401
    assert (await server.client.installation(partner.data["installation_id"])).state == "revoked"


async def test_credentials_can_outlive_the_uninstall(server: SimulatorServer, partner: Partner) -> None:
    await server.client.change_settings(after_uninstall_status=200)
    await server.client.uninstall(account="acme")
    await partner.answer("approve")
    assert await partner.state() == "revoked"
    assert (await partner.ask_token()).status_code == 200


@pytest.mark.parametrize("state", ["rejected", "suspended"])
async def test_other_states_end_credentials_only_if_configured(
    server: SimulatorServer, partner: Partner, state: str
) -> None:
    if state == "rejected":
        await partner.answer("reject")
    else:
        await partner.answer("approve")
        await server.client.supervise(action="suspend", account="acme")
    assert (await partner.get("/account")).status_code == 200
    await server.client.change_settings(credentials_die_when=[state])
    assert (await partner.get("/account")).status_code == 401
    assert (await partner.ask_token()).status_code == 401
