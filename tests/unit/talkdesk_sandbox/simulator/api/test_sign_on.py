"""Logins at the simulator over real sockets: the authorization-code flow, launches, logouts, and attacks on them."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from builders.partner import Partner
from builders.simulators import Meet, Start
from builders.user_browser import UserBrowser, answer_of, leads_to
from talkdesk_sandbox.simulator import SimulatorServer
from talkdesk_sandbox.simulator.state import User

REDIRECT_URI = "https://td-acme.apps.example.com/oauth2/callback"
VERIFIER = "a" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Lab:
    """A simulator with an app that is installed by an account of two users, and one browser."""

    server: SimulatorServer
    partner: Partner
    browser: UserBrowser

    @property
    def identity(self) -> str:
        return f"{self.partner.root}/accounts/acme"

    @property
    def users(self) -> list[User]:
        return list(self.server.simulator.state.account("acme").users.values())

    def request(self, **changes: Any) -> dict[str, Any]:
        """Return the parameters of an authorization request; None takes one out."""
        asked = {
            "client_id": self.partner.data["client_id"],
            "redirect_uri": REDIRECT_URI,
            "response_type": "code",
            "scope": "openid",
            "state": "the state",
            "nonce": "the nonce",
        } | changes
        return {name: value for name, value in asked.items() if value is not None}

    async def authorize(self, **changes: Any) -> httpx.Response:
        return await self.browser.open(f"{self.identity}/oauth/authorize", **self.request(**changes))

    async def code(self, user: int = 0, **changes: Any) -> str:
        url = f"{self.identity}/oauth/authorize"
        return answer_of(await self.browser.log_in(url, self.users[user].id, **self.request(**changes)))["code"]

    async def exchange(self, code: str, **form: str) -> httpx.Response:
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI} | form
        return await self.partner.ask_token_by_secret(**fields)

    async def claims(self, id_token: str) -> dict[str, Any]:
        keys = KeySet.import_key_set((await self.browser.open(f"{self.identity}/oauth/certs")).json())
        return jwt.decode(id_token, keys, algorithms=["RS256", "ES256"]).claims

    async def userinfo(self, access_token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        return await self.browser.http.get(f"{self.partner.root}/users/me", headers=headers)


@pytest.fixture
async def browser() -> AsyncIterator[UserBrowser]:
    async with UserBrowser() as made:
        yield made


async def lab_of(start: Start, meet: Meet, browser: UserBrowser, **behavior: Any) -> Lab:
    server = await start(**behavior)
    partner = await meet(server, await server.client.install(account="acme"))
    await server.client.app(partner.event["app_id"], redirect_uris=(REDIRECT_URI,), url="https://example.com/start?a=b")
    return Lab(server, partner, browser)


@pytest.fixture
async def lab(start: Start, meet: Meet, browser: UserBrowser) -> Lab:
    return await lab_of(start, meet, browser)


async def test_a_login_gives_a_code_and_this_an_id_token_of_the_user(lab: Lab) -> None:
    user, client_id = lab.users[0], lab.partner.data["client_id"]
    came = await lab.browser.log_in(f"{lab.identity}/oauth/authorize", user.id, **lab.request())
    assert leads_to(came).partition("?")[0] == REDIRECT_URI
    assert answer_of(came)["state"] == "the state"
    tokens = (await lab.exchange(answer_of(came)["code"])).json()
    claims = await lab.claims(tokens["id_token"])
    assert claims["exp"] == claims["iat"] + 600
    parts = urlsplit(lab.partner.root)
    assert {name: claims[name] for name in ("iss", "sub", "aud", "nonce", "name", "email")} == {
        "iss": f"{parts.scheme}://{parts.netloc}",
        "sub": user.id,
        "aud": client_id,
        "nonce": "the nonce",
        "name": user.name,
        "email": user.email,
    }
    info = await lab.userinfo(tokens["access_token"])
    assert info.json() == {"sub": user.id, "id": user.id, "name": user.name, "email": user.email}


async def test_who_is_logged_in_is_not_asked_again(lab: Lab) -> None:
    await lab.code()
    assert "code" in answer_of(await lab.authorize())
    assert "code" in answer_of(await lab.authorize(prompt="none"))


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "another"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/oauth2/callback"},
        {"redirect_uri": f"{REDIRECT_URI}/more"},
        {"redirect_uri": f"{REDIRECT_URI}?more"},
        {"redirect_uri": f"{REDIRECT_URI}#fragment"},
        {"redirect_uri": "https://td-acme.apps.example.com@evil.example/oauth2/callback"},
        {"redirect_uri": [REDIRECT_URI, "https://evil.example/"]},
        {"client_id": ["a", "b"]},
    ],
)
async def test_a_request_whose_way_back_nobody_vouches_for_leads_nowhere(lab: Lab, change: dict[str, Any]) -> None:
    await lab.code()
    refused = await lab.authorize(**change)
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert "evil.example" not in refused.text


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "openid calls:write"}, "invalid_scope"),
        ({"scope": ["openid", "openid"]}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_to_the_app(lab: Lab, change: dict[str, Any], error: str) -> None:
    answer = answer_of(await lab.authorize(**change))
    assert (answer["error"], answer["state"]) == (error, "the state")
    assert "code" not in answer


async def test_who_cancels_the_login_is_denied_and_has_no_session(lab: Lab) -> None:
    form = await lab.authorize()
    assert answer_of(await lab.browser.submit(form, action="cancel"))["error"] == "access_denied"
    assert answer_of(await lab.authorize(prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize("fields", [{"password": "guess"}, {"user": "nobody"}, {"password": ""}])
async def test_a_wrong_password_or_user_logs_nobody_in(lab: Lab, fields: dict[str, str]) -> None:
    form = await lab.authorize()
    asked = {"user": lab.users[0].id, "password": "talkdesk", "action": "login"} | fields
    assert (await lab.browser.submit(form, "", **asked)).status_code == 403
    assert answer_of(await lab.authorize(prompt="none"))["error"] == "login_required"


async def test_a_form_of_another_site_logs_nobody_in_or_out(lab: Lab) -> None:
    form = await lab.authorize()
    fields = {"user": lab.users[0].id, "password": "talkdesk", "action": "login"}
    assert (await lab.browser.http.post(form.url, data=fields)).status_code == 403
    assert (await lab.browser.submit(form, csrf="a guess", **fields)).status_code == 403
    async with UserBrowser() as without_cookies:
        assert (await without_cookies.http.post(form.url, data=fields)).status_code == 403
    await lab.code()
    assert (await lab.browser.http.post(f"{lab.identity}/logout")).status_code == 403
    assert "code" in answer_of(await lab.authorize(prompt="none"))


async def test_a_session_that_somebody_planted_before_the_login_is_not_the_one_after_it(lab: Lab) -> None:
    lab.browser.http.cookies.set("talkdesk_session", "planted", path="/accounts/acme")
    await lab.code()
    async with UserBrowser() as thief:
        thief.http.cookies.set("talkdesk_session", "planted")
        stolen = await thief.open(f"{lab.identity}/oauth/authorize", **lab.request(prompt="none"))
    assert answer_of(stolen)["error"] == "login_required"


async def test_a_session_of_one_account_is_none_of_another(lab: Lab) -> None:
    await lab.server.client.install(account="beta")
    await lab.code()
    [cookie] = [each for each in lab.browser.http.cookies.jar if each.name == "talkdesk_session"]
    assert cookie.path == "/accounts/acme"
    headers = {"Cookie": f"{cookie.name}={cookie.value}"}
    page = await lab.browser.http.get(f"{lab.partner.root}/accounts/beta/home", headers=headers)
    assert 'name="password"' in page.text


async def test_a_code_is_exchanged_once_and_what_it_gave_ends_when_it_comes_again(lab: Lab) -> None:
    code = await lab.code()
    tokens = (await lab.exchange(code)).json()
    assert (await lab.userinfo(tokens["access_token"])).status_code == 200
    again = await lab.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await lab.userinfo(tokens["access_token"])).status_code == 401


async def test_a_code_is_for_the_client_and_the_address_that_asked(lab: Lab, meet: Meet) -> None:
    code = await lab.code()
    other = await meet(lab.server, await lab.server.client.install(account="acme", app_id="another-app"))
    stolen = await other.ask_token_by_secret(grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI)
    assert stolen.json()["error"] == "invalid_grant"
    wrong = await lab.exchange(code, redirect_uri="https://td-acme.apps.example.com/")
    assert wrong.json()["error"] == "invalid_grant"


async def test_a_code_without_the_clients_secret_is_worth_nothing_and_is_not_used_up(lab: Lab) -> None:
    code = await lab.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    assert (await lab.partner.ask_token_by_secret("a guess", **form)).status_code == 401
    assert (await lab.exchange(code)).status_code == 200


async def test_a_client_may_prove_itself_by_its_key(lab: Lab) -> None:
    form = {"grant_type": "authorization_code", "code": await lab.code(), "redirect_uri": REDIRECT_URI}
    assert "id_token" in (await lab.partner.ask_token(**form)).json()


@pytest.mark.parametrize(
    ("verifier", "status"), [({"code_verifier": VERIFIER}, 200), ({"code_verifier": "b" * 64}, 400), ({}, 400)]
)
async def test_a_code_with_a_challenge_needs_the_verifier(lab: Lab, verifier: dict[str, str], status: int) -> None:
    code = await lab.code(code_challenge=CHALLENGE, code_challenge_method="S256")
    assert (await lab.exchange(code, **verifier)).status_code == status


async def test_a_code_expires(start: Start, meet: Meet, browser: UserBrowser) -> None:
    lab = await lab_of(start, meet, browser, code_lifetime="0s")
    assert (await lab.exchange(await lab.code())).json()["error"] == "invalid_grant"


async def test_a_launch_names_installation_and_user_as_hints(lab: Lab) -> None:
    url = (await lab.server.client.launch(account="acme")).url
    came = await lab.browser.log_in(url, lab.users[1].id)
    assert leads_to(came).partition("?")[0] == "https://example.com/start"
    assert answer_of(came) == {
        "a": "b",
        "talkdesk_installation_id": lab.partner.data["installation_id"],
        "talkdesk_user_id": lab.users[1].id,
    }
    home = await lab.browser.open(f"{lab.identity}/home")
    assert lab.users[1].email in home.text
    assert f"launch?installation={lab.partner.data['installation_id']}" in home.text
    foreign = await lab.browser.open(f"{lab.identity}/launch", installation="another")
    assert foreign.status_code == 404


async def test_a_logout_ends_the_users_sessions_and_is_told_to_each_app_of_which_the_user_has_a_license(
    lab: Lab,
) -> None:
    await lab.server.client.install(account="acme", app_id="another-app", users=1)
    tokens = (await lab.exchange(await lab.code())).json()
    async with UserBrowser() as second:
        await second.log_in(f"{lab.identity}/home", lab.users[1].id)
        home = await lab.browser.open(f"{lab.identity}/home")
        out = await lab.browser.submit(home, "logout")
        assert leads_to(out) == f"{lab.identity}/home"
        assert 'name="password"' in (await lab.browser.open(leads_to(out))).text
        assert lab.users[1].email in (await second.open(f"{lab.identity}/home")).text
        assert 'name="password"' not in (await second.open(f"{lab.identity}/home")).text
    assert (await lab.userinfo(tokens["access_token"])).status_code == 401
    logouts = [each for each in lab.server.simulator.state.events.values() if each.type == "user.logout"]
    assert [each.document["data"]["user_id"] for each in logouts] == [lab.users[0].id] * 2
    assert {each.app_id for each in logouts} == {lab.partner.event["app_id"], "another-app"}


async def test_an_app_can_end_a_users_session(lab: Lab) -> None:
    await lab.code()
    await lab.partner.log_in()
    body = {"user_id": lab.users[0].id, "reason": "force_logout"}
    assert (await lab.partner.post(f"{lab.identity}/oauth/end_user_session", body)).status_code == 204
    assert answer_of(await lab.authorize(prompt="none"))["error"] == "login_required"


async def test_a_deactivated_user_has_no_session(lab: Lab) -> None:
    await lab.code()
    await lab.server.client.users("acme", deactivate=(lab.users[0].id,))
    assert answer_of(await lab.authorize(prompt="none"))["error"] == "login_required"


async def test_a_refresh_token_is_used_once_and_ends_with_the_session(lab: Lab) -> None:
    await lab.server.client.app(lab.partner.event["app_id"], scopes=("openid", "refresh_token"))
    tokens = (await lab.exchange(await lab.code(scope="openid refresh_token"))).json()

    async def renew(token: str, **more: str) -> dict[str, str]:
        form = {"grant_type": "refresh_token", "refresh_token": token} | more
        got: dict[str, str] = (await lab.partner.ask_token_by_secret(**form)).json()
        return got

    renewed = await renew(tokens["refresh_token"])
    assert (await lab.claims(renewed["id_token"]))["sub"] == lab.users[0].id
    assert (await renew(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert (await renew(renewed["refresh_token"], scope="apps:write"))["error"] == "invalid_scope"
    await lab.server.client.logout(account="acme", user=lab.users[0].id)
    assert (await renew(renewed["refresh_token"]))["error"] == "invalid_grant"


async def test_what_talkdesk_does_not_document_can_be_set_either_way(
    start: Start, meet: Meet, browser: UserBrowser
) -> None:
    lab = await lab_of(
        start,
        meet,
        browser,
        id_token_algorithm="ES256",
        id_token_issuer="identity",
        id_token_claims="minimal",
        id_token_auth_time=True,
        subject="opaque",
        refresh_token="always",
        pkce="ignored",
        discovery=True,
    )
    tokens = (await lab.exchange(await lab.code(code_challenge=CHALLENGE, code_challenge_method="plain"))).json()
    claims = await lab.claims(tokens["id_token"])
    assert claims["iss"] == lab.identity
    assert "email" not in claims
    assert claims["sub"] != lab.users[0].id
    assert claims["auth_time"] <= claims["iat"]
    assert tokens["refresh_token"]
    found = (await browser.open(f"{lab.identity}/.well-known/openid-configuration")).json()
    assert (found["issuer"], found["jwks_uri"]) == (lab.identity, f"{lab.identity}/oauth/certs")
    await lab.server.client.change_settings(id_token="never", pkce="required", refresh_token="never", discovery=False)
    code = answer_of(await lab.authorize(code_challenge=CHALLENGE, code_challenge_method="S256"))["code"]
    assert set((await lab.exchange(code, code_verifier=VERIFIER)).json()) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "sid",
    }
    assert answer_of(await lab.authorize())["error"] == "invalid_request"
    assert (await browser.open(f"{lab.identity}/.well-known/openid-configuration")).status_code == 404


@pytest.mark.parametrize(
    ("check", "uri", "taken"),
    [
        ("exact", "https://td-beta.apps.example.com/oauth2/callback", False),
        ("wildcard", "https://td-beta.apps.example.com/oauth2/callback", True),
        ("wildcard", "https://evil.example/.apps.example.com/oauth2/callback", False),
        ("wildcard", "https://a.b.apps.example.com/oauth2/callback", False),
        ("unchecked", "https://anywhere.example/", True),
        ("unchecked", "javascript:alert(1)", False),
        ("unchecked", "https://[broken", False),
    ],
)
async def test_redirect_uris_are_checked_as_the_setting_says(
    start: Start, meet: Meet, browser: UserBrowser, check: str, uri: str, *, taken: bool
) -> None:
    lab = await lab_of(start, meet, browser, redirect_uri_check=check)
    registered = ("https://*.apps.example.com/oauth2/callback",)
    await lab.server.client.app(lab.partner.event["app_id"], redirect_uris=registered)
    answered = await lab.authorize(redirect_uri=uri)
    assert answered.status_code == (200 if taken else 400)


async def test_an_apps_own_token_has_no_userinfo_and_no_account_is_made_up(lab: Lab) -> None:
    await lab.partner.log_in()
    assert (await lab.partner.get("/users/me")).status_code == 403
    assert (await lab.browser.open(f"{lab.partner.root}/accounts/nobody/home")).status_code == 404
    assert (await lab.browser.open(f"{lab.partner.root}/home")).status_code == 404


async def test_pages_can_be_framed_by_nobody_and_hold_no_markup_of_a_user(lab: Lab) -> None:
    lab.users[0].name = "<script>alert(1)</script>"
    page = await lab.authorize()
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://td-acme.apps.example.com;" in policy
    assert "<script>" not in page.text
    assert page.headers["cache-control"] == "no-store"
