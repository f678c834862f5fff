"""What Talkdesk, its staff, account administrators and partners do: rotations, trials, suspensions, users, apps.

Belongs here: one function for each command. Does not belong here: what customers do to an installation (`customers`),
rules (`lifecycle`).
"""

from datetime import datetime, timedelta

from talkdesk_sandbox.simulator.commands import models
from talkdesk_sandbox.simulator.commands.target import find
from talkdesk_sandbox.simulator.lifecycle import accounts, credentials, installations, trials
from talkdesk_sandbox.simulator.state.entities import Installation
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState

_MONTH = timedelta(days=30)


def rotate(state: TalkdeskState, command: models.Rotate, now: datetime) -> Installation:
    """Rotate credentials. Raises NotFoundError, ConflictError."""
    installation = find(state, command)
    credentials.rotate(state, installation, now, compromised=command.compromised)
    return installation


def trial(state: TalkdeskState, command: models.TrialCommand, now: datetime) -> Installation:
    """Start, extend or end a trial. Raises NotFoundError, ConflictError."""
    installation = find(state, command)
    match command.action:
        case "start":
            trials.start(state, installation, now, command.length)
        case "extend":
            trials.extend(state, installation, command.length or _MONTH, now)
        case "end":
            trials.end(state, installation, command.reason, now)
    return installation


def supervise(state: TalkdeskState, command: models.Supervise, now: datetime) -> Installation:
    """Suspend, resume or revoke an installation. Raises NotFoundError, ConflictError."""
    installation = find(state, command)
    match command.action:
        case "suspend":
            installations.suspend(installation, now)
        case "resume":
            installations.resume(installation, now)
        case "revoke":
            installations.revoke(installation, now)
    return installation


def change_users(state: TalkdeskState, command: models.Users, now: datetime) -> list[str]:
    """Change an account's users; return the ids of the added ones. Raises NotFoundError."""
    account = state.account(command.account)
    for user_id in command.deactivate:
        state.user(account, user_id).active = False
    accounts.remove_users(state, account, list(command.remove))
    added = [user.id for user in accounts.add_users(account, command.add, now)]
    if command.license:
        for installation in state.installations.values():
            if installation.account_id == account.id:
                installation.users |= dict.fromkeys(added)
    return added


def rename(state: TalkdeskState, command: models.Rename) -> None:
    """Rename an account. Raises NotFoundError, ConflictError."""
    accounts.rename(state, state.account(command.account), command.name)


def change_app(state: TalkdeskState, command: models.AppChange, now: datetime) -> None:
    """Change an app; register it when it is new."""
    app = state.ensure_app(command.app_id, now)
    app.name = command.name or app.name
    app.version_name = command.version_name or app.version_name
    app.callback = command.callback or app.callback
    app.url = command.url or app.url
    app.redirect_uris = app.redirect_uris if command.redirect_uris is None else command.redirect_uris
    if command.scopes is not None:
        later = now + state.behavior.scope_propagation
        app.scopes = {scope: app.scopes.get(scope, later) for scope in command.scopes}
