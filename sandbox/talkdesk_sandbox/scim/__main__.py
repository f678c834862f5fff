"""`python -m talkdesk_sandbox.scim`: a SCIM service to try the operator with, until Ctrl-C."""

import argparse
import asyncio
import signal

from pydantic import SecretStr

from talkdesk_sandbox.scim import ScimServer, ScimSettings

__all__ = ["main"]

_SWITCHES = ("config", "patch", "bulk", "filter", "etag")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    try:
        asyncio.run(_serve(_settings(_parser().parse_args(arguments))))
    except OSError as problem:
        print(f"scim: {problem.strerror or problem}")
        return 1
    return 0


async def _serve(settings: ScimSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with ScimServer(settings) as server:
        print(f"scim: {server.url}", flush=True)
        await stop.wait()
        print(f"scim: {len(server.users())} users")


def _settings(options: argparse.Namespace) -> ScimSettings:
    given = {name: value for name, value in vars(options).items() if value is not None}
    return ScimSettings(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m talkdesk_sandbox.scim", description="A strict SCIM 2.0 service that keeps its users in memory."
    )
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one")
    parser.add_argument("--token", type=SecretStr, help="the bearer token that requests must have (scim-token)")
    for name in _SWITCHES:
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=f"offer {name}")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
