"""A typed client of the control API.

Belongs here: one method for each control route. Does not belong here: what a partner's app calls (`api`).

Errors::

    ControlError           the simulator refused (status and its one-line reason) or could not be reached (status 0)
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
from httpx_aiohttp import HttpxAiohttpClient
from pydantic import BaseModel, TypeAdapter

from talkdesk_sandbox.simulator import commands, views
from talkdesk_sandbox.simulator.crypto.tls import client_context
from talkdesk_sandbox.simulator.durations import format_duration, parse_duration
from talkdesk_sandbox.simulator.faults.kinds import ApiFault, DeliveryFault
from talkdesk_sandbox.simulator.settings import Behavior

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ControlError(Exception):
    """The simulator refused, or could not be reached."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{reason} ({status})" if status else reason)
        self.status = status


def _sends(
    model: Callable[_P, BaseModel], path: str
) -> Callable[Concatenate["Client", _P], Coroutine[Any, Any, views.Outcome]]:
    async def send(client: "Client", /, *args: _P.args, **fields: _P.kwargs) -> views.Outcome:
        return await client.call(views.Outcome, "POST", path, model(*args, **fields))

    return send


class Client:
    """Speaks to `{url}/_control`. Commands take the fields of their models in `commands` as keywords."""

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        # No timeout: moving the clock waits for deliveries, each of which has its own limit.
        self._url = url
        self._http: httpx.AsyncClient = HttpxAiohttpClient(
            base_url=f"{url}/_control", timeout=None, verify=client_context(ca)
        )

    async def __aenter__(self) -> Self:
        """Do nothing: connections are made when they are needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    install = _sends(commands.Install, "/install")
    """Install an app in an account; both are created when they are new. Keywords: fields of `commands.Install`."""
    update = _sends(commands.Update, "/update")
    """Change users or plan. Keywords: fields of `commands.Update`."""
    uninstall = _sends(commands.Uninstall, "/uninstall")
    """Uninstall. Keywords: fields of `commands.Uninstall`."""
    reinstall = _sends(commands.Reinstall, "/reinstall")
    """Install again. Keywords: fields of `commands.Reinstall`."""
    rotate = _sends(commands.Rotate, "/rotate")
    """Rotate credentials. Keywords: fields of `commands.Rotate`."""
    trial = _sends(commands.TrialCommand, "/trial")
    """Start, extend or end a trial. Keywords: fields of `commands.TrialCommand`."""
    logout = _sends(commands.Logout, "/logout")
    """Log a user out. Keywords: fields of `commands.Logout`."""
    supervise = _sends(commands.Supervise, "/supervise")
    """Suspend, resume or revoke. Keywords: fields of `commands.Supervise`."""

    async def users(self, account: str, **fields: Any) -> list[str]:
        """Change an account's users (fields of `commands.Users`); return the ids of the added ones."""
        return await self.call(list[str], "POST", "/users", commands.Users(account=account, **fields))

    async def rename(self, account: str, name: str) -> None:
        """Rename an account."""
        await self.call(dict[str, Any], "POST", "/rename", commands.Rename(account=account, name=name))

    async def app(self, app_id: str, **fields: Any) -> None:
        """Register or change an app: fields of `commands.AppChange`."""
        await self.call(dict[str, Any], "POST", "/apps", commands.AppChange(app_id=app_id, **fields))

    async def launch(self, **fields: Any) -> views.LaunchView:
        """Return what opens an installation's app: fields of `commands.Launch`."""
        return await self.call(views.LaunchView, "POST", "/launch", commands.Launch(**fields))

    async def state(self) -> views.StateView:
        """Return the state."""
        return await self.call(views.StateView, "GET", "/state")

    async def installation(self, installation_id: str) -> views.InstallationView:
        """Return one installation. Raises ControlError with status 404."""
        for installation in (await self.state()).installations:
            if installation.id == installation_id:
                return installation
        raise ControlError(404, f"no installation {installation_id!r}")

    async def clock(self) -> views.ClockView:
        """Return the simulator's time."""
        return await self.call(views.ClockView, "GET", "/clock")

    async def move(self, by: timedelta | str) -> views.ClockView:
        """Move the clock forward, by `7d` or a timedelta; returns when everything that was due has happened."""
        length = parse_duration(by) if isinstance(by, str) else by
        return await self.call(views.ClockView, "POST", "/clock", commands.Move(by=length))

    async def settings(self) -> Behavior:
        """Return the behavior."""
        return await self.call(Behavior, "GET", "/settings")

    async def change_settings(self, **fields: Any) -> Behavior:
        """Change the behavior: fields of `settings.Behavior`; durations as `7d` or timedelta."""
        patch = {name: format_duration(v) if isinstance(v, timedelta) else v for name, v in fields.items()}
        return await self.call(Behavior, "PATCH", "/settings", patch)

    async def rotate_signing_key(self) -> str:
        """Sign events with a new key from now on; return its id."""
        answer = await self.call(dict[str, str], "POST", "/signing-keys/rotate")
        return answer["key_id"]

    async def end_tokens(self) -> None:
        """Make all access tokens invalid."""
        await self.call(dict[str, Any], "POST", "/tokens/end")

    async def set_fault(self, fault: ApiFault | DeliveryFault) -> int:
        """Set a fault; return its number."""
        view = await self.call(views.FaultView, "POST", "/faults", fault)
        return view.number

    async def faults(self) -> list[views.FaultView]:
        """Return the faults and how often each has hit."""
        return await self.call(list[views.FaultView], "GET", "/faults")

    async def clear_faults(self, number: int | None = None) -> None:
        """Clear one fault or all."""
        await self.call(dict[str, Any], "DELETE", "/faults" if number is None else f"/faults/{number}")

    async def requests(
        self, *, since: int = 0, installation: str | None = None, effect: str | None = None
    ) -> list[views.RecordView]:
        """Return requests of consumers, oldest first. `effect` is, for example, `approve` or `approve:completed`."""
        query = {"since": str(since), "installation": installation, "effect": effect}
        return await self.call(list[views.RecordView], "GET", "/requests", query=query)

    async def clear_requests(self) -> None:
        """Remove the records of consumers' requests."""
        await self.call(dict[str, Any], "DELETE", "/requests")

    async def deliveries(
        self, *, event: str | None = None, installation: str | None = None
    ) -> list[views.DeliveryView]:
        """Return deliveries, oldest first."""
        query = {"event": event, "installation": installation}
        return await self.call(list[views.DeliveryView], "GET", "/deliveries", query=query)

    async def drain(self) -> None:
        """Wait until no attempt to deliver is running."""
        await self.call(dict[str, Any], "POST", "/deliveries/drain")

    async def release(self) -> int:
        """Send every held delivery; return how many there were."""
        answer = await self.call(dict[str, int], "POST", "/deliveries/release")
        return answer["released"]

    async def events(self, *, installation: str | None = None) -> list[views.EventRef]:
        """Return events, oldest first."""
        return await self.call(list[views.EventRef], "GET", "/events", query={"installation": installation})

    async def sign(self, event_id: str) -> views.SignedEventView:
        """Return an event with its signature, to send it yourself."""
        return await self.call(views.SignedEventView, "POST", f"/events/{event_id}/sign")

    async def deliver(self, event_id: str, *, url: str | None = None) -> views.EventRef:
        """Deliver an event, also one that was delivered before."""
        return await self.call(views.EventRef, "POST", f"/events/{event_id}/deliver", query={"url": url})

    async def call(
        self, shape: type[_T], method: str, path: str, body: Any = None, *, query: dict[str, str | None] | None = None
    ) -> _T:
        """Call any control route and return its response as a type. Raises ControlError."""
        content = body.model_dump_json() if isinstance(body, BaseModel) else body and TypeAdapter(Any).dump_json(body)
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = await self._http.request(method, path, content=content, params=params)
        except httpx.HTTPError as problem:
            raise ControlError(
                0, f"no simulator answers at {self._url} ({type(problem.__cause__ or problem).__name__})"
            ) from None
        if response.is_success:
            return TypeAdapter(shape).validate_json(response.content)
        raise ControlError(response.status_code, _reason(response))


def _reason(response: httpx.Response) -> str:
    """Return the simulator's words; what a proxy in between says is no JSON."""
    try:
        return str(response.json()["error"])
    except (ValueError, TypeError, KeyError):
        return "refused"
