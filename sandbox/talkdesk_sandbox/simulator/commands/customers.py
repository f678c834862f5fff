"""What a customer's people do: install, update, uninstall, reinstall, log out.

Belongs here: one function for each command; each returns the installation that it changed.
Does not belong here: what Talkdesk's staff and partners do (`staff`), rules (`lifecycle`).
"""

from datetime import datetime

from talkdesk_sandbox.simulator.commands import models
from talkdesk_sandbox.simulator.commands.target import find
from talkdesk_sandbox.simulator.events.bodies import user_logout
from talkdesk_sandbox.simulator.events.create import create_event
from talkdesk_sandbox.simulator.lifecycle import accounts, installations
from talkdesk_sandbox.simulator.settings import DEFAULT_APP_ID
from talkdesk_sandbox.simulator.state.entities import Change, Installation, Subscription
from talkdesk_sandbox.simulator.state.errors import ConflictError
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState


def install(state: TalkdeskState, command: models.Install, now: datetime) -> Installation:
    """Install an app. Raises ConflictError for a taken account id, and where it is not clear which app is meant."""
    app = state.ensure_app(command.app_id or _app_with_callback(state), now)
    account = accounts.ensure_account(
        state,
        command.account,
        now,
        account_id=command.account_id,
        company_name=command.company_name,
        timezone=command.timezone,
        root=command.root,
    )
    accounts.add_users(account, max(0, command.users - len(account.users)), now)
    licensed = list(account.users)[: command.users]
    subscription = Subscription(**command.subscription.model_dump())
    return installations.install(state, app, account, subscription, licensed, now)


def _app_with_callback(state: TalkdeskState) -> str:
    """Return the app that a customer installs who names none: what nobody listens to would seem to do nothing."""
    listening = [app.id for app in state.apps.values() if app.callback]
    if len(listening) > 1:
        raise ConflictError(f"several apps have a callback, say which one is installed: {', '.join(sorted(listening))}")
    return listening[0] if listening else DEFAULT_APP_ID


def update(state: TalkdeskState, command: models.Update, now: datetime) -> Installation:
    """Request other users or another plan. Raises NotFoundError, ConflictError."""
    installation = find(state, command)
    account, current = state.account_of(installation), installation.subscription
    if isinstance(command.adding, int):
        adding = [user.id for user in accounts.add_users(account, command.adding, now)]
    else:
        adding = [state.user(account, user_id).id for user_id in command.adding]
    change = Change(adding, list(command.removing))
    if {command.plan, command.type, command.licenses} != {None}:
        licenses = current.licenses if command.licenses is None else command.licenses
        change.subscription = Subscription(command.plan or current.name, command.type or current.type, licenses)
    installations.update(state, installation, change, now)
    return installation


def uninstall(state: TalkdeskState, command: models.Uninstall, now: datetime) -> Installation:
    """Request the uninstall. Raises NotFoundError, ConflictError."""
    installation = find(state, command)
    reason = {"type": command.reason_type, "message": command.reason}
    installations.uninstall(state, installation, reason, now)
    return installation


def reinstall(state: TalkdeskState, command: models.Reinstall, now: datetime) -> Installation:
    """Install again what the account had before. Raises NotFoundError."""
    before = state.newest(command.account, command.app_id, live=False)
    same_id = state.behavior.reinstall_same_id if command.same_id is None else command.same_id
    return installations.install(
        state,
        state.app(before.app_id),
        state.account_of(before),
        before.subscription,
        before.users,
        now,
        installation_id=before.id if same_id else None,
    )


def logout(state: TalkdeskState, command: models.Logout, now: datetime) -> Installation:
    """Log a user out. Raises NotFoundError."""
    installation = find(state, command)
    account = state.account_of(installation)
    user = state.user(account, command.user or next(iter(installation.users), ""))
    create_event(state, "user.logout", installation, user_logout(installation, user, state.links_of(account)), now)
    return installation
