"""The ASGI application: Talkdesk's routes, the control routes, and the layer of faults around them.

Belongs here: putting them together. Does not belong here: what any of them does.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from talkdesk_sandbox.simulator.api import TalkdeskApi
from talkdesk_sandbox.simulator.api_access import api_error
from talkdesk_sandbox.simulator.control import Control
from talkdesk_sandbox.simulator.fault_middleware import CONTROL, FaultMiddleware
from talkdesk_sandbox.simulator.responses import ApiError, Json, error
from talkdesk_sandbox.simulator.simulator import Simulator


def create_app(simulator: Simulator) -> ASGIApp:
    """Put the application of one simulator together."""

    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, ApiError)  # noqa: S101 - Starlette calls this for nothing else
        return api_error(simulator, request, problem)

    async def unrouted(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)  # noqa: S101 - Starlette calls this for nothing else
        if request.url.path.startswith(CONTROL):
            return Json({"error": problem.detail}, problem.status_code)
        return error(problem.status_code, problem.detail, "standard")

    routes = [*Control(simulator).routes(), *TalkdeskApi(simulator).routes()]
    handlers = {ApiError: refused, HTTPException: unrouted}
    return FaultMiddleware(
        Starlette(routes=routes, exception_handlers=handlers),
        clock=simulator.clock,
        faults=simulator.faults,
        journal=simulator.journal,
    )
