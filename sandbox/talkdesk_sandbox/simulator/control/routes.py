"""The control API under `/_control`: JSON in, JSON out, one line each.

Belongs here: routes and their error responses. Does not belong here: carrying out commands (`commands`).
It has no password and hands out signed events: keep it on loopback.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_sandbox.simulator import commands, views
from talkdesk_sandbox.simulator.faults.kinds import Fault
from talkdesk_sandbox.simulator.http.middleware import CONTROL
from talkdesk_sandbox.simulator.http.responses import JsonResponse
from talkdesk_sandbox.simulator.simulator import Simulator
from talkdesk_sandbox.simulator.state.errors import ConflictError, NotFoundError
from talkdesk_sandbox.simulator.views import build

_C = TypeVar("_C", bound=BaseModel)
_FAULT: TypeAdapter[Any] = TypeAdapter(Fault)
Endpoint = Callable[[Request], Awaitable[Response]]


class ControlApi:
    """The control routes of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        """Return all routes."""
        table = (*self._commands(), *self._other())
        return [Route(CONTROL + path, _guarded(endpoint), methods=[method]) for method, path, endpoint in table]

    def _commands(self) -> list[tuple[str, str, Endpoint]]:
        simulator = self._simulator
        return [
            ("POST", "/install", _command(commands.Install, simulator.install)),
            ("POST", "/update", _command(commands.Update, simulator.update)),
            ("POST", "/uninstall", _command(commands.Uninstall, simulator.uninstall)),
            ("POST", "/reinstall", _command(commands.Reinstall, simulator.reinstall)),
            ("POST", "/rotate", _command(commands.Rotate, simulator.rotate)),
            ("POST", "/trial", _command(commands.TrialCommand, simulator.trial)),
            ("POST", "/logout", _command(commands.Logout, simulator.logout)),
            ("POST", "/launch", _command(commands.Launch, simulator.launch)),
            ("POST", "/supervise", _command(commands.Supervise, simulator.supervise)),
            ("POST", "/users", _command(commands.Users, simulator.change_users)),
            ("POST", "/rename", _command(commands.Rename, simulator.rename)),
            ("POST", "/apps", _command(commands.AppChange, simulator.change_app)),
        ]

    def _other(self) -> list[tuple[str, str, Endpoint]]:
        return [
            ("GET", "/state", self.state),
            ("GET", "/clock", self.clock),
            ("POST", "/clock", self.move),
            ("GET", "/settings", self.settings),
            ("PATCH", "/settings", self.change_settings),
            ("POST", "/signing-keys/rotate", self.rotate_signing_key),
            ("POST", "/tokens/end", self.end_tokens),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.set_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("DELETE", "/faults/{number:int}", self.clear_faults),
            ("GET", "/requests", self.requests),
            ("DELETE", "/requests", self.clear_requests),
            ("GET", "/deliveries", self.deliveries),
            ("POST", "/deliveries/drain", self.drain),
            ("POST", "/deliveries/release", self.release),
            ("GET", "/events", self.events),
            ("POST", "/events/{event_id}/sign", self.sign),
            ("POST", "/events/{event_id}/deliver", self.deliver),
        ]

    async def state(self, _: Request) -> Response:
        """Show the state."""
        simulator = self._simulator
        return _one(build.state_view(simulator.state, simulator.signing, simulator.clock.now()))

    async def clock(self, _: Request) -> Response:
        """Show the time."""
        clock = self._simulator.clock
        return _one(views.ClockView(now=clock.now(), offset=clock.offset))

    async def move(self, request: Request) -> Response:
        """Move the clock; respond when everything that was due has happened."""
        command = commands.Move.model_validate_json(await request.body())
        try:
            await self._simulator.move(command.by)
        except ValueError as problem:
            raise ConflictError(str(problem)) from None
        return await self.clock(request)

    async def settings(self, _: Request) -> Response:
        """Show the behavior."""
        return _one(self._simulator.state.behavior)

    async def change_settings(self, request: Request) -> Response:
        """Change the behavior."""
        patch = TypeAdapter(dict[str, Any]).validate_json(await request.body())
        return _one(self._simulator.change_settings(patch))

    async def rotate_signing_key(self, _: Request) -> Response:
        """Sign with a new key."""
        return JsonResponse({"key_id": self._simulator.rotate_signing_key()})

    async def end_tokens(self, _: Request) -> Response:
        """Make all access tokens invalid."""
        self._simulator.tokens.end_all()
        return JsonResponse({})

    async def faults(self, _: Request) -> Response:
        """List faults and how often each has hit."""
        listed = self._simulator.faults.listed()
        return _many(views.FaultView(number=number, fault=fault, hits=hits) for number, fault, hits in listed)

    async def set_fault(self, request: Request) -> Response:
        """Set a fault."""
        fault = _FAULT.validate_json(await request.body())
        return _one(views.FaultView(number=self._simulator.faults.set(fault), fault=fault, hits=0))

    async def clear_faults(self, request: Request) -> Response:
        """Clear one fault or all."""
        number = request.path_params.get("number")
        if not self._simulator.faults.clear(number):
            raise NotFoundError(f"no fault {number}")
        return JsonResponse({})

    async def requests(self, request: Request) -> Response:
        """List requests of consumers: `?since=`, `?installation=`, `?effect=`."""
        query = request.query_params
        records = self._simulator.journal.records(
            since=_sequence(query.get("since", "0")),
            installation_id=query.get("installation"),
            effect=query.get("effect"),
        )
        return _many(build.record_view(record) for record in records)

    async def clear_requests(self, _: Request) -> Response:
        """Remove the records of consumers' requests."""
        self._simulator.journal.clear()
        return JsonResponse({})

    async def deliveries(self, request: Request) -> Response:
        """List deliveries: `?event=`, `?installation=`."""
        event, installation = (request.query_params.get(name) for name in ("event", "installation"))
        return _many(
            build.delivery_view(each)
            for each in self._simulator.dispatcher.log
            if event in {None, each.event.id} and installation in {None, each.event.installation_id}
        )

    async def drain(self, _: Request) -> Response:
        """Wait until no attempt to deliver is running."""
        await self._simulator.dispatcher.drain()
        return JsonResponse({})

    async def release(self, _: Request) -> Response:
        """Send every held delivery."""
        return JsonResponse({"released": self._simulator.dispatcher.release()})

    async def events(self, request: Request) -> Response:
        """List events: `?installation=`."""
        installation = request.query_params.get("installation")
        every = self._simulator.state.events.values()
        return _many(build.event_ref(each) for each in every if installation in {None, each.installation_id})

    async def sign(self, request: Request) -> Response:
        """Sign an event that somebody else will send."""
        event = self._simulator.state.event(request.path_params["event_id"])
        signed, url = self._simulator.sign(event), self._simulator.callback(event.app_id)
        return _one(
            views.SignedEventView(event_id=event.id, headers=signed.headers, body=signed.body.decode("utf-8"), url=url)
        )

    async def deliver(self, request: Request) -> Response:
        """Deliver an event, also one that was delivered before: `?url=`."""
        event = self._simulator.state.event(request.path_params["event_id"])
        if not self._simulator.deliver(event, request.query_params.get("url")):
            raise ConflictError("there is no callback: name one, or give the app one")
        return _one(build.event_ref(event))


def _command(model: type[_C], carry_out: Callable[[_C], Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        result = carry_out(model.model_validate_json(await request.body() or b"{}"))
        return _one(result) if isinstance(result, BaseModel) else JsonResponse({} if result is None else result)

    return endpoint


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ValidationError as problem:
            return JsonResponse({"error": _reason(problem)}, 400)
        except NotFoundError as problem:
            return JsonResponse({"error": str(problem)}, 404)
        except ConflictError as problem:
            return JsonResponse({"error": str(problem)}, 409)

    return guarded


def _reason(problem: ValidationError) -> str:
    detail = problem.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in detail["loc"])
    return f"{place}: {detail['msg']}" if place else detail["msg"]


def _sequence(text: str) -> int:
    return TypeAdapter(int).validate_python(text)


def _one(model: BaseModel) -> Response:
    return JsonResponse(model.model_dump(mode="json"))


def _many(models: Any) -> Response:
    return JsonResponse([model.model_dump(mode="json") for model in models])
