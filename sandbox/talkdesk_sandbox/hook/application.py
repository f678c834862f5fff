"""The service by HTTP, as a Starlette application.

Belongs here: routes, the limit of a body, the order in which a request is judged. Does not belong here: the rules
(`service`), signatures (`verification`).
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from talkdesk_sandbox.hook.notifications import EventUnusable, Notifications, read
from talkdesk_sandbox.hook.partner import PartnerFailed
from talkdesk_sandbox.hook.service import Answer, Change, Service
from talkdesk_sandbox.hook.verification import NotSigned, verify

__all__ = ["application"]

MAX_BODY: Final = 1_048_576
"""Bytes. The operator's requests are much smaller; what is longer is not read."""
MAX_NAME: Final = 63
"""Characters of a tenant's name."""
STATES: Final = frozenset({"Active", "Suspended", "Offboarded"})


class _Refused(Exception):
    """The request gets this status, and nothing is done."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status


def application(
    service: Service, notifications: Notifications, keys: Sequence[bytes], clock: Callable[[], float] = time.time
) -> Starlette:
    """Return the application; `keys` are those that may sign, `clock` gives seconds since 1970."""

    async def change(request: Request) -> Response:
        raw = await _body(request)
        _verify(keys, request, raw, clock())
        wanted = _change(request, raw)
        return _response(await run_in_threadpool(service.change, wanted))

    async def last_operation(request: Request) -> Response:
        _verify(keys, request, b"", clock())
        return _response(await run_in_threadpool(service.last_operation, request.path_params["tenant"]))

    async def notify(request: Request) -> Response:
        body = await _body(request)
        _verify(keys, request, body, clock())
        try:
            event = read(request.headers["webhook-id"], body)
        except EventUnusable as problem:
            raise _Refused(400, str(problem)) from None
        await run_in_threadpool(notifications.take, event)
        return Response(status_code=200)

    return Starlette(
        routes=[
            # Your own path may stand before: https://control.example.com/v1/tenants is the `url` of the step.
            Route("/v1/tenants/{tenant}", change, methods=["PUT", "DELETE"]),
            Route("/v1/tenants/{tenant}/last_operation", last_operation, methods=["GET"]),
            Route("/v1/notifications", notify, methods=["POST"]),
        ],
        exception_handlers={_Refused: _refused, PartnerFailed: _failed, ClientDisconnect: _cut},
    )


async def _body(request: Request) -> bytes:
    """Return the body; raise _Refused as soon as it is too long, and ClientDisconnect where its end does not come."""
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > MAX_BODY:
            raise _Refused(413, f"the body is longer than {MAX_BODY} bytes")
    return bytes(read)


def _verify(keys: Sequence[bytes], request: Request, raw: bytes, now: float) -> None:
    try:
        verify(keys, request.headers, raw, now)
    except NotSigned as problem:
        raise _Refused(401, str(problem)) from None


def _change(request: Request, raw: bytes) -> Change:
    """Return what a request asks for. Members that are not known here are no error: there will be new ones."""
    body, tenant = _object(raw), str(request.path_params["tenant"])
    if len(tenant) > MAX_NAME:
        raise _Refused(400, "the tenant's name is too long")
    # The signature is over the body alone. Without the next two, who recorded a request could send it elsewhere.
    named = body.get("tenant")
    if not isinstance(named, dict) or named.get("id") != tenant:
        raise _Refused(400, "tenant.id in the body is not the one of the path")
    if body.get("state") not in ({"Deleted"} if request.method == "DELETE" else STATES):
        raise _Refused(400, f"state in the body is not one for {request.method}")
    # The id is signed, the other header is not.
    return Change(request.method, tenant, request.headers["webhook-id"], body, raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise _Refused(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise _Refused(400, "the body is no JSON object")
    return body


def _response(answer: Answer) -> Response:
    headers = {"Retry-After": str(answer.wait)} if answer.wait > 0 else None
    return JSONResponse(dict(answer.content), answer.status, headers)


async def _refused(_: Request, problem: Exception) -> Response:
    status = problem.status if isinstance(problem, _Refused) else 400
    return JSONResponse({"description": str(problem)}, status)


async def _failed(_: Request, failure: Exception) -> Response:
    return JSONResponse({"description": str(failure)}, 500)


async def _cut(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it
