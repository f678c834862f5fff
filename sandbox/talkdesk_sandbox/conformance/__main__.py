"""`talkdesk-conformance URL`: whether a partner's service keeps the protocol of http steps.

Statuses: 0 all checks passed or were skipped, 1 some failed, 2 the service can't be reached, or wrong usage; 130 after
Ctrl-C, which still deletes the tenants of the check that was running.
"""

import argparse
import asyncio
import re
import secrets
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from talkdesk_runtime.programs import installed_version
from talkdesk_runtime.standard_webhooks import KeyUnusable, WebhookSecrets
from talkdesk_sandbox.conformance import CHECKS, Check, Outcome, Result, Run, Settings, report
from talkdesk_sandbox.conformance.run import Unreachable

__all__ = ["main", "parser"]

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
"""What tenants' names begin with: a check's name follows, and all of it has at most 63 characters."""


class _Unusable(Exception):
    """Wrong usage; the text says what is wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        checks = _chosen(options.only)
        if options.list:
            print(report.listing(checks))
            return 0
        results = asyncio.run(_run(_settings(options), checks, options.format))
    except (_Unusable, Unreachable) as problem:
        print(f"talkdesk-conformance: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 1 if any(result.outcome is Outcome.FAIL for result in results) else 0


async def _run(settings: Settings, checks: Sequence[Check], form: str) -> list[Result]:
    results = []
    async for result in Run(settings, checks).results():
        results.append(result)
        if form == "text":
            print(report.line(result), flush=True)
    match form:
        case "json":
            print(report.as_json(settings.url, results))
        case "junit":
            print(report.as_junit(settings.url, results))
        case _:
            print(report.summary(results))
    return results


def _chosen(names: Sequence[str]) -> list[Check]:
    unknown = sorted(set(names) - {check.name for check in CHECKS})
    if unknown:
        raise _Unusable(f"there is no check {unknown[0]}: --list says which there are")
    return [check for check in CHECKS if not names or check.name in names]


def _settings(options: argparse.Namespace) -> Settings:
    if options.url is None or options.key_file is None:
        raise _Unusable("it needs the URL of the service, and --key-file")
    prefix = options.tenant or f"conformance-{secrets.token_hex(4)}"
    if _NAME.fullmatch(prefix) is None:
        raise _Unusable("--tenant is at most 32 of a-z, 0-9 and inner hyphens")
    return Settings(
        _url(options.url),
        _keys(options.key_file),
        None if options.next_key_file is None else _keys(options.next_key_file),
        prefix=prefix,
        run=secrets.token_hex(8),
        timeout=options.timeout,
        operation_timeout=options.operation_timeout,
        pause=options.pause,
        tls=_tls(options.ca_file),
    )


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username is not None:
        raise _Unusable("the URL must be the step's url: http:// or https://, a host, and a path, nothing else")
    return text


def _keys(file: Path) -> WebhookSecrets:
    try:
        return WebhookSecrets.read(file.read_text("utf-8"))
    except OSError as problem:
        raise _Unusable(f"the key in {file}: {problem.strerror}") from None
    except (UnicodeError, KeyUnusable) as problem:
        words = "it is not UTF-8" if isinstance(problem, UnicodeError) else problem
        raise _Unusable(f"the key in {file}: {words}") from None


def _tls(file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError):
        raise _Unusable(f"{file} has no certificates that can be read") from None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86_400:
        raise ValueError(text)
    return seconds


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        prog="talkdesk-conformance",
        description="Plays the protocol of http steps against your service, and says what it does not keep.",
        epilog="Status: 0 nothing failed, 1 some checks failed, 2 the service can't be reached or wrong usage.",
    )
    made.add_argument("url", nargs="?", metavar="URL", help="the url of the step; the tenant's name follows it")
    made.add_argument("--version", action="version", version=installed_version())
    made.add_argument("--key-file", type=Path, help="the key that the service knows: whsec_… or any text")
    made.add_argument("--next-key-file", type=Path, help="a key that it does not know, for the check key-change")
    made.add_argument(
        "--tenant", metavar="NAME", help="what tenants' names begin with (conformance- and random letters)"
    )
    made.add_argument("--timeout", type=_seconds, default=30.0, help="seconds for one answer (30)")
    made.add_argument("--operation-timeout", type=_seconds, default=60.0, help="seconds until 202 or 409 ends (60)")
    made.add_argument("--pause", type=_seconds, default=1.0, help="seconds between two questions (1)")
    made.add_argument("--ca-file", type=Path, help="PEM bundle to trust, for a service with an authority of its own")
    made.add_argument("--format", choices=("text", "json", "junit"), default="text", help="of the results (text)")
    made.add_argument("--only", action="append", default=[], metavar="CHECK", help="run this check; may be repeated")
    made.add_argument("--list", action="store_true", help="say what the checks require, and where it comes from")
    return made


if __name__ == "__main__":
    raise SystemExit(main())
