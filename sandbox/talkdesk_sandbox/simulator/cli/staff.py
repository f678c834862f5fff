"""Commands of what Talkdesk, its staff, account administrators and partners do.

Belongs here: options of each command, and the call to the control API. Does not belong here: effects.
"""

from typing import Annotated, Literal

import typer

from talkdesk_sandbox.simulator.cli.options import (
    Account,
    AppId,
    NoDeliver,
    TargetAccount,
    TargetId,
    delivery,
    given,
)
from talkdesk_sandbox.simulator.cli.register import controls
from talkdesk_sandbox.simulator.control.client import Client
from talkdesk_sandbox.simulator.views.models import Outcome

_PANEL = "What Talkdesk and partners do"
_Users = Annotated[list[str] | None, typer.Option(metavar="USER...", help="by user id; several at once")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (rotate, trial, suspend, resume, revoke, users, rename):
        controls(app, panel=_PANEL)(command)
    controls(app, "app", panel=_PANEL)(change_app)


async def rotate(
    client: Client,
    *,
    account: TargetAccount = None,
    installation: TargetId = None,
    app: AppId = None,
    compromised: Annotated[bool, typer.Option("--compromised", help="previous credentials end at once")] = False,
    no_deliver: NoDeliver = False,
) -> Outcome:
    """Rotate an installation's credentials: app.credentials_rotated."""
    fields = given(account=account, installation=installation, app_id=app, compromised=compromised or None)
    return await client.rotate(**fields, **delivery(no_deliver=no_deliver))


async def trial(
    client: Client,
    *,
    action: Annotated[Literal["start", "extend", "end"], typer.Argument(show_default=False)],
    account: TargetAccount = None,
    installation: TargetId = None,
    app: AppId = None,
    length: Annotated[str | None, typer.Option(metavar="DURATION", help="of start and extend (30d)")] = None,
    reason: Annotated[
        Literal["trial_expired", "app_uninstalled", "plan_upgraded"] | None, typer.Option(help="of end")
    ] = None,
    no_deliver: NoDeliver = False,
) -> Outcome:
    """Start, extend or end a trial: app.trial_*."""
    target = given(account=account, installation=installation, app_id=app)
    fields = given(length=length, reason=reason) | delivery(no_deliver=no_deliver)
    return await client.trial(action=action, **target, **fields)


async def suspend(
    client: Client, *, account: TargetAccount = None, installation: TargetId = None, app: AppId = None
) -> Outcome:
    """Suspend an installation, as Talkdesk's staff does; no event."""
    return await client.supervise(action="suspend", **given(account=account, installation=installation, app_id=app))


async def resume(
    client: Client, *, account: TargetAccount = None, installation: TargetId = None, app: AppId = None
) -> Outcome:
    """End a suspension, as Talkdesk's staff does; no event."""
    return await client.supervise(action="resume", **given(account=account, installation=installation, app_id=app))


async def revoke(
    client: Client, *, account: TargetAccount = None, installation: TargetId = None, app: AppId = None
) -> Outcome:
    """Revoke an installation, as Talkdesk's staff does; no event."""
    return await client.supervise(action="revoke", **given(account=account, installation=installation, app_id=app))


async def users(
    client: Client,
    *,
    account: Account,
    add: Annotated[int | None, typer.Option(metavar="N", help="add N users")] = None,
    with_license: Annotated[bool, typer.Option("--license", help="give the added users licenses")] = False,
    remove: _Users = None,
    deactivate: _Users = None,
) -> list[str]:
    """Add, remove or deactivate an account's users; no event."""
    fields = given(add=add, license=with_license or None, remove=remove, deactivate=deactivate)
    return await client.users(account, **fields)


async def rename(
    client: Client,
    *,
    account: Account,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="new name")],
) -> None:
    """Rename an account; its token URL changes with it."""
    await client.rename(account, name)


async def change_app(
    client: Client,
    *,
    app_id: Annotated[str, typer.Argument(metavar="APP_ID", show_default=False, help="app id")],
    callback: Annotated[str | None, typer.Option(metavar="URL", help="where its events go")] = None,
    scopes: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE...", help="all its scopes; several at once")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="its name")] = None,
    version_name: Annotated[str | None, typer.Option(metavar="VERSION", help="name of its version")] = None,
    app_url: Annotated[str | None, typer.Option(metavar="URL", help="what a user's browser opens")] = None,
    redirect_uris: Annotated[
        list[str] | None,
        typer.Option("--redirect-uri", metavar="URI...", help="all URIs that a login may lead to; several at once"),
    ] = None,
) -> None:
    """Register or change an app."""
    fields = given(callback=callback, scopes=scopes, name=name, version_name=version_name)
    await client.app(app_id, **fields, **given(url=app_url, redirect_uris=redirect_uris))
