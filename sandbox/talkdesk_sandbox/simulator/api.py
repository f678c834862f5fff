"""Routes of Talkdesk's API that partners call: token, account, users, apps, installations, signature keys.

Belongs here: reading requests, checking bearer and scope, writing answers as the reference pages show them.
Does not belong here: rules (`lifecycle`), token judgement (`tokens`), faults.
"""

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_sandbox.simulator import installations, payloads, rotation
from talkdesk_sandbox.simulator.api_access import Legacy, access, body_of, form_of, record_of
from talkdesk_sandbox.simulator.lifecycle import Verb
from talkdesk_sandbox.simulator.payloads import moment
from talkdesk_sandbox.simulator.responses import ApiError, Json
from talkdesk_sandbox.simulator.simulator import Simulator
from talkdesk_sandbox.simulator.tokens import TokenRefusedError
from talkdesk_sandbox.simulator.world import ConflictError, NotFoundError

_ANY_ACCOUNT = re.compile("^/accounts/(?P<account_name>.+)/oauth/token$", re.DOTALL)
Endpoint = Callable[[Request], Awaitable[Response]]
_REASON_LENGTH = 2000


class TalkdeskApi:
    """The partner-facing routes of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._world = simulator.world

    def routes(self) -> list[Route]:
        """Return all routes."""
        installation = "/apps/{app_id}/installations/{installation_id}"
        return [
            Route("/oauth/token", self.token, methods=["POST"]),
            _token_route(self.token),
            Route("/events/signature-keys/{key_id}", self.signature_key),
            Route("/account", self.account),
            Route("/users", self.account_users),
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
        host = request.headers.get("host", "")
        account_name = request.path_params.get("account_name") or self._world.links.account_of_host(host)
        if account_name is None:
            return Json({"error": "invalid_request", "error_description": "no account in host or path"}, 404)
        record = record_of(request)
        record.account = account_name
        form = await form_of(request)
        try:
            answer = self._simulator.tokens.exchange(account_name, form, request.headers.get("authorization"))
        except TokenRefusedError as refused:
            return Json({"error": refused.error, "error_description": refused.description}, refused.status)
        record.effect = "token"
        return Json(answer, headers={"Cache-Control": "no-store"})

    async def signature_key(self, request: Request) -> Response:
        """Answer `GET /events/signature-keys/{key_id}`; no token needed."""
        rules = self._world.rules
        key = self._simulator.signing.find(request.path_params["key_id"], self._simulator.clock.now())
        if key is None:
            raise ApiError(404, "no such signature key")
        return Json(payloads.signature_key(key, rules))

    async def account(self, request: Request) -> Response:
        """Answer `GET /account`."""
        got = access(self._simulator, request, "account:read")
        return Json(payloads.account(got.account, got.links))

    async def account_users(self, request: Request) -> Response:
        """Answer `GET /users`, with `active`, `email` and paging."""
        got, query = access(self._simulator, request, "users:read"), request.query_params
        users = [
            user
            for user in got.account.users.values()
            if query.get("email") in {None, user.email} and query.get("active") in {None, str(user.active).lower()}
        ]
        return Json(payloads.user_page(users, request.url.path, query, got.links, self._world.rules))

    async def user(self, request: Request) -> Response:
        """Answer `GET /users/{id}`."""
        got = access(self._simulator, request, "users:read")
        try:
            user = self._world.user(got.account, request.path_params["user_id"])
        except NotFoundError:
            raise ApiError(404, "no such user") from None
        return Json(payloads.user(user, got.links))

    async def apps(self, request: Request) -> Response:
        """Answer `GET /apps`."""
        got = access(self._simulator, request, "apps:read")
        app = self._world.app(got.installation.app_id)
        return Json({"_embedded": {"apps": [payloads.app(app, got.links)]}, "_links": {}})

    async def app(self, request: Request) -> Response:
        """Answer `GET /apps/{app_id}`."""
        got = access(self._simulator, request, "apps:read")
        if request.path_params["app_id"] != got.installation.app_id:
            raise ApiError(404, "no such app")
        return Json(payloads.app(self._world.app(got.installation.app_id), got.links))

    async def event(self, request: Request) -> Response:
        """Answer `GET /apps/{app_id}/events/{event_id}`, as `event_reread` says."""
        got, form = access(self._simulator, request, "events:read"), self._world.rules.event_reread
        event = self._world.events.get(request.path_params["event_id"])
        if event is None or form == "absent" or event.installation_id != got.installation.id:
            raise ApiError(404, "no such event")
        return Json(payloads.event(event, redacted=form == "redacted"))

    async def installation(self, request: Request) -> Response:
        """Answer `GET .../installations/{id}`."""
        got = access(self._simulator, request, "apps:read")
        scopes = self._world.app(got.installation.app_id).scopes
        return Json(payloads.installation(got.installation, list(scopes), got.links, self._world.rules))

    async def installation_users(self, request: Request) -> Response:
        """Answer `GET .../users`: the licensed ones."""
        got = access(self._simulator, request, "apps:read")
        users = [user for each in got.installation.users if (user := got.account.users.get(each))]
        page = payloads.user_page(users, request.url.path, request.query_params, got.links, self._world.rules)
        return Json(page)

    async def subscription(self, request: Request) -> Response:
        """Answer `GET .../subscription`."""
        got = access(self._simulator, request, "apps:read", errors=Legacy)
        return Json(payloads.subscription(got.installation))

    async def trial(self, request: Request) -> Response:
        """Answer `GET .../trial`."""
        got = access(self._simulator, request, "apps:read")
        if got.installation.trial is None:
            raise ApiError(404, "no trial")
        return Json(payloads.trial(got.installation, got.installation.trial, got.links))

    async def state(self, request: Request) -> Response:
        """Answer `POST .../state`: approve or reject whatever is pending."""
        got = access(self._simulator, request, "apps:write", errors=Legacy)
        body = await body_of(request)
        reason = body.get("reason")
        if body.get("state") not in tuple(Verb):
            raise ApiError(400, "state must be approve or reject")
        if reason is not None and (not isinstance(reason, str) or len(reason) > _REASON_LENGTH):
            raise ApiError(400, "reason must be a string of reasonable length")
        verb, now = Verb(body["state"]), self._simulator.clock.now()
        if installations.respond(self._world, got.installation, verb, reason, now):
            record_of(request).effect = got.installation.answers[-1]
            self._simulator.flush()
        elif self._world.rules.wrong_state_status != 200:
            raise ApiError(self._world.rules.wrong_state_status, "nothing is pending for this installation")
        return Json(payloads.answered(got.installation, verb, request.url.path, got.links, self._world.rules))

    async def rotate(self, request: Request) -> Response:
        """Answer `POST .../credentials/actions/rotate`."""
        got = access(self._simulator, request, "apps:write")
        try:
            rotation.rotate(self._world, got.installation, self._simulator.clock.now())
        except ConflictError as conflict:
            raise ApiError(403, str(conflict)) from None
        record_of(request).effect = "rotated"
        self._simulator.flush()
        status = self._world.rules.rotate_status
        return Response(status_code=status) if status == 204 else Json({}, status)

    async def acknowledge(self, request: Request) -> Response:
        """Answer `POST .../credentials/{client_id}/state`."""
        got, now = access(self._simulator, request, "apps:write"), self._simulator.clock.now()
        if (await body_of(request)).get("state") != "acknowledged":
            raise ApiError(400, "state must be acknowledged")
        try:
            rotation.acknowledge(self._world, got.installation, request.path_params["client_id"], now)
        except NotFoundError as missing:
            raise ApiError(404, str(missing)) from None
        except ConflictError as conflict:
            raise ApiError(409, str(conflict)) from None
        record_of(request).effect = "acknowledged"
        href = got.links.root + request.url.path
        return Json(
            {"state": {"state": "acknowledged", "updated_at": moment(now)}, "_links": {"self": {"href": href}}}, 202
        )


def _token_route(endpoint: Endpoint) -> Route:
    route = Route("/accounts/{account_name:path}/oauth/token", endpoint, methods=["POST"])
    # An account name may hold anything; Starlette's own pattern for a path stops at a line break.
    route.path_regex = _ANY_ACCOUNT
    return route
