"""What happens to installations: install, update, uninstall, answer, suspension, timeout.

Belongs here: operations that change an installation and create its events.
Does not belong here: which state follows which (`transitions`), credentials (`credentials`), trials (`trials`).
"""

from collections.abc import Iterable
from datetime import datetime

from talkdesk_sandbox.simulator.events import bodies
from talkdesk_sandbox.simulator.events.bodies import JsonObject
from talkdesk_sandbox.simulator.events.create import create_event
from talkdesk_sandbox.simulator.lifecycle import trials
from talkdesk_sandbox.simulator.lifecycle.credentials import end_all, issue
from talkdesk_sandbox.simulator.lifecycle.transitions import Effect, Transition, Verb, answer, expire
from talkdesk_sandbox.simulator.state.entities import Account, App, Change, Installation, Subscription
from talkdesk_sandbox.simulator.state.errors import ConflictError
from talkdesk_sandbox.simulator.state.installation_state import LIVE, InstallationState
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState, new_id


def install(
    state: TalkdeskState,
    app: App,
    account: Account,
    subscription: Subscription,
    users: Iterable[str],
    now: datetime,
    *,
    installation_id: str | None = None,
) -> Installation:
    """Install an app in an account: create app.installed, whose answer is then pending."""
    administrator, entered = next(iter(account.users.values())), InstallationState.INSTALLING
    chosen_id = installation_id or new_id()
    installation = Installation(chosen_id, app.id, account.id, now, administrator, subscription, entered, now)
    installation.pending_since = now
    installation.users = dict.fromkeys(users)
    before = state.installations.pop(installation.id, None)
    if before is not None:
        end_all(before, now)
    state.installations[installation.id] = installation
    issued = issue(state, installation, now)
    content = bodies.installed(installation, account, issued, state.links_of(account), state.behavior)
    create_event(state, "app.installed", installation, content, now)
    return installation


def update(state: TalkdeskState, installation: Installation, change: Change, now: datetime) -> None:
    """Request other users or another plan: create app.updated. It is applied when approved. Raises ConflictError."""
    if installation.state not in {
        InstallationState.INSTALLING,
        InstallationState.COMPLETED,
        InstallationState.UPDATING,
    }:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}: no update now")
    if installation.state is InstallationState.COMPLETED:
        installation.enter(InstallationState.UPDATING, now)
        installation.pending_since = now
    content = bodies.updated(installation, state.account_of(installation), change)
    pending = installation.change or Change()
    pending.adding += change.adding
    pending.removing += change.removing
    pending.subscription = change.subscription or pending.subscription
    installation.change = pending
    create_event(state, "app.updated", installation, content, now)


def uninstall(state: TalkdeskState, installation: Installation, reason: JsonObject, now: datetime) -> None:
    """Request the uninstall: create app.uninstalled, and end a running trial. Raises ConflictError."""
    if installation.state not in LIVE or installation.state is InstallationState.UNINSTALLING:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}: no uninstall now")
    _send_uninstalled(state, installation, reason, now)


def respond(state: TalkdeskState, installation: Installation, verb: Verb, reason: str | None, now: datetime) -> bool:
    """Apply the partner's answer; return False when that answer is not awaited."""
    transition = answer(installation.state, verb, state.behavior)
    if transition is None:
        return False
    _follow(state, installation, transition, reason, now)
    installation.answers.append(f"{verb}:{transition.state}")
    return True


def time_out(state: TalkdeskState, installation: Installation, now: datetime) -> None:
    """Apply the timeout if the time to answer has passed."""
    if installation.pending_since is None or now < installation.pending_since + state.behavior.answer_within:
        return
    transition = expire(installation.state, state.behavior)
    if transition is not None:
        _follow(state, installation, transition, None, now)


def suspend(installation: Installation, now: datetime) -> None:
    """Suspend a completed installation. Raises ConflictError."""
    if installation.state is not InstallationState.COMPLETED:
        raise ConflictError(
            f"installation {installation.id!r} is {installation.state}: only a completed one is suspended"
        )
    installation.enter(InstallationState.SUSPENDED, now)


def resume(installation: Installation, now: datetime) -> None:
    """End a suspension. Raises ConflictError."""
    if installation.state is not InstallationState.SUSPENDED:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}, not suspended")
    installation.enter(InstallationState.COMPLETED, now)


def revoke(installation: Installation, now: datetime) -> None:
    """Remove an installation without an event, as after the end of a license. Raises ConflictError."""
    if installation.state not in LIVE:
        raise ConflictError(f"installation {installation.id!r} is {installation.state} already")
    installation.pending_since, installation.change = None, None
    if installation.trial and trials.running(installation):
        installation.trial.ended_at = now
    installation.enter(InstallationState.UNINSTALLED, now)


def _follow(
    state: TalkdeskState, installation: Installation, transition: Transition, reason: str | None, now: datetime
) -> None:
    change, installation.change = installation.change, None
    installation.pending_since = None
    installation.enter(transition.state, now, reason)
    for effect in transition.effects:
        match effect:
            case Effect.APPLY_CHANGE:
                _apply(state, installation, change or Change(), now)
            case Effect.DROP_CHANGE:
                pass  # it was removed from the installation above
            case Effect.START_TRIAL:
                if installation.subscription.type == "trial":
                    trials.start(state, installation, now)
            case Effect.SEND_UNINSTALLED:
                _send_uninstalled(state, installation, {"type": "other", "message": "The install failed."}, now)


def _apply(state: TalkdeskState, installation: Installation, change: Change, now: datetime) -> None:
    for user_id in change.adding:
        installation.users[user_id] = None
    for user_id in change.removing:
        installation.users.pop(user_id, None)
    if change.subscription:
        installation.subscription = change.subscription
        if change.subscription.type == "paid" and trials.running(installation):
            trials.end(state, installation, "plan_upgraded", now)


def _send_uninstalled(state: TalkdeskState, installation: Installation, reason: JsonObject, now: datetime) -> None:
    installation.enter(InstallationState.UNINSTALLING, now)
    installation.pending_since, installation.change = now, None
    account = state.account_of(installation)
    content = bodies.uninstalled(installation, account, reason, state.links_of(account), state.behavior)
    create_event(state, "app.uninstalled", installation, content, now)
    if trials.running(installation):
        trials.end(state, installation, "app_uninstalled", now)
