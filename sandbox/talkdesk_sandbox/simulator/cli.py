"""The command line: `serve` runs a simulator, every other command speaks to one that runs.

Belongs here: running commands, exit codes (0 done, 1 refused or unreachable, 2 wrong usage).
Does not belong here: arguments (`cli_arguments`), what people see (`tables`).
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from talkdesk_sandbox.simulator import tables
from talkdesk_sandbox.simulator.cli_arguments import parser
from talkdesk_sandbox.simulator.client import Client, ControlError
from talkdesk_sandbox.simulator.faults import Fault
from talkdesk_sandbox.simulator.server import SimulatorServer
from talkdesk_sandbox.simulator.settings import Settings

Run = Callable[[Client, argparse.Namespace], Awaitable[Any]]
_FAULT: TypeAdapter[Any] = TypeAdapter(Fault)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "serve":
            asyncio.run(_serve(_settings(options)))
        else:
            asyncio.run(_control(options))
    except ValidationError as problem:
        return _complain(2, *tables.problems(problem))
    except ValueError as problem:
        return _complain(2, str(problem))
    except ControlError as refused:
        return _complain(1, str(refused))
    except OSError as problem:
        return _complain(1, problem.strerror or str(problem))
    return 0


def _complain(code: int, *lines: str) -> int:
    for line in lines:
        print(f"talkdesk-simulator: {line}", file=sys.stderr)
    return code


def _settings(options: argparse.Namespace) -> Settings:
    given = _given(options, *(name for name in Settings.model_fields if name != "behaviour"))
    if options.set:
        # Environment first: what the command line doesn't name stays as the environment says.
        given["behaviour"] = Settings().behaviour.model_dump() | _pairs(options.set)
    return Settings(**given)


async def _serve(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with SimulatorServer(settings) as server:
        print(tables.welcome(server.url, server.simulator.world.links.root, settings), flush=True)
        ends = {asyncio.create_task(stop.wait()), asyncio.create_task(server.stopped())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()


async def _control(options: argparse.Namespace) -> None:
    if options.command == "settings" and options.explain:
        print(tables.explain_settings())
        return
    async with Client(options.url, ca=Path(options.ca) if options.ca else None) as client:
        result = await _RUNS[options.command](client, options)
    as_json = TypeAdapter(Any).dump_json(result).decode()
    print(as_json if options.json else tables.show(result))


async def _install(client: Client, options: argparse.Namespace) -> Any:
    subscription = _given(options, "licenses", name="plan") | {"type": "trial" if options.trial else "paid"}
    fields = _given(options, "app_id", "account_id", "root", "company_name", "timezone", "users", "deliver")
    return await client.install(account=options.account, subscription=subscription, **fields)


async def _update(client: Client, options: argparse.Namespace) -> Any:
    return await client.update(
        **_target(options), **_given(options, "adding", "removing", "licenses", "plan", "type", "deliver")
    )


async def _uninstall(client: Client, options: argparse.Namespace) -> Any:
    return await client.uninstall(**_target(options), **_given(options, "reason", "reason_type", "deliver"))


async def _reinstall(client: Client, options: argparse.Namespace) -> Any:
    return await client.reinstall(account=options.account, **_given(options, "app_id", "same_id", "deliver"))


async def _rotate(client: Client, options: argparse.Namespace) -> Any:
    return await client.rotate(**_target(options), **_given(options, "compromised", "deliver"))


async def _trial(client: Client, options: argparse.Namespace) -> Any:
    return await client.trial(**_target(options), **_given(options, "action", "length", "reason", "deliver"))


async def _logout(client: Client, options: argparse.Namespace) -> Any:
    return await client.logout(**_target(options), **_given(options, "user", "deliver"))


async def _supervise(client: Client, options: argparse.Namespace) -> Any:
    return await client.supervise(action=options.command, **_target(options))


async def _users(client: Client, options: argparse.Namespace) -> Any:
    return await client.users(options.account, **_given(options, "add", "remove", "deactivate", "license"))


async def _rename(client: Client, options: argparse.Namespace) -> Any:
    return await client.rename(options.account, options.name)


async def _app(client: Client, options: argparse.Namespace) -> Any:
    return await client.app(options.app_id, **_given(options, "callback", "scopes", "name", "version_name"))


async def _clock(client: Client, options: argparse.Namespace) -> Any:
    return await (client.move(options.by) if options.by else client.clock())


async def _settings_command(client: Client, options: argparse.Namespace) -> Any:
    return await (client.change_settings(**_pairs(options.set)) if options.set else client.settings())


async def _faults(client: Client, options: argparse.Namespace) -> Any:
    if options.action == "set":
        await client.set_fault(_FAULT.validate_python({"kind": options.kind, **_pairs(options.fields)}))
    elif options.action == "clear":
        await client.clear_faults(options.number)
    return await client.faults()


async def _requests(client: Client, options: argparse.Namespace) -> Any:
    if options.clear:
        return await client.clear_requests()
    return await client.requests(**_given(options, "since", "installation", "effect"))


_RUNS: dict[str, Run] = {
    "install": _install,
    "update": _update,
    "uninstall": _uninstall,
    "reinstall": _reinstall,
    "rotate": _rotate,
    "trial": _trial,
    "logout": _logout,
    "suspend": _supervise,
    "resume": _supervise,
    "revoke": _supervise,
    "users": _users,
    "rename": _rename,
    "app": _app,
    "clock": _clock,
    "settings": _settings_command,
    "faults": _faults,
    "requests": _requests,
    "state": lambda client, _: client.state(),
    "deliveries": lambda client, options: client.deliveries(**_given(options, "event", "installation")),
    "events": lambda client, options: client.events(**_given(options, "installation")),
    "deliver": lambda client, options: client.deliver(options.event, **_given(options, url="to")),
    "release": lambda client, _: client.release(),
    "rotate-signing-key": lambda client, _: client.rotate_signing_key(),
}


def _target(options: argparse.Namespace) -> dict[str, Any]:
    return _given(options, "account", "installation", "app_id")


def _given(options: argparse.Namespace, *same: str, **renamed: str) -> dict[str, Any]:
    """Take the options that were given, under their own or other names."""
    names = dict(zip(same, same, strict=True)) | renamed
    values = {field: getattr(options, name, None) for field, name in names.items()}
    return {field: value for field, value in values.items() if value is not None}


def _pairs(texts: list[str]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"write name=value, not {text!r}")
        try:
            pairs[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            pairs[name] = value
    return pairs
