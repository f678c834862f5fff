"""Commands to look into a running simulator and to steer it: state, lists, clock, settings, deliveries.

Belongs here: options of each command, and the call to the control API. Does not belong here: effects, `faults`.
"""

from typing import Annotated, Any

import typer

from talkdesk_sandbox.simulator.cli.options import OfInstallation, given, pairs
from talkdesk_sandbox.simulator.cli.register import controls
from talkdesk_sandbox.simulator.cli.tables import explain_settings
from talkdesk_sandbox.simulator.control.client import Client
from talkdesk_sandbox.simulator.views.models import ClockView, DeliveryView, EventRef, StateView

_PANEL = "Inspect and steer"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (state, deliveries, events, requests, clock, settings, deliver, release, rotate_signing_key):
        controls(app, panel=_PANEL)(command)


async def state(client: Client) -> StateView:
    """Print the whole state as a table."""
    return await client.state()


async def deliveries(client: Client, *, installation: OfInstallation = None) -> list[DeliveryView]:
    """List deliveries of events."""
    return await client.deliveries(installation=installation)


async def events(client: Client, *, installation: OfInstallation = None) -> list[EventRef]:
    """List events."""
    return await client.events(installation=installation)


async def requests(
    client: Client,
    *,
    installation: OfInstallation = None,
    effect: Annotated[
        str | None, typer.Option(help="with one effect: approve, reject, token, acknowledged, rotated")
    ] = None,
    since: Annotated[int, typer.Option(metavar="N", help="after a sequence number")] = 0,
    clear: Annotated[bool, typer.Option("--clear", help="remove the records instead")] = False,
) -> Any:
    """List the requests that your app has sent to Talkdesk."""
    if clear:
        return await client.clear_requests()
    return await client.requests(since=since, installation=installation, effect=effect)


async def clock(
    client: Client,
    *,
    by: Annotated[
        str | None, typer.Argument(metavar="DURATION", help="how far to move: +7d, 1h30m, 90 (seconds)")
    ] = None,
) -> ClockView:
    """Print the simulator's time, or move it forward."""
    return await (client.move(by) if by else client.clock())


async def settings(
    client: Client,
    *,
    changes: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="what to change")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="print what each setting means, and its values; needs no simulator")
    ] = False,
) -> Any:
    """Print or change the behavior."""
    if explain:
        return explain_settings()
    return await (client.change_settings(**pairs(changes)) if changes else client.settings())


async def deliver(
    client: Client,
    *,
    event: Annotated[str, typer.Argument(metavar="EVENT", show_default=False, help="event id")],
    to: Annotated[str | None, typer.Option(metavar="URL", help="another URL than the app's callback")] = None,
) -> EventRef:
    """Deliver an event, also one that was delivered before."""
    return await client.deliver(event, **given(url=to))


async def release(client: Client) -> int:
    """Deliver the events that `faults set hold` has held back."""
    return await client.release()


async def rotate_signing_key(client: Client) -> str:
    """Sign events with a new key from now on."""
    return await client.rotate_signing_key()
