"""`python -m talkdesk_sandbox.sso directory` and `... app`: the two services, each until Ctrl-C.

Statuses: 0 ended by a signal, 1 the address or the database can't be had, 2 wrong usage.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx
from httpx_aiohttp import HttpxAiohttpClient
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from talkdesk_runtime.programs import installed_version
from talkdesk_runtime.standard_webhooks import KeyUnusable, WebhookSecrets
from talkdesk_sandbox.embedded import serve_until_signal
from talkdesk_sandbox.sso import AppSettings, Directory, IdTokenVerifier, directory_client, sso_app

__all__ = ["main"]

_PREFIX: Final = "TALKDESK_DIRECTORY_"
_TIME_OUT: Final = 5.0
"""Seconds for a request to Talkdesk or the directory, while a page waits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_app(options) if options.service == "app" else _directory(options))
    except ValidationError as problem:
        names = (str(each["loc"][0]).upper() for each in problem.errors(include_input=False))
        return _complain(2, f"wrong or missing in the environment: {', '.join(f'SSO_{name}' for name in names)}")
    except (KeyUnusable, KeyError) as problem:
        return _complain(2, f"wrong or missing in the environment: {problem}")
    except SQLAlchemyError:
        return _complain(1, f"the database {options.database} can't be used")
    except OSError as problem:
        return _complain(1, problem.strerror or str(problem))
    return 0


async def _directory(options: argparse.Namespace) -> None:
    directory = Directory(
        options.database,
        hook_keys=_keys("HOOK_KEYS"),
        logout_keys=_keys("LOGOUT_KEYS"),
        scim_token=os.environ[f"{_PREFIX}SCIM_TOKEN"],
    )
    try:
        await _serve(options, directory.app)
    finally:
        directory.close()


async def _app(options: argparse.Namespace) -> None:
    settings = AppSettings()  # from the environment
    async with HttpxAiohttpClient(timeout=_TIME_OUT) as http:
        await _serve(options, app_of(settings, http))


def app_of(settings: AppSettings, http: httpx.AsyncClient) -> Starlette:
    """Return the app of a tenant."""
    verifier = IdTokenVerifier(
        http, issuer=settings.issuer, client_id=settings.client_id, key_set_url=settings.jwks_url
    )
    return sso_app(verifier, directory_client(settings, http))


async def _serve(options: argparse.Namespace, application: Starlette) -> None:
    def listening(url: str) -> None:
        print(f"{options.service}: {url}", flush=True)

    await serve_until_signal(application, options.host, options.port, listening)


def _keys(name: str) -> tuple[bytes, ...]:
    return WebhookSecrets.read(os.environ[f"{_PREFIX}{name}"]).keys


def _complain(code: int, line: str) -> int:
    print(f"sso: {line}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m talkdesk_sandbox.sso",
        description="The reference for single sign-on.",
        epilog=f"The directory reads {_PREFIX}HOOK_KEYS, _LOGOUT_KEYS (a key a line) and _SCIM_TOKEN, the app "
        "SSO_ISSUER, SSO_CLIENT_ID, SSO_JWKS_URL, SSO_DIRECTORY_URL, SSO_DIRECTORY_TENANT and SSO_DIRECTORY_TOKEN.",
    )
    parser.add_argument("--version", action="version", version=installed_version())
    services = parser.add_subparsers(required=True, metavar="SERVICE", dest="service")
    for name, what, port in (
        ("directory", "what all tenants share: licensed users and logouts", 8101),
        ("app", "the app of one tenant, behind oauth2-proxy", 8080),
    ):
        service = services.add_parser(name, help=what)
        service.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        service.add_argument("--port", type=int, default=port, help=f"port to listen on; 0 takes a free one ({port})")
        if name == "directory":
            service.add_argument("--database", type=Path, default=Path("sso.db"), help="file of SQLite (sso.db)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
