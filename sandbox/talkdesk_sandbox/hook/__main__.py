"""`python -m talkdesk_sandbox.hook serve`: the reference service, until Ctrl-C.

Statuses: 0 ended by a signal, 1 the address or the database can't be had, 2 wrong usage.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from talkdesk_runtime.programs import installed_version
from talkdesk_runtime.standard_webhooks import KeyUnusable, WebhookSecrets
from talkdesk_sandbox.embedded import serve_until_signal
from talkdesk_sandbox.hook import Notifications, Partner, Service, application
from talkdesk_sandbox.hook.records import Records

__all__ = ["main"]

_KEYS: Final = "TALKDESK_HOOK_KEYS"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        keys = _keys(options.key_file)
    except (OSError, UnicodeError, KeyUnusable) as problem:
        return _complain(2, f"the key: {problem}")
    try:
        records = Records(options.database)
    except SQLAlchemyError:
        return _complain(1, f"the database {options.database} can't be used")
    try:
        partner = Partner()
        service = Service(records, partner, seconds=options.asynchronous)
        asyncio.run(_serve(options, application(service, Notifications(records, partner), keys.keys)))
    except OSError as problem:
        return _complain(1, problem.strerror or str(problem))
    finally:
        records.close()
    return 0


async def _serve(options: argparse.Namespace, app: Starlette) -> None:
    def listening(url: str) -> None:
        for path in ("tenants", "notifications"):
            print(f"hook: {url}/v1/{path}", flush=True)

    await serve_until_signal(app, options.host, options.port, listening)


def _keys(file: Path | None) -> WebhookSecrets:
    return WebhookSecrets.read(os.environ.get(_KEYS, "") if file is None else file.read_text("utf-8"))


def _complain(code: int, line: str) -> int:
    print(f"hook: {line}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m talkdesk_sandbox.hook", description="The reference service.")
    parser.add_argument("--version", action="version", version=installed_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve until Ctrl-C")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=8099, help="port to listen on; 0 takes a free one (8099)")
    serve.add_argument("--key-file", type=Path, help=f"one key a line ({_KEYS} has them otherwise)")
    serve.add_argument("--database", type=Path, default=Path("hook.db"), help="file of SQLite (hook.db)")
    serve.add_argument("--asynchronous", type=float, metavar="SECONDS", help="answer 202, and take that long")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
