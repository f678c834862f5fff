"""Who may use the app, and what everybody else is told."""

from dataclasses import dataclass, field

import httpx
import pytest

from builders.id_token_issuer import CLIENT, ISSUER, KEYS_AT, IdTokenIssuer, new_key
from talkdesk_sandbox.sso import IdTokenVerifier, Standing, sso_app


@dataclass
class Place:
    """The app with an issuer of tokens, and a directory that says `standing` of everybody; None is one that is down."""

    issuer: IdTokenIssuer = field(default_factory=IdTokenIssuer)
    standing: Standing | None = field(
        default_factory=lambda: Standing(licensed=True, loggedOutTime=None, state="Active")
    )
    asked: list[str] = field(default_factory=list)

    async def ask(self, user: str) -> Standing:
        self.asked.append(user)
        if self.standing is None:
            raise httpx.ConnectError("the directory is down")
        return self.standing

    async def get(
        self, path: str = "/", token: str | None = None, method: str = "GET", **headers: str
    ) -> httpx.Response:
        issuer = self.issuer
        verifier = IdTokenVerifier(
            issuer.http, issuer=ISSUER, client_id=CLIENT, key_set_url=KEYS_AT, clock=issuer.clock
        )
        transport = httpx.ASGITransport(sso_app(verifier, self.ask))
        given = headers if token is None else {"Authorization": f"Bearer {token}"} | headers
        async with httpx.AsyncClient(transport=transport, base_url="https://app") as http:
            return await http.request(method, path, headers=given)


@pytest.fixture
def place() -> Place:
    return Place()


async def test_a_licensed_user_is_let_in(place: Place) -> None:
    page = await place.get(token=place.issuer.token())
    assert page.status_code == 200
    assert "You are Ana (user-1)." in page.text
    assert place.asked == ["user-1"]
    assert page.headers["cache-control"] == "no-store"


async def test_a_user_without_a_license_is_told_so(place: Place) -> None:
    place.standing = Standing(licensed=False, loggedOutTime=None, state="Active")
    page = await place.get(token=place.issuer.token())
    assert page.status_code == 403
    assert "You have no license for this app" in page.text
    assert "Welcome" not in page.text


@pytest.mark.parametrize("state", ["Suspended", "Offboarded", "of a later version"])
async def test_nobody_is_let_in_while_the_customer_may_not_use_the_app(place: Place, state: str) -> None:
    place.standing = Standing(licensed=True, loggedOutTime=None, state=state)
    page = await place.get(token=place.issuer.token())
    assert (page.status_code, "suspended" in page.text) == (403, True)


@pytest.mark.parametrize(("later", "status"), [(-1, 200), (0, 401), (0.5, 401), (60, 401)])
async def test_a_session_that_began_before_the_logout_is_over(place: Place, later: float, status: int) -> None:
    began = int(place.issuer.now)
    place.standing = Standing(licensed=True, loggedOutTime=began + later, state="Active")
    page = await place.get(token=place.issuer.token(iat=began))
    assert page.status_code == status
    assert page.headers.get("refresh") == (None if status == 200 else "1; url=/oauth2/sign_out?rd=%2F")


async def test_a_renewed_token_of_a_session_that_ended_is_no_new_session(place: Place) -> None:
    now = int(place.issuer.now)
    place.standing = Standing(licensed=True, loggedOutTime=now - 10, state="Active")
    assert (await place.get(token=place.issuer.token(auth_time=now - 60))).status_code == 401


async def test_an_expired_token_begins_a_new_session_and_leads_back_to_the_same_page(place: Place) -> None:
    expired = place.issuer.token(exp=int(place.issuer.now) - 1)
    page = await place.get("/calls?day=1&sort=up", expired)
    assert page.headers["location"] == "/oauth2/start?rd=%2Fcalls%3Fday%3D1%26sort%3Dup"
    assert (await place.get("/calls", expired, "POST")).status_code == 401


async def test_a_token_for_the_client_before_a_rotation_begins_a_new_session(place: Place) -> None:
    page = await place.get("/", place.issuer.token(aud="client before"))
    assert page.headers["location"] == "/oauth2/start?rd=%2F"
    assert place.asked == []


@pytest.mark.parametrize("authorization", ["", "Basic dXNlci0xOg==", "Bearer ", "Bearer x", "Bearer a.b.c"])
async def test_who_comes_past_the_proxy_is_nobody_whatever_headers_say(place: Place, authorization: str) -> None:
    spoofed = {
        "X-Forwarded-User": "user-1",
        "X-Forwarded-Email": "ana@example.com",
        "X-Auth-Request-User": "user-1",
        "Authorization": authorization,
    }
    page = await place.get("/", None, "GET", **spoofed)
    assert page.status_code == 401
    assert place.asked == []


async def test_a_token_that_somebody_else_signed_is_nobodys(place: Place) -> None:
    assert (await place.get(token=place.issuer.token(new_key()))).status_code == 401


async def test_nobody_is_let_in_while_it_cant_be_checked(place: Place) -> None:
    place.standing = None
    assert (await place.get(token=place.issuer.token())).status_code == 503
    down = Place()
    down.issuer.down = True
    assert (await down.get(token=down.issuer.token())).status_code == 503


async def test_launch_parameters_log_nobody_in(place: Place) -> None:
    assert (await place.get("/?talkdesk_user_id=user-1&talkdesk_installation_id=i")).status_code == 401


async def test_pages_without_a_login_tell_of_nobody(place: Place) -> None:
    assert (await place.get("/healthz")).text == "ok\n"
    assert (await place.get("/signed-out")).status_code == 200
    assert place.asked == []


async def test_a_name_is_text_and_no_markup(place: Place) -> None:
    page = await place.get(token=place.issuer.token(name="<script>alert(1)</script>"))
    assert "<script>" not in page.text
