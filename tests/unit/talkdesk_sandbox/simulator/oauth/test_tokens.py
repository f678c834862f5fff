"""The token endpoint over real sockets with real JWTs."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from builders.partner import Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import Settings, SimulatorServer
from talkdesk_sandbox.simulator.settings import DEFAULT_SCOPES


@pytest.fixture
async def server(start: Start) -> SimulatorServer:
    return await start()


@pytest.fixture
async def partner(server: SimulatorServer, meet: Meet) -> Partner:
    return await meet(server, await server.client.install(account="acme"))


async def refused(response: httpx.Response, status: int, error: str) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error", "error_description"}
    assert response.json()["error"] == error
    description: str = response.json()["error_description"]
    return description


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512"])
async def test_a_signed_assertion_of_each_algorithm_gets_a_token(start: Start, meet: Meet, algorithm: str) -> None:
    server = await start(key_algorithm=algorithm)
    partner = await meet(server, await server.client.install(account="acme"))
    response = await partner.ask_token()
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert set(body["scope"].split()) == set(DEFAULT_SCOPES)
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"aud": "https://acme.talkdeskid.com/oauth/token"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": 7}, "aud"),
        ({"exp": int(time.time()) - 60}, "exp"),
        ({"exp": int(time.time()) + 3600}, "too far"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"sub": "somebody"}, "sub"),
        ({"iss": "somebody"}, "no such client"),
        ({"iss": 7}, "no such client"),
        ({"header": {"kid": "another"}}, "kid"),
        ({"key": ECKey.generate_key("P-256")}, "signature"),
        ({"header": {"alg": "ES384"}, "key": ECKey.generate_key("P-384")}, "alg"),
    ],
)
async def test_an_assertion_with_one_thing_wrong_is_refused(
    partner: Partner, wrong: dict[str, Any], reason: str
) -> None:
    assert reason in await refused(await partner.ask_token(partner.assertion(**wrong)), 401, "invalid_client")


@pytest.mark.parametrize("assertion", ["x", "a.b.c", "..", "e30.W10.AAAA", "e30.e30.", "\u00e9.\u00e9.\u00e9"])
async def test_text_that_is_not_a_jwt_is_refused_as_an_assertion(partner: Partner, assertion: str) -> None:
    await refused(await partner.ask_token(assertion), 401, "invalid_client")


async def test_an_unsigned_assertion_is_refused(partner: Partner) -> None:
    head, body, _ = partner.assertion().split(".")
    none = "eyJhbGciOiJub25lIn0"
    assert "alg" in await refused(await partner.ask_token(f"{none}.{body}."), 401, "invalid_client")
    assert "signature" in await refused(await partner.ask_token(f"{head}.{body}."), 401, "invalid_client")


async def test_an_assertion_works_once(partner: Partner) -> None:
    assertion = partner.assertion()
    assert (await partner.ask_token(assertion)).status_code == 200
    assert "jti" in await refused(await partner.ask_token(assertion), 401, "invalid_client")


async def test_the_audience_may_be_one_of_a_list(partner: Partner) -> None:
    assertion = partner.assertion(aud=["https://elsewhere.example", partner.token_url])
    assert (await partner.ask_token(assertion)).status_code == 200


async def test_a_client_secret_gets_a_token_and_a_wrong_one_does_not(partner: Partner) -> None:
    assert (await partner.ask_token_by_secret()).status_code == 200
    assert "secret" in await refused(await partner.ask_token_by_secret("wrong"), 401, "invalid_client")


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Basic ???", "Basic /w==", "Basic"])
async def test_a_malformed_basic_authorization_is_refused(partner: Partner, authorization: str) -> None:
    form = {"grant_type": "client_credentials"}
    response = await partner.http.post(partner.token_url, data=form, headers={"Authorization": authorization})
    await refused(response, 401, "invalid_client")


async def test_malformed_token_requests_get_400(partner: Partner) -> None:
    await refused(await partner.ask_token(grant_type="password"), 400, "unsupported_grant_type")
    await refused(await partner.ask_token(client_assertion_type="jwt"), 400, "invalid_request")
    await refused(await partner.http.post(partner.token_url, json={}), 400, "unsupported_grant_type")
    await refused(await partner.ask_token(scope="apps:read nope"), 400, "invalid_scope")
    assert (await partner.http.post(partner.token_url, content=b"x" * 70_000)).status_code == 413


async def test_a_client_of_another_account_is_unknown(server: SimulatorServer, partner: Partner) -> None:
    await server.client.install(account="other")
    url = partner.token_url.replace("acme", "other")
    form = {"grant_type": "client_credentials"}
    basic = httpx.BasicAuth(partner.data["client_id"], partner.data["client_secret"])
    await refused(await partner.http.post(url, data=form, auth=basic), 401, "invalid_client")
    await refused(await partner.http.post(url.replace("other", "nobody"), data=form, auth=basic), 401, "invalid_client")


async def test_only_the_requested_scopes_are_granted(partner: Partner) -> None:
    assert (await partner.ask_token(scope="apps:read users:read")).json()["scope"] == "apps:read users:read"
    await partner.log_in(scope="apps:read")
    response = await partner.answer("approve")
    assert response.status_code == 403
    assert "apps:write" in response.json()["error"]


async def test_an_added_scope_is_refused_until_scope_propagation_has_passed(start: Start, meet: Meet) -> None:
    server = await start(scope_propagation="3m")
    partner = await meet(server, await server.client.install(account="acme"))
    await server.client.app(partner.event["app_id"], scopes=("apps:read", "reports:read"))
    assert "not effective yet" in await refused(await partner.ask_token(scope="reports:read"), 401, "invalid_scope")
    assert (await partner.ask_token()).json()["scope"] == "apps:read"
    await server.client.move("3m")
    assert (await partner.ask_token(scope="reports:read")).json()["scope"] == "reports:read"


async def test_a_token_expires_by_the_simulators_clock_and_an_assertion_by_real_time(
    server: SimulatorServer, partner: Partner
) -> None:
    await partner.log_in()
    await server.client.move("9m")
    assert (await partner.get("/account")).status_code == 200
    await server.client.move("1m")
    assert (await partner.get("/account")).status_code == 401
    await partner.log_in()
    assert (await partner.get("/account")).status_code == 200


async def test_all_tokens_can_be_ended(server: SimulatorServer, partner: Partner) -> None:
    await partner.log_in()
    await server.client.end_tokens()
    assert (await partner.get("/account")).status_code == 401


async def test_the_account_can_be_named_by_the_host(meet: Meet) -> None:
    async with SimulatorServer(Settings(id_domain="id.localhost")) as server:
        partner = await meet(server, await server.client.install(account="acme"))
        url = partner.event["_links"]["tokens"]["href"]
        assert url == "http://acme.id.localhost/oauth/token"
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": partner.assertion(aud=url),
        }
        by_host = {"Host": "acme.id.localhost:8443"}
        assert (await partner.http.post(f"{server.url}/oauth/token", data=form, headers=by_host)).status_code == 200
        assert (await partner.http.post(f"{server.url}/oauth/token", data=form)).status_code == 404
        assert (await partner.ask_token()).status_code == 200


async def test_renaming_an_account_changes_its_token_url(server: SimulatorServer, partner: Partner) -> None:
    await server.client.rename("acme", "acme-two")
    assert (await partner.ask_token()).status_code == 401
    partner.data["account_name"] = "acme-two"
    assert (await partner.ask_token()).status_code == 200


@pytest.mark.parametrize("form", ["pkcs8", "sec1"])
@pytest.mark.parametrize("armor", ["none", "pem"])
async def test_a_private_key_in_each_form_can_sign_an_assertion(
    start: Start, meet: Meet, form: str, armor: str
) -> None:
    server = await start(private_key_form=form, private_key_armor=armor)
    partner = await meet(server, await server.client.install(account="acme"))
    if form == "sec1" and armor == "none":
        body = partner.data["private_key"]
        partner.data["private_key"] = f"-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n"
    assert (await partner.ask_token()).status_code == 200


async def test_concurrent_token_requests_get_different_tokens(partner: Partner) -> None:
    responses = await asyncio.gather(*(partner.ask_token() for _ in range(20)))
    assert len({response.json()["access_token"] for response in responses}) == 20
