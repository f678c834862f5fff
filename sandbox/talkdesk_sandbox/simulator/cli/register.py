"""How an async function becomes a command that controls a running simulator.

Belongs here: what all such commands have in common: connection options, running, printing.
Does not belong here: what a command does.
"""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import TypeAdapter
from typer.core import TyperCommand
from typing_extensions import override

from talkdesk_sandbox.simulator.cli.options import DEFAULT_URL, URL_VARIABLE, AsJson, Ca, Url
from talkdesk_sandbox.simulator.cli.tables import show
from talkdesk_sandbox.simulator.control.client import Client
from talkdesk_sandbox.simulator.views.models import Outcome

_F = TypeVar("_F", bound=Callable[..., Awaitable[Any]])


class NotSentError(Exception):
    """A command created an event that nobody gets; `str()` says what to do."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Which simulator to control, and how to print what it says."""

    url: str | None = None
    ca: Path | None = None
    as_json: bool = False

    def or_else(self, other: "Connection") -> "Connection":
        """Return this connection, completed by another one."""
        return Connection(self.url or other.url, self.ca or other.ca, self.as_json or other.as_json)


class MultiValueCommand(TyperCommand):
    """A command whose repeatable options take several values at once.

    `--remove a b` means the same as `--remove a --remove b`.
    """

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        names = {name for param in self.params if getattr(param, "multiple", False) for name in param.opts}
        return super().parse_args(ctx, _repeated(args, names))


def connection_of(ctx: typer.Context, url: Url = None, ca: Ca = None, *, as_json: AsJson = False) -> None:
    """Keep the connection options of a group for its commands."""
    ctx.obj = Connection(url, ca, as_json)


def controls(
    app: typer.Typer, name: str | None = None, *, panel: str | None = None, epilog: str | None = None
) -> Callable[[_F], _F]:
    """Register an async function as a command: its first parameter is the client, the others are its options.

    The command has the connection options too, connects, and prints what the function returns.
    """

    def register(function: _F) -> _F:
        own = list(inspect.signature(function).parameters.values())[1:]
        shared = list(inspect.signature(connection_of).parameters.values())

        def run(**options: Any) -> None:
            ctx = options.pop("ctx")
            connection = Connection(options.pop("url"), options.pop("ca"), options.pop("as_json"))
            inherited = ctx.obj if isinstance(ctx.obj, Connection) else Connection()
            asyncio.run(_run(connection.or_else(inherited), function, options))

        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared)]
        vars(run)["__signature__"] = inspect.Signature(parameters)
        run.__doc__ = function.__doc__
        command_name = name or function.__name__.replace("_", "-")
        app.command(command_name, cls=MultiValueCommand, rich_help_panel=panel, epilog=epilog)(run)
        return function

    return register


async def _run(connection: Connection, function: Callable[..., Awaitable[Any]], options: dict[str, Any]) -> None:
    url = connection.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    async with Client(url, ca=connection.ca) as client:
        result = await function(client, **options)
    print(TypeAdapter(Any).dump_json(result).decode() if connection.as_json else show(result))
    if isinstance(result, Outcome) and result.kept:
        raise NotSentError(
            "nothing was sent, because the app has no callback: "
            f"talkdesk-simulator app {result.app_id} --callback URL, "
            f"and then talkdesk-simulator deliver {result.events[-1].id}; --no-deliver keeps an event on purpose"
        )


def _repeated(args: list[str], names: set[str]) -> list[str]:
    """Write the name of a repeatable option before each of its values."""
    out: list[str] = []
    name: str | None = None
    for argument in args:
        if argument.startswith("-"):
            name = argument if argument in names else None
        elif name is not None and out[-1] != name:
            out.append(name)
        out.append(argument)
    return out
