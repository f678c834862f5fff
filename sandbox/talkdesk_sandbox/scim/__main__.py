"""`talkdesk-scim`, also as `python -m talkdesk_sandbox.scim`: a SCIM service to try the operator with, until Ctrl-C.

Statuses: 0 ended by a signal, 1 the address can't be had, 2 wrong usage.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import SecretStr, ValidationError

from talkdesk_runtime.programs import installed_version
from talkdesk_sandbox.embedded import signaled
from talkdesk_sandbox.scim import ScimServer, ScimSettings

__all__ = ["main"]

_SWITCHES = ("config", "patch", "bulk", "filter", "etag")
_EPILOG = "Each flag is an environment variable as well, over which it takes precedence: TALKDESK_SCIM_PORT, ..."


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    try:
        asyncio.run(_serve(_settings(_parser().parse_args(arguments))))
    except ValidationError as problem:
        return _complain(2, *(f"{each['loc'][0]}: {each['msg']}" for each in problem.errors(include_input=False)))
    except OSError as problem:
        return _complain(1, problem.strerror or str(problem))
    return 0


async def _serve(settings: ScimSettings) -> None:
    stop = signaled()
    async with ScimServer(settings) as server:
        print(f"scim: {server.url}", flush=True)
        await stop.wait()
        print(f"scim: {len(server.users())} users")


def _complain(code: int, *lines: str) -> int:
    for line in lines:
        print(f"scim: {line}", file=sys.stderr)
    return code


def _settings(options: argparse.Namespace) -> ScimSettings:
    given = {name: value for name, value in vars(options).items() if value is not None}
    return ScimSettings(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="talkdesk-scim",
        description="A strict SCIM 2.0 service that keeps its users in memory.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=installed_version())
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one (0)")
    parser.add_argument("--token", type=SecretStr, help="the bearer token that requests must have (scim-token)")
    for name in _SWITCHES:
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=f"offer {name}")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
