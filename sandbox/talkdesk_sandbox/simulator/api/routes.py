"""Routes of Talkdesk's API that partners call: token, account, users, apps, installations, signature keys.

Belongs here: reading requests, checking access, and responses as the reference pages show them.
Does not belong here: rules (`lifecycle`), token checks (`oauth`), faults.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_sandbox.simulator.api import payloads
from talkdesk_sandbox.simulator.api.access import LEGACY, access, body_of, form_of, record_of
from talkdesk_sandbox.simulator.api.errors import ApiError
from talkdesk_sandbox.simulator.api.identity import account_name_of, identity_routes
from talkdesk_sandbox.simulator.api.payloads import timestamp
from talkdesk_sandbox.simulator.http.responses import JsonResponse
from talkdesk_sandbox.simulator.lifecycle import credentials, installations
from talkdesk_sandbox.simulator.lifecycle.transitions import Verb
from talkdesk_sandbox.simulator.oauth.errors import TokenRefusedError
from talkdesk_sandbox.simulator.simulator import Simulator
from talkdesk_sandbox.simulator.state.errors import ConflictError, NotFoundError

_REASON_LENGTH = 2000


class TalkdeskApi:
    """The routes of one simulator that partners call."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._state = simulator.state

    def routes(self) -> list[Route]:
        """Return all routes."""
        installation = "/apps/{app_id}/installations/{installation_id}"
        return [
            *identity_routes("/oauth/token", self.token, ["POST"]),
            Route("/events/signature-keys/{key_id}", self.signature_key),
            Route("/account", self.account),
            Route("/users", self.account_users),
            Route("/users/me", self.userinfo),
            Route("/users/{user_id}", self.user),
            Route("/apps", self.apps),
            Route("/apps/{app_id}", self.app),
            Route("/apps/{app_id}/events/{event_id}", self.event),
            Route(installation, self.installation),
            Route(f"{installation}/state", self.state, methods=["POST"]),
            Route(f"{installation}/users", self.installation_users),
            Route(f"{installation}/subscription", self.subscription),
            Route(f"{installation}/trial", self.trial),
            Route(f"{installation}/credentials/actions/rotate", self.rotate, methods=["POST"]),
            Route(f"{installation}/credentials/{{client_id}}/state", self.acknowledge, methods=["POST"]),
        ]

    async def token(self, request: Request) -> Response:
        """Answer `POST /oauth/token`, by path or by host."""
        account_name = account_name_of(request, self._state.links)
        if account_name is None:
            return JsonResponse({"error": "invalid_request", "error_description": "no account in host or path"}, 404)
        record = record_of(request)
        record.account = account_name
        form = await form_of(request)
        try:
            answer = self._simulator.tokens.exchange(account_name, form, request.headers.get("authorization"))
        except TokenRefusedError as refused:
            return JsonResponse({"error": refused.error, "error_description": refused.description}, refused.status)
        record.effect = "token"
        return JsonResponse(answer, headers={"Cache-Control": "no-store"})

    async def signature_key(self, request: Request) -> Response:
        """Answer `GET /events/signature-keys/{key_id}`; no token needed."""
        behavior = self._state.behavior
        key = self._simulator.signing.find(request.path_params["key_id"], self._simulator.clock.now())
        if key is None:
            raise ApiError(404, "no such signature key")
        return JsonResponse(payloads.signature_key(key, behavior))

    async def account(self, request: Request) -> Response:
        """Answer `GET /account`."""
        got = access(self._simulator, request, "account:read")
        return JsonResponse(payloads.account(got.account, got.links))

    async def account_users(self, request: Request) -> Response:
        """Answer `GET /users`, with `active`, `email` and paging."""
        got, query = access(self._simulator, request, "users:read"), request.query_params
        users = [
            user
            for user in got.account.users.values()
            if query.get("email") in {None, user.email} and query.get("active") in {None, str(user.active).lower()}
        ]
        return JsonResponse(payloads.user_page(users, request.url.path, query, got.links, self._state.behavior))

    async def user(self, request: Request) -> Response:
        """Answer `GET /users/{id}`."""
        got = access(self._simulator, request, "users:read")
        try:
            user = self._state.user(got.account, request.path_params["user_id"])
        except NotFoundError:
            raise ApiError(404, "no such user") from None
        return JsonResponse(payloads.user(user, got.links))

    async def userinfo(self, request: Request) -> Response:
        """Answer `GET /users/me`: the user whose token it is."""
        login = access(self._simulator, request, "openid").login
        if login is None:
            raise ApiError(403, "the access token is no user's")
        return JsonResponse(payloads.userinfo(login.user, self._simulator.id_tokens.subject(login.user)))

    async def apps(self, request: Request) -> Response:
        """Answer `GET /apps`."""
        got = access(self._simulator, request, "apps:read")
        app = self._state.app(got.installation.app_id)
        return JsonResponse({"_embedded": {"apps": [payloads.app(app, got.links)]}, "_links": {}})

    async def app(self, request: Request) -> Response:
        """Answer `GET /apps/{app_id}`."""
        got = access(self._simulator, request, "apps:read")
        if request.path_params["app_id"] != got.installation.app_id:
            raise ApiError(404, "no such app")
        return JsonResponse(payloads.app(self._state.app(got.installation.app_id), got.links))

    async def event(self, request: Request) -> Response:
        """Answer `GET /apps/{app_id}/events/{event_id}`, as `event_reread` says."""
        got, form = access(self._simulator, request, "events:read"), self._state.behavior.event_reread
        event = self._state.events.get(request.path_params["event_id"])
        if event is None or form == "absent" or event.installation_id != got.installation.id:
            raise ApiError(404, "no such event")
        return JsonResponse(payloads.event(event, redacted=form == "redacted"))

    async def installation(self, request: Request) -> Response:
        """Answer `GET .../installations/{id}`."""
        got = access(self._simulator, request, "apps:read")
        scopes = self._state.app(got.installation.app_id).scopes
        return JsonResponse(payloads.installation(got.installation, list(scopes), got.links, self._state.behavior))

    async def installation_users(self, request: Request) -> Response:
        """Answer `GET .../users`: the licensed ones."""
        got = access(self._simulator, request, "apps:read")
        users = [user for each in got.installation.users if (user := got.account.users.get(each))]
        page = payloads.user_page(users, request.url.path, request.query_params, got.links, self._state.behavior)
        return JsonResponse(page)

    async def subscription(self, request: Request) -> Response:
        """Answer `GET .../subscription`."""
        got = access(self._simulator, request, "apps:read", errors=LEGACY)
        return JsonResponse(payloads.subscription(got.installation))

    async def trial(self, request: Request) -> Response:
        """Answer `GET .../trial`."""
        got = access(self._simulator, request, "apps:read")
        if got.installation.trial is None:
            raise ApiError(404, "no trial")
        return JsonResponse(payloads.trial(got.installation, got.installation.trial, got.links))

    async def state(self, request: Request) -> Response:
        """Answer `POST .../state`: approve or reject whatever is pending."""
        got = access(self._simulator, request, "apps:write", errors=LEGACY)
        body = await body_of(request)
        reason = body.get("reason")
        if body.get("state") not in tuple(Verb):
            raise ApiError(400, "state must be approve or reject")
        if reason is not None and (not isinstance(reason, str) or len(reason) > _REASON_LENGTH):
            raise ApiError(400, "reason must be a string of reasonable length")
        verb, now = Verb(body["state"]), self._simulator.clock.now()
        if installations.respond(self._state, got.installation, verb, reason, now):
            record_of(request).effect = got.installation.answers[-1]
            self._simulator.flush()
        elif self._state.behavior.wrong_state_status != 200:
            raise ApiError(self._state.behavior.wrong_state_status, "nothing is pending for this installation")
        return JsonResponse(
            payloads.answered(got.installation, verb, request.url.path, got.links, self._state.behavior)
        )

    async def rotate(self, request: Request) -> Response:
        """Answer `POST .../credentials/actions/rotate`."""
        got = access(self._simulator, request, "apps:write")
        try:
            credentials.rotate(self._state, got.installation, self._simulator.clock.now())
        except ConflictError as conflict:
            raise ApiError(403, str(conflict)) from None
        record_of(request).effect = "rotated"
        self._simulator.flush()
        status = self._state.behavior.rotate_status
        return Response(status_code=status) if status == 204 else JsonResponse({}, status)

    async def acknowledge(self, request: Request) -> Response:
        """Answer `POST .../credentials/{client_id}/state`."""
        got, now = access(self._simulator, request, "apps:write"), self._simulator.clock.now()
        if (await body_of(request)).get("state") != "acknowledged":
            raise ApiError(400, "state must be acknowledged")
        try:
            credentials.acknowledge(self._state, got.installation, request.path_params["client_id"], now)
        except NotFoundError as missing:
            raise ApiError(404, str(missing)) from None
        except ConflictError as conflict:
            raise ApiError(409, str(conflict)) from None
        record_of(request).effect = "acknowledged"
        href = got.links.root + request.url.path
        return JsonResponse(
            {"state": {"state": "acknowledged", "updated_at": timestamp(now)}, "_links": {"self": {"href": href}}}, 202
        )
