"""The control API under `/_control`: JSON in, JSON out, one line each.

Belongs here: routes and their error answers. Does not belong here: carrying out commands (`simulator`).
It has no password and hands out signed events: keep it on loopback.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_sandbox.simulator import commands, results, views
from talkdesk_sandbox.simulator.fault_middleware import CONTROL
from talkdesk_sandbox.simulator.faults import Fault
from talkdesk_sandbox.simulator.responses import Json
from talkdesk_sandbox.simulator.simulator import Simulator
from talkdesk_sandbox.simulator.world import ConflictError, NotFoundError

_C = TypeVar("_C", bound=BaseModel)
_FAULT: TypeAdapter[Any] = TypeAdapter(Fault)
Endpoint = Callable[[Request], Awaitable[Response]]


class Control:
    """The control routes of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        """Return all routes."""
        simulator = self._simulator
        table: list[tuple[str, str, Endpoint]] = [
            ("POST", "/install", _command(commands.Install, simulator.install)),
            ("POST", "/update", _command(commands.Update, simulator.update)),
            ("POST", "/uninstall", _command(commands.Uninstall, simulator.uninstall)),
            ("POST", "/reinstall", _command(commands.Reinstall, simulator.reinstall)),
            ("POST", "/rotate", _command(commands.Rotate, simulator.rotate)),
            ("POST", "/trial", _command(commands.TrialCommand, simulator.trial)),
            ("POST", "/logout", _command(commands.Logout, simulator.logout)),
            ("POST", "/supervise", _command(commands.Supervise, simulator.supervise)),
            ("POST", "/users", _command(commands.Users, simulator.change_users)),
            ("POST", "/rename", _command(commands.Rename, simulator.rename)),
            ("POST", "/apps", _command(commands.AppChange, simulator.change_app)),
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
            ("POST", "/deliveries/settle", self.settle),
            ("POST", "/deliveries/release", self.release),
            ("GET", "/events", self.events),
            ("POST", "/events/{event_id}/sign", self.sign),
            ("POST", "/events/{event_id}/deliver", self.deliver),
        ]
        return [Route(CONTROL + path, _guarded(endpoint), methods=[method]) for method, path, endpoint in table]

    async def state(self, _: Request) -> Response:
        """Show the world."""
        simulator = self._simulator
        return _shown(views.world_view(simulator.world, simulator.signing, simulator.clock.now()))

    async def clock(self, _: Request) -> Response:
        """Show the time."""
        clock = self._simulator.clock
        return _shown(results.ClockView(now=clock.now(), offset=clock.offset))

    async def move(self, request: Request) -> Response:
        """Move the clock; answers when all that was due has happened."""
        command = commands.Move.model_validate_json(await request.body())
        try:
            await self._simulator.move(command.by)
        except ValueError as problem:
            raise ConflictError(str(problem)) from None
        return await self.clock(request)

    async def settings(self, _: Request) -> Response:
        """Show the behaviour."""
        return _shown(self._simulator.world.rules)

    async def change_settings(self, request: Request) -> Response:
        """Change the behaviour."""
        patch = TypeAdapter(dict[str, Any]).validate_json(await request.body())
        return _shown(self._simulator.change_settings(patch))

    async def rotate_signing_key(self, _: Request) -> Response:
        """Sign with a new key."""
        return Json({"key_id": self._simulator.rotate_signing_key()})

    async def end_tokens(self, _: Request) -> Response:
        """Make all access tokens invalid."""
        self._simulator.tokens.end_all()
        return Json({})

    async def faults(self, _: Request) -> Response:
        """List faults and how often each has hit."""
        listed = self._simulator.faults.listed()
        return _listed(results.FaultView(number=number, fault=fault, hits=hits) for number, fault, hits in listed)

    async def set_fault(self, request: Request) -> Response:
        """Set a fault."""
        fault = _FAULT.validate_json(await request.body())
        return _shown(results.FaultView(number=self._simulator.faults.set(fault), fault=fault, hits=0))

    async def clear_faults(self, request: Request) -> Response:
        """Clear one fault or all."""
        number = request.path_params.get("number")
        if not self._simulator.faults.clear(number):
            raise NotFoundError(f"no fault {number}")
        return Json({})

    async def requests(self, request: Request) -> Response:
        """List what consumers asked: `?since=`, `?installation=`, `?effect=`."""
        query = request.query_params
        records = self._simulator.journal.records(
            since=_sequence(query.get("since", "0")),
            installation_id=query.get("installation"),
            effect=query.get("effect"),
        )
        return _listed(views.record_view(record) for record in records)

    async def clear_requests(self, _: Request) -> Response:
        """Forget what consumers asked."""
        self._simulator.journal.clear()
        return Json({})

    async def deliveries(self, request: Request) -> Response:
        """List deliveries: `?event=`, `?installation=`."""
        event, installation = (request.query_params.get(name) for name in ("event", "installation"))
        return _listed(
            views.delivery_view(each)
            for each in self._simulator.courier.log
            if event in {None, each.event.id} and installation in {None, each.event.installation_id}
        )

    async def settle(self, _: Request) -> Response:
        """Wait until nothing is on its way to a callback."""
        await self._simulator.courier.settled()
        return Json({})

    async def release(self, _: Request) -> Response:
        """Send what is held."""
        return Json({"released": self._simulator.courier.release()})

    async def events(self, request: Request) -> Response:
        """List events: `?installation=`."""
        installation = request.query_params.get("installation")
        every = self._simulator.world.events.values()
        return _listed(views.event_ref(each) for each in every if installation in {None, each.installation_id})

    async def sign(self, request: Request) -> Response:
        """Sign an event for somebody else to send."""
        event = self._simulator.world.event(request.path_params["event_id"])
        signed, url = self._simulator.sign(event), self._simulator.callback(event.app_id)
        return _shown(
            results.Signed(event_id=event.id, headers=signed.headers, body=signed.body.decode("utf-8"), url=url)
        )

    async def deliver(self, request: Request) -> Response:
        """Deliver an event, again if it was before: `?url=`."""
        event = self._simulator.world.event(request.path_params["event_id"])
        if not self._simulator.deliver(event, request.query_params.get("url")):
            raise ConflictError("there is no callback: name one, or give the app one")
        return _shown(views.event_ref(event))


def _command(model: type[_C], carry_out: Callable[[_C], Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        result = carry_out(model.model_validate_json(await request.body() or b"{}"))
        return _shown(result) if isinstance(result, BaseModel) else Json({} if result is None else result)

    return endpoint


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ValidationError as problem:
            return Json({"error": _first(problem)}, 400)
        except NotFoundError as problem:
            return Json({"error": str(problem)}, 404)
        except ConflictError as problem:
            return Json({"error": str(problem)}, 409)

    return guarded


def _first(problem: ValidationError) -> str:
    detail = problem.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in detail["loc"])
    return f"{place}: {detail['msg']}" if place else detail["msg"]


def _sequence(text: str) -> int:
    return TypeAdapter(int).validate_python(text)


def _shown(model: BaseModel) -> Response:
    return Json(model.model_dump(mode="json"))


def _listed(models: Any) -> Response:
    return Json([model.model_dump(mode="json") for model in models])
