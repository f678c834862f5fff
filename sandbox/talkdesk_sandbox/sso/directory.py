"""The directory by HTTP: what the operator and the webhook tell it, and what tenants' apps ask.

Belongs here: routes, and who may use which. Does not belong here: what is kept (`users`, `logouts`, `hook.records`).

    /v1/tenants/...                         the operator, by an `http` step, signed
    /{tenant}/scim/v2/...                   the operator, with the bearer token of `users.scim`
    POST /single-logout                     Talkdesk's `user.logout`, passed on by the webhook, signed
    GET /v1/tenants/{tenant}/users/{user}   a tenant's app, with the tenant's own token
    GET /launch                             a user's browser that comes from Talkdesk
"""

import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from talkdesk_sandbox.hook import Notifications, Service
from talkdesk_sandbox.hook import application as hook_application
from talkdesk_sandbox.hook.records import Records, Tenant
from talkdesk_sandbox.hook.verification import TOLERANCE, NotSigned, verify
from talkdesk_sandbox.sso.logouts import Logouts
from talkdesk_sandbox.sso.pages import page
from talkdesk_sandbox.sso.secrets import TenantSecrets
from talkdesk_sandbox.sso.users import LicensedUsers

__all__ = ["Directory"]

_LARGEST_BODY: Final = 1_048_576
_SCIM: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Directory:
    """`app` is what to serve; `close` when done.

    `hook_keys` sign what the operator's `http` step sends, `logout_keys` what the webhook passes on.
    """

    def __init__(
        self,
        database: Path,
        *,
        hook_keys: Sequence[bytes],
        logout_keys: Sequence[bytes],
        scim_token: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._logouts, self.users = Records(database), Logouts(database), LicensedUsers()
        self._logout_keys, self._scim_token, self._clock = logout_keys, scim_token, clock
        partner = TenantSecrets()
        service, told = Service(self._records, partner, clock=clock), Notifications(self._records, partner)
        self.app = Starlette(
            routes=[
                Route("/{tenant}/scim/v2/{path:path}", self._scim, methods=_SCIM),
                Route("/single-logout", self._single_logout, methods=["POST"]),
                Route("/v1/tenants/{tenant}/users/{user}", self._user),
                Route("/launch", self._launch),
                Mount("/", hook_application(service, told, hook_keys, clock)),
            ]
        )

    def close(self) -> None:
        """Close the database."""
        self._logouts.close()
        self._records.close()

    async def _scim(self, request: Request) -> Response:
        if not _has_token(request, self._scim_token):
            return JSONResponse({"status": "401"}, 401, {"WWW-Authenticate": "Bearer"})
        tenant = request.path_params["tenant"]
        asked = ScimRequest(
            method=request.method,
            base_url=f"{request.url.scheme}://{request.url.netloc}/{tenant}/scim/v2",
            path=f"/{request.path_params['path']}",
            query=dict(request.query_params),
            headers=list(request.headers.items()),
            body=await request.body(),
        )
        answer = self.users.handle(tenant, asked)
        body = b"" if answer.body is None else orjson.dumps(answer.body)
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
        return Response(body, int(answer.status), headers, SCIM_MEDIA_TYPE if body else None)

    async def _single_logout(self, request: Request) -> Response:
        """Take a logout, for the first time or again: a 2xx is what keeps Talkdesk from sending it once more."""
        raw = bytearray()
        async for piece in request.stream():
            raw += piece
            if len(raw) > _LARGEST_BODY:
                return Response(status_code=413)
        try:
            verify(self._logout_keys, request.headers, bytes(raw), self._clock())
        except NotSigned as problem:
            return JSONResponse({"description": str(problem)}, 401)
        logout = _logout_in(bytes(raw), self._clock())
        if logout is None:
            return JSONResponse({"description": "no user.logout"}, 400)
        await run_in_threadpool(self._logouts.record, *logout)
        return Response(status_code=204)

    async def _user(self, request: Request) -> Response:
        """Answer what a tenant's app must know of a user before it lets them in."""
        tenant = await run_in_threadpool(self._tenant, request.path_params["tenant"])
        if tenant is None or not _has_token(request, tenant.secrets["token"]):
            return Response(status_code=401)
        user, about = request.path_params["user"], tenant.body
        logged_out = await run_in_threadpool(self._logouts.last, str(about["account"]["id"]), user)
        licensed = self.users.is_licensed(str(about["tenant"]["name"]), user)
        return JSONResponse({"licensed": licensed, "loggedOutTime": logged_out, "state": tenant.state})

    async def _launch(self, request: Request) -> Response:
        """Lead a launch to the customer's own address; what it says of the user is believed by nobody."""
        given = request.query_params
        hints = {name: given[name] for name in ("talkdesk_installation_id", "talkdesk_user_id") if name in given}
        tenants = await run_in_threadpool(self._tenants)
        installation = hints.get("talkdesk_installation_id")
        host = next((_host(each.body) for each in tenants if each.body["installation"]["id"] == installation), None)
        if host is None:
            return page(404, "Not found", "There is no customer with this installation.")
        return RedirectResponse(f"https://{host}/?{urlencode(hints)}", 303)

    def _tenant(self, name: str) -> Tenant | None:
        with self._records.transaction() as session:
            found = session.get(Tenant, name)
            if found is not None:
                session.expunge(found)
            return found

    def _tenants(self) -> list[Tenant]:
        with self._records.transaction() as session:
            found = list(session.scalars(select(Tenant)))
            session.expunge_all()
            return found


def _has_token(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


def _host(body: Mapping[str, Any]) -> str:
    """Return a tenant's address: the values of its app say below which domain they all are."""
    return f"{body['tenant']['name']}.{body['tenant']['values']['domain']}"


def _logout_in(raw: bytes, now: float) -> tuple[str, str, float] | None:
    """Return account, user and time of a logout event; None for anything else."""
    try:
        event = json.loads(raw)
        data, at = event["data"], _time(event.get("created_at"), now)
        account, user, kind = data["account_id"], data["user_id"], event.get("type", event.get("event_type"))
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    known = kind == "user.logout" and isinstance(account, str) and isinstance(user, str)
    return (account, user, at) if known else None


def _time(text: Any, now: float) -> float:
    """Return when the session ended by Talkdesk's clock, which ID tokens have as well; never in the future."""
    try:
        at = datetime.fromisoformat(text)
        said = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return now
    return said if said <= now + TOLERANCE else now
