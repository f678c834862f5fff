"""The app of one tenant, behind oauth2-proxy: who may use it, and what everybody else is told.

Belongs here: one page, and the order of the questions before it. Does not belong here: logging in, which the proxy
does.

The proxy can't be told of a logout, because its sessions are in browsers' cookies alone. So the app asks for each
page: is the token Talkdesk's, is the user licensed, and has Talkdesk logged the user out since the session began?
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from talkdesk_sandbox.sso.id_tokens import IdToken, IdTokenInvalid, IdTokenOutdated, IdTokenVerifier
from talkdesk_sandbox.sso.pages import page

__all__ = ["AppSettings", "Asks", "Standing", "directory_client", "sso_app"]

_LOGIN_AGAIN: Final = "/oauth2/sign_out?rd=%2F"
"""The proxy forgets its session, and asks Talkdesk who it is."""
_LOGOUT: Final = "/oauth2/sign_out?rd=%2Fsigned-out"
Asks = Callable[[str], Awaitable["Standing"]]
"""Asks the directory about a user. Raises httpx.HTTPError."""


class AppSettings(BaseSettings):
    """What the template of the tenant says, in the environment."""

    model_config = SettingsConfigDict(env_prefix="SSO_", frozen=True, use_attribute_docstrings=True)

    issuer: str
    """`iss` of Talkdesk's ID tokens."""
    client_id: str
    """The tenant's own client at Talkdesk."""
    jwks_url: str
    """Where Talkdesk's public keys are."""
    directory_url: str
    """Base URL of the directory."""
    directory_tenant: str
    """The tenant's name there."""
    directory_token: SecretStr
    """What shows there which tenant asks."""


class Standing(BaseModel):
    """What the directory says of a user."""

    licensed: bool
    loggedOutTime: float | None  # noqa: N815 - as in JSON
    state: str


@dataclass(frozen=True, slots=True)
class _Guard:
    """The questions before a page."""

    verifier: IdTokenVerifier
    ask: Asks

    async def __call__(self, request: Request) -> IdToken | Response:
        """Return who may see the page, or what is shown instead."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            user = await self.verifier.verify(token if scheme.lower() == "bearer" else "")
            standing = await self.ask(user.user)
        except IdTokenOutdated:
            return _session_over(request)
        except IdTokenInvalid:
            return page(401, "Not logged in", "This address can only be used after a login at Talkdesk.")
        except httpx.HTTPError:
            return page(503, "Please try again", "It can't be checked at the moment whether you may use this app.")
        if standing.loggedOutTime is not None and user.began <= standing.loggedOutTime:
            said = "You have logged out of Talkdesk. You are taken to the login."
            return page(401, "Your session has ended", said, link=(_LOGIN_AGAIN, "Log in again"), then=_LOGIN_AGAIN)
        return user if standing.licensed and standing.state == "Active" else _forbidden(standing)


def sso_app(verifier: IdTokenVerifier, ask: Asks) -> Starlette:
    """Return the application."""
    guard = _Guard(verifier, ask)

    async def every(request: Request) -> Response:
        user = await guard(request)
        if isinstance(user, Response):
            return user
        return page(200, "Welcome", f"You are {user.name} ({user.user}).", link=(_LOGOUT, "Log out of this app"))

    async def signed_out(_: Request) -> Response:
        return page(200, "Signed out", "You have logged out of this app.", link=("/", "Log in"))

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/healthz", healthy),
            Route("/signed-out", signed_out),
            Route("/{path:path}", every, methods=["GET", "POST"]),
        ]
    )


def directory_client(settings: AppSettings, http: httpx.AsyncClient) -> Asks:
    """Return what asks the directory."""

    async def ask(user: str) -> Standing:
        url = f"{settings.directory_url}/v1/tenants/{quote(settings.directory_tenant, safe='')}"
        headers = {"Authorization": f"Bearer {settings.directory_token.get_secret_value()}"}
        response = await http.get(f"{url}/users/{quote(user, safe='')}", headers=headers)
        response.raise_for_status()
        return _standing(response)

    return ask


def _standing(response: httpx.Response) -> Standing:
    try:
        said: Any = response.json()
        return Standing.model_validate(said)
    except ValueError:
        raise httpx.DecodingError("not what a directory says", request=response.request) from None


def _session_over(request: Request) -> Response:
    """Return what begins a new session, which asks the user nothing while their session at Talkdesk lives."""
    if request.method != "GET":
        return page(401, "Your session has ended", "What you sent was not taken.", link=(_LOGIN_AGAIN, "Log in again"))
    # The path of this request, of which the proxy makes sure that it leads to no other site.
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/oauth2/start?rd={quote(back, safe='')}", 303, {"Cache-Control": "no-store"})


def _forbidden(standing: Standing) -> Response:
    if not standing.licensed:
        said = (
            "Your company has this app, but you have no license for it. An administrator of Talkdesk can give you one."
        )
        return page(403, "You have no license for this app", said, link=(_LOGOUT, "Log out of this app"))
    return page(403, "This app is suspended", "Your company can't use this app at the moment. Ask your administrator.")
