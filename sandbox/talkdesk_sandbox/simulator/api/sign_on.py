"""Routes of single sign-on: logins of users in browsers, authorization codes, public keys, launches, logouts.

Belongs here: reading requests, cookies, and where a browser goes. Does not belong here: rules (`oauth`), HTML
(`pages`).

A form is taken only with the secret of a cookie in it, so no other site can log anybody in or out. A session's cookie
is new with each login. Nobody is sent to where a request says, but to a redirect URI of the app, or to the app's URL.
"""

import hmac
import secrets
from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from talkdesk_sandbox.simulator.api import pages
from talkdesk_sandbox.simulator.api.access import access, body_of, form_of, record_of
from talkdesk_sandbox.simulator.api.errors import ApiError
from talkdesk_sandbox.simulator.api.identity import Endpoint, account_name_of, identity_routes
from talkdesk_sandbox.simulator.http.responses import JsonResponse
from talkdesk_sandbox.simulator.oauth.authorization import AuthorizationRequest, read_request
from talkdesk_sandbox.simulator.oauth.errors import AuthorizationRedirectError, AuthorizationRefusedError
from talkdesk_sandbox.simulator.oauth.logins import Login
from talkdesk_sandbox.simulator.simulator import Simulator
from talkdesk_sandbox.simulator.state.entities import Account
from talkdesk_sandbox.simulator.state.errors import NotFoundError

_SESSION = "talkdesk_session"
_CSRF = "talkdesk_csrf"


class SignOnApi:
    """The routes of one simulator that browsers and relying parties use."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._state = simulator.state

    def routes(self) -> list[Route]:
        """Return all routes."""
        table: list[tuple[str, Endpoint, list[str]]] = [
            ("/oauth/authorize", self.authorize, ["GET", "POST"]),
            ("/oauth/certs", self.key_set, ["GET"]),
            ("/oauth/2023-10/certs", self.key_set, ["GET"]),
            ("/oauth/end_user_session", self.end_user_session, ["POST"]),
            ("/.well-known/openid-configuration", self.discovery, ["GET"]),
            ("/home", self.home, ["GET", "POST"]),
            ("/launch", self.launch, ["GET", "POST"]),
            ("/logout", self.logout, ["POST"]),
        ]
        return [route for path, endpoint, methods in table for route in identity_routes(path, endpoint, methods)]

    async def authorize(self, request: Request) -> Response:
        """Answer `/oauth/authorize`: ask who it is if that is not known, and send the browser back with a code."""
        account = self._account(request)
        try:
            asked = self._asked(account, request)
            login = self._login(request, account)
            if login is None and asked.silent:
                raise asked.refused("login_required", "nobody is logged in")
            if request.method == "POST" or login is None:
                return await self._log_in(request, account, asked)
            return _leads_to(asked.answered(self._simulator.codes.give(asked, login)))
        except AuthorizationRefusedError as refused:
            return pages.problem_page(400, str(refused))
        except AuthorizationRedirectError as refused:
            return _leads_to(refused.location)

    async def home(self, request: Request) -> Response:
        """Answer `/home`: the apps that the user has a license of."""
        account = self._account(request)
        login = self._login(request, account)
        if request.method == "POST" or login is None:
            return await self._log_in(request, account)
        held = self._state.installations_of(account, login.user.id)
        csrf = request.cookies.get(_CSRF) or secrets.token_urlsafe(16)
        apps = ((self._state.apps[each.app_id], each) for each in held)
        return self._with_csrf(request, account, pages.home_page(login.user, csrf, apps), csrf)

    async def launch(self, request: Request) -> Response:
        """Answer `/launch?installation=ID`: open the app, and say which installation and user it is, as a hint."""
        account = self._account(request)
        login = self._login(request, account)
        if request.method == "POST" or login is None:
            return await self._log_in(request, account)
        installation = self._state.installations.get(request.query_params.get("installation", ""))
        if installation is None or installation.account_id != account.id:
            return pages.problem_page(404, "This account has no such installation.")
        url = self._state.apps[installation.app_id].url
        if url is None:
            return pages.problem_page(
                404, f"The app has no URL: talkdesk-simulator app {installation.app_id} --app-url URL"
            )
        hints = {"talkdesk_installation_id": installation.id, "talkdesk_user_id": login.user.id}
        return _leads_to(f"{url}{'&' if '?' in url else '?'}{urlencode(hints)}")

    async def logout(self, request: Request) -> Response:
        """Answer `POST /logout`: end the user's sessions in all browsers, and let the apps know."""
        account = self._account(request)
        if not _is_own_form(request, await form_of(request)):
            return pages.problem_page(403, "The form is not of this browser. Go back and try again.")
        login = self._login(request, account)
        if login is not None:
            self._simulator.end_user_session(account, login.user.id)
        response = _leads_to("home")
        response.delete_cookie(_SESSION, path=self._cookie_path(account))
        return response

    async def end_user_session(self, request: Request) -> Response:
        """Answer `POST /oauth/end_user_session`, with any access token of the account; success is not documented."""
        account, got = self._account(request), access(self._simulator, request, "users:read")
        body = await body_of(request)
        if got.account is not account or body.get("user_id") not in account.users:
            raise ApiError(404, "no such user")
        self._simulator.end_user_session(account, str(body["user_id"]))
        return Response(status_code=204)

    async def key_set(self, request: Request) -> Response:
        """Answer `GET /oauth/certs`: the public keys of ID tokens."""
        self._account(request)
        return JsonResponse(self._simulator.id_tokens.key_set())

    async def discovery(self, request: Request) -> Response:
        """Answer `GET /.well-known/openid-configuration`, where `discovery` says that there is one."""
        account, behavior = self._account(request), self._state.behavior
        if not behavior.discovery:
            raise ApiError(404, "Not Found")
        links = self._state.links_of(account)
        return JsonResponse(
            {
                "issuer": links.issuer(account.name, behavior.id_token_issuer),
                "authorization_endpoint": links.authorize_url(account.name),
                "token_endpoint": links.token_url(account.name),
                "userinfo_endpoint": f"{links.root}/users/me",
                "jwks_uri": f"{links.identity(account.name)}/oauth/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [behavior.id_token_algorithm],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def _account(self, request: Request) -> Account:
        name = account_name_of(request, self._state.links)
        account = None if name is None else self._state.account_named(name)
        if account is None:
            raise ApiError(404, "no such account")
        record_of(request).account = account.name
        return account

    def _asked(self, account: Account, request: Request) -> AuthorizationRequest:
        parameters = request.query_params.multi_items()
        simulator = self._simulator
        return read_request(self._state, simulator.tokens.clients, account, parameters, simulator.clock.now())

    def _login(self, request: Request, account: Account) -> Login | None:
        return self._simulator.logins.find(account, request.cookies.get(_SESSION))

    async def _log_in(self, request: Request, account: Account, asked: AuthorizationRequest | None = None) -> Response:
        """Show the form, or take it; after a login the browser comes again to the address that it came to."""
        leads_to = None if asked is None else asked.redirect_uri
        csrf = request.cookies.get(_CSRF) or secrets.token_urlsafe(16)
        problem, status = "", 200
        if request.method == "POST":
            form = await form_of(request)
            if not _is_own_form(request, form):
                return pages.problem_page(403, "The form is not of this browser. Go back and try again.")
            if form.get("action") == "cancel" and asked is not None:
                raise asked.refused("access_denied", "the user does not want to")
            try:
                cookie = self._begin(account, form.get("user", ""), form.get("password", ""))
            except NotFoundError:
                problem, status = "There is no such user, or the password is another one.", 403
            else:
                response = pages.again_page(f"?{request.url.query}" if request.url.query else request.url.path)
                self._set_cookie(request, response, account, _SESSION, cookie)
                return response
        page = pages.login_page(account, csrf, problem=problem, leads_to=leads_to, status=status)
        return self._with_csrf(request, account, page, csrf)

    def _begin(self, account: Account, user_id: str, password: str) -> str:
        """Begin a session. Raises NotFoundError, also for a wrong password."""
        user = self._state.user(account, user_id)
        expected = self._state.behavior.login_password
        if not user.active or not hmac.compare_digest(password.encode(), expected.encode()):
            raise NotFoundError("no such user with this password")
        return self._simulator.logins.begin(account, user)

    def _with_csrf(self, request: Request, account: Account, response: Response, csrf: str) -> Response:
        self._set_cookie(request, response, account, _CSRF, csrf)
        return response

    def _set_cookie(self, request: Request, response: Response, account: Account, name: str, value: str) -> None:
        secure = request.url.scheme == "https"
        path = self._cookie_path(account)
        response.set_cookie(name, value, path=path, secure=secure, httponly=True, samesite="lax")

    def _cookie_path(self, account: Account) -> str:
        """Return where the account's cookies go: accounts share a host unless there is an identity domain."""
        return quote(urlsplit(self._state.links.identity(account.name)).path, safe="/%") or "/"


def _is_own_form(request: Request, form: dict[str, str]) -> bool:
    secret = request.cookies.get(_CSRF, "")
    return bool(secret) and hmac.compare_digest(form.get("csrf", "").encode(), secret.encode())


def _leads_to(location: str) -> RedirectResponse:
    return RedirectResponse(location, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
