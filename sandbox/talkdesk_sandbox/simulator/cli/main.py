"""The command line as a whole: all commands, help, and what errors look like.

Belongs here: putting commands together, exit codes: 0 done, 1 refused or unreachable, 2 wrong usage, 130 interrupted.
Does not belong here: any single command.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from talkdesk_runtime.programs import installed_version
from talkdesk_sandbox.simulator.cli import customers, faults, inspection, serve, staff
from talkdesk_sandbox.simulator.cli.register import NotSentError
from talkdesk_sandbox.simulator.cli.tables import problems
from talkdesk_sandbox.simulator.control.client import ControlError

__all__ = ["command", "main"]

_PROGRAM = "talkdesk-simulator"
_HELP = """\
A simulated Talkdesk to build and test an AppConnect app against.

It sends signed lifecycle events to your callback, issues tokens for private_key_jwt and Basic, \
serves the Apps, Account, Users and signature-key APIs, and lets things go wrong on purpose. \
All state is in memory; nothing leaves this machine.
"""
_EPILOG = """\
First steps:
  talkdesk-simulator serve --callback http://127.0.0.1:8080/events
in another terminal:
  talkdesk-simulator install acme        # sends app.installed
  talkdesk-simulator deliveries          # did your app accept it?
  talkdesk-simulator requests            # what did your app request?
  talkdesk-simulator state               # everything as a table

Time and trouble:
  talkdesk-simulator clock +7d           # an unanswered install times out
  talkdesk-simulator faults set status status=503 route='POST *state' count=2
  talkdesk-simulator faults set duplicate event=app.installed
  talkdesk-simulator settings signature_form=raw
  talkdesk-simulator settings --explain  # all choices that Talkdesk's pages leave

To verify an event: decode X-Hub-Ecdsa-Signature from hex; fetch GET \
{_links.root}/events/signature-keys/{id} for the id in X-Hub-Ecdsa-Signature-Id; \
decode its public_key from base64; check ECDSA with SHA-512 over the raw body.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    try:
        code = command().main(arguments, _PROGRAM, standalone_mode=False)
    except typer.TyperException as problem:
        return _complain(problem.exit_code, " ".join(problem.format_message().split()))
    except ValidationError as problem:
        return _complain(2, *problems(problem))
    except ValueError as problem:
        return _complain(2, str(problem))
    except (ControlError, NotSentError) as refused:
        return _complain(1, str(refused))
    except OSError as problem:
        return _complain(1, problem.strerror or str(problem))
    return int(code or 0)


def command() -> Any:
    """Return the command with all of its subcommands, as typer understands them."""
    app = typer.Typer(
        help=_HELP, epilog=_EPILOG, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.callback()(_any)
    for module in (serve, customers, staff, inspection, faults):
        module.add_to(app)
    return typer.main.get_command(app)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's form
    if wanted:
        print(installed_version())
        raise typer.Exit


_Version = Annotated[
    bool, typer.Option("--version", help="show the version and exit", callback=_print_version, is_eager=True)
]


def _any(*, version: _Version = False) -> None:
    """Take the options of the program itself."""


def _complain(code: int, *lines: str) -> int:
    for line in lines:
        print(f"{_PROGRAM}: {line}", file=sys.stderr)
    return code
