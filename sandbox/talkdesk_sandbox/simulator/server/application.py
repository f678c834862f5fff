"""The ASGI application: Talkdesk's routes, the control routes, and the middleware around them.

Belongs here: putting them together. Does not belong here: what any of them does.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from talkdesk_sandbox.simulator.api.access import api_error
from talkdesk_sandbox.simulator.api.errors import ApiError, error
from talkdesk_sandbox.simulator.api.routes import TalkdeskApi
from talkdesk_sandbox.simulator.api.sign_on import SignOnApi
from talkdesk_sandbox.simulator.control.routes import ControlApi
from talkdesk_sandbox.simulator.http.middleware import CONTROL, FaultMiddleware
from talkdesk_sandbox.simulator.http.responses import JsonResponse
from talkdesk_sandbox.simulator.simulator import Simulator


def create_app(simulator: Simulator) -> ASGIApp:
    """Return the application of one simulator."""

    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, ApiError)  # noqa: S101 - Starlette calls this for nothing else
        return api_error(simulator, request, problem)

    async def unrouted(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)  # noqa: S101 - Starlette calls this for nothing else
        if request.url.path.startswith(CONTROL):
            return JsonResponse({"error": problem.detail}, problem.status_code)
        return error(problem.status_code, problem.detail, "standard")

    apis = (ControlApi(simulator), SignOnApi(simulator), TalkdeskApi(simulator))
    routes = [route for api in apis for route in api.routes()]
    handlers = {ApiError: refused, HTTPException: unrouted}
    return FaultMiddleware(
        Starlette(routes=routes, exception_handlers=handlers),
        clock=simulator.clock,
        faults=simulator.faults,
        journal=simulator.journal,
    )
