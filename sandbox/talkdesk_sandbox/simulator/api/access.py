"""Access checks of API requests: bearer token, scope, installation; and reading request bodies.

Belongs here: checks that every API route shares. Does not belong here: routes.
"""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

from talkdesk_sandbox.simulator.api.errors import ApiError, error
from talkdesk_sandbox.simulator.http.journal import Record
from talkdesk_sandbox.simulator.http.middleware import RECORD
from talkdesk_sandbox.simulator.oauth.logins import Login
from talkdesk_sandbox.simulator.simulator import Simulator
from talkdesk_sandbox.simulator.state.entities import Account, Installation
from talkdesk_sandbox.simulator.state.installation_state import InstallationState
from talkdesk_sandbox.simulator.state.links import Links

Shape = Literal["standard", "legacy"]
LEGACY: Shape = "legacy"
_SHAPE = "talkdesk.error-shape"
_BODY_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """What a request has access to."""

    installation: Installation
    account: Account
    links: Links
    """URLs that the response names."""
    login: Login | None = None
    """The user's session that the token comes from; None for a token of the app itself."""


def access(simulator: Simulator, request: Request, scope: str, *, errors: Shape = "standard") -> Access:
    """Check the bearer token, its scope, and that the path names the token's own installation. Raises ApiError."""
    request.scope[_SHAPE] = errors
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    grant = simulator.tokens.find(token) if scheme.lower() == "bearer" else None
    if grant is None:
        raise ApiError(401, "the access token is missing, expired or revoked")
    installation, state = grant.installation, simulator.state
    account = state.account_of(installation)
    record = record_of(request)
    record.account, record.installation_id = account.name, installation.id
    if installation.state is InstallationState.UNINSTALLED and state.behavior.after_uninstall_status != 200:
        raise ApiError(state.behavior.after_uninstall_status, "the installation is gone")
    if scope not in grant.scopes:
        raise ApiError(403, f"the access token lacks the scope {scope}")
    path = request.path_params
    if "installation_id" in path and (path["app_id"], path["installation_id"]) != (
        installation.app_id,
        installation.id,
    ):
        known = state.installations.get(path["installation_id"])
        if known is None or known.app_id != path["app_id"]:
            raise ApiError(404, "no such installation")
        raise ApiError(403, "the access token belongs to another installation")
    return Access(installation, account, state.links_of(account), grant.login)


def record_of(request: Request) -> Record:
    """Return the journal's record of a request."""
    record: Record = request.scope[RECORD]
    return record


async def body_of(request: Request) -> dict[str, Any]:
    """Return the body, which must be a JSON object. Raises ApiError for anything else."""
    try:
        document = orjson.loads(await _read(request))
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise ApiError(400, "the body must be a JSON object")
    return document


async def form_of(request: Request) -> dict[str, str]:
    """Return a urlencoded form; anything else counts as an empty one. Raises ApiError when it is too large."""
    body = await _read(request)
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def api_error(simulator: Simulator, request: Request, problem: ApiError) -> Response:
    """Return an error response in the shape that the route documents, or that `error_shape` sets."""
    chosen = simulator.state.behavior.error_shape
    documented: Shape = request.scope.get(_SHAPE, "standard")
    return error(problem.status, problem.message, documented if chosen == "documented" else chosen)


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise ApiError(413, "the body is too large")
    return bytes(body)
