"""Commands that set, list and clear faults.

Belongs here: the group `faults`. Does not belong here: what a fault does (`talkdesk_sandbox.simulator.faults`).
"""

from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from talkdesk_sandbox.simulator.cli.options import pairs
from talkdesk_sandbox.simulator.cli.register import connection_of, controls
from talkdesk_sandbox.simulator.control.client import Client
from talkdesk_sandbox.simulator.faults.kinds import Fault
from talkdesk_sandbox.simulator.views.models import FaultView

_FAULT: TypeAdapter[Any] = TypeAdapter(Fault)
_KINDS = """\
Faults of requests (route='METHOD /path' with *):
  delay seconds=  drop  timeout seconds=  status status= retry_after=
  malformed  empty  huge size=  redirect location=
  after_effect=true: the request takes effect first
Faults of events (event=app.* installation=*):
  duplicate copies=  hold events=  slow seconds=  tamper  lose
All faults:
  count=  skip=  probability=
"""


def add_to(app: typer.Typer) -> None:
    """Register the group and its commands."""
    group = typer.Typer(callback=connection_of)
    controls(group, "set", epilog=_KINDS)(set_fault)
    controls(group, "list")(list_faults)
    controls(group, "clear")(clear_faults)
    app.add_typer(
        group,
        name="faults",
        help="Let things go wrong: faults set KIND NAME=VALUE, faults list, faults clear N.",
        rich_help_panel="Inspect and steer",
    )


async def set_fault(
    client: Client,
    *,
    kind: Annotated[str, typer.Argument(metavar="KIND", show_default=False, help="which kind of fault; see below")],
    fields: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="its fields; see below")] = None,
) -> list[FaultView]:
    """Set a fault."""
    await client.set_fault(_FAULT.validate_python({"kind": kind, **pairs(fields or [])}))
    return await client.faults()


async def list_faults(client: Client) -> list[FaultView]:
    """List faults, and how often each has hit."""
    return await client.faults()


async def clear_faults(
    client: Client,
    *,
    number: Annotated[int | None, typer.Argument(metavar="N", help="which one; all of them when missing")] = None,
) -> list[FaultView]:
    """Clear one fault or all."""
    await client.clear_faults(number)
    return await client.faults()
