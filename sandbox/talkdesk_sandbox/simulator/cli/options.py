"""Options and arguments that several commands have.

Belongs here: their names, help and types. Does not belong here: options of one command alone.
"""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

URL_VARIABLE = "TALKDESK_SIMULATOR_URL"
DEFAULT_PORT = 8090
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", show_default=False, help="account name")]
NewAccount = Annotated[
    str, typer.Argument(metavar="ACCOUNT", show_default=False, help="account name; it is created when it is new")
]
TargetAccount = Annotated[
    str | None,
    typer.Argument(metavar="ACCOUNT", help="account name; the command is for its newest live installation"),
]
TargetId = Annotated[
    str | None, typer.Option("--installation", metavar="ID", help="an installation id instead of an account")
]
AppId = Annotated[str | None, typer.Option("--app", metavar="ID", help="which app of the account")]
NoDeliver = Annotated[bool, typer.Option("--no-deliver", help="keep the event; send it later with `deliver`")]
OfInstallation = Annotated[str | None, typer.Option("--installation", metavar="ID", help="of one installation")]

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help=f"where the simulator listens (${URL_VARIABLE}, {DEFAULT_URL})",
        rich_help_panel="Connection",
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="PEM bundle to trust, for a simulator with --tls-cert",
        rich_help_panel="Connection",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON on one line", rich_help_panel="Connection")]


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that the command line has: neither None nor an empty list."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def delivery(*, no_deliver: bool) -> dict[str, Any]:
    """Return the field `deliver` of a command when it differs from the default."""
    return {"deliver": False} if no_deliver else {}


def pairs(texts: list[str]) -> dict[str, Any]:
    """Return what NAME=VALUE texts say; a value is JSON, or else a string. Raises ValueError."""
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"write name=value, not {text!r}")
        try:
            values[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            values[name] = value
    return values
