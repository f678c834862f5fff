"""Commands of what customers do.

Belongs here: options of each command, and the call to the control API. Does not belong here: effects.
"""

import webbrowser
from typing import Annotated, Literal

import typer

from talkdesk_sandbox.simulator.cli.options import (
    Account,
    AppId,
    NewAccount,
    NoDeliver,
    TargetAccount,
    TargetId,
    delivery,
    given,
)
from talkdesk_sandbox.simulator.cli.register import controls
from talkdesk_sandbox.simulator.commands.models import SubscriptionSpec
from talkdesk_sandbox.simulator.control.client import Client
from talkdesk_sandbox.simulator.views.models import Outcome

_PANEL = "What customers do"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (install, update, uninstall, reinstall, launch, logout):
        controls(app, panel=_PANEL)(command)


async def install(  # noqa: PLR0913 - each parameter is an option
    client: Client,
    *,
    account: NewAccount,
    app: Annotated[
        str | None,
        typer.Option(
            "--app", metavar="ID", help="app id; it is registered when it is new (the app that has a callback)"
        ),
    ] = None,
    account_id: Annotated[str | None, typer.Option(metavar="ID", help="id of a new account")] = None,
    root: Annotated[
        str | None, typer.Option(metavar="URL", help="gateway that a new account's events name, as in another region")
    ] = None,
    company: Annotated[str | None, typer.Option(metavar="NAME", help="company name of a new account")] = None,
    timezone: Annotated[str | None, typer.Option(metavar="ZONE", help="of a new account (Europe/Lisbon)")] = None,
    users: Annotated[int | None, typer.Option(metavar="N", help="how many users get a license (2)")] = None,
    plan: Annotated[str | None, typer.Option(metavar="NAME", help="name of the plan (Standard)")] = None,
    licenses: Annotated[int | None, typer.Option(metavar="N", help="how many licenses are bought (3)")] = None,
    trial: Annotated[bool, typer.Option("--trial", help="a trial, which starts when you approve")] = False,
    no_deliver: NoDeliver = False,
) -> Outcome:
    """Install the app as a customer: app.installed."""
    subscription = SubscriptionSpec(type="trial" if trial else "paid", **given(name=plan, licenses=licenses))
    fields = given(
        app_id=app, account_id=account_id, root=root, company_name=company, timezone=timezone, users=users
    ) | delivery(no_deliver=no_deliver)
    return await client.install(account=account, subscription=subscription, **fields)


async def update(  # noqa: PLR0913 - each parameter is an option
    client: Client,
    *,
    account: TargetAccount = None,
    installation: TargetId = None,
    app: AppId = None,
    add: Annotated[int | None, typer.Option(metavar="N", help="license N new users")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="USER...", help="take licenses away, by user id; several at once")
    ] = None,
    licenses: Annotated[int | None, typer.Option(metavar="N", help="how many licenses to have")] = None,
    plan: Annotated[str | None, typer.Option(metavar="NAME", help="plan to have")] = None,
    plan_type: Annotated[
        Literal["trial", "paid"] | None, typer.Option("--type", help="kind of plan to have; paid ends a trial")
    ] = None,
    no_deliver: NoDeliver = False,
) -> Outcome:
    """Change users or plan as the customer: app.updated."""
    target = given(account=account, installation=installation, app_id=app)
    change = given(adding=add, removing=remove, licenses=licenses, plan=plan, type=plan_type)
    return await client.update(**target, **change, **delivery(no_deliver=no_deliver))


async def uninstall(
    client: Client,
    *,
    account: TargetAccount = None,
    installation: TargetId = None,
    app: AppId = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="the customer's words")] = None,
    reason_type: Annotated[str | None, typer.Option(metavar="TYPE", help="the reason's type (other)")] = None,
    no_deliver: NoDeliver = False,
) -> Outcome:
    """Uninstall the app as the customer: app.uninstalled."""
    target = given(account=account, installation=installation, app_id=app)
    fields = given(reason=reason, reason_type=reason_type)
    return await client.uninstall(**target, **fields, **delivery(no_deliver=no_deliver))


async def reinstall(
    client: Client,
    *,
    account: Account,
    app: AppId = None,
    same_id: Annotated[bool, typer.Option("--same-id", help="with the previous installation id")] = False,
    no_deliver: NoDeliver = False,
) -> Outcome:
    """Install the app again as the customer: app.installed."""
    fields = given(app_id=app, same_id=same_id or None)
    return await client.reinstall(account=account, **fields, **delivery(no_deliver=no_deliver))


async def launch(
    client: Client,
    *,
    account: TargetAccount = None,
    installation: TargetId = None,
    app: AppId = None,
    open_it: Annotated[bool, typer.Option("--open", help="open it in this machine's browser")] = False,
) -> str:
    """Print the URL by which a user of the customer opens the app: with a login, and the launch parameters."""
    url = (await client.launch(**given(account=account, installation=installation, app_id=app))).url
    if open_it:
        webbrowser.open(url)
    return url


async def logout(
    client: Client,
    *,
    account: TargetAccount = None,
    installation: TargetId = None,
    app: AppId = None,
    user: Annotated[str | None, typer.Option(metavar="ID", help="which user (the first licensed one)")] = None,
    no_deliver: NoDeliver = False,
) -> Outcome:
    """Log a user out in every browser: user.logout."""
    fields = given(account=account, installation=installation, app_id=app, user=user)
    return await client.logout(**fields, **delivery(no_deliver=no_deliver))
