"""What happens to installations: installed, updated, uninstalled, answered, suspended, timed out.

Belongs here: operations on a `World` that change an installation's state and raise its events.
Does not belong here: which state follows which (`lifecycle`), credentials (`rotation`), trials (`trials`).
"""

from collections.abc import Iterable
from datetime import datetime

from talkdesk_sandbox.simulator import events, trials
from talkdesk_sandbox.simulator.lifecycle import LIVE, Effect, State, Transition, Verb, answer, expire
from talkdesk_sandbox.simulator.model import Account, App, Change, Installation, Subscription
from talkdesk_sandbox.simulator.world import ConflictError, World, new_id


def install(
    world: World,
    app: App,
    account: Account,
    subscription: Subscription,
    users: Iterable[str],
    now: datetime,
    *,
    installation_id: str | None = None,
) -> Installation:
    """Install an app in an account: raises app.installed and waits for the answer."""
    administrator = next(iter(account.users.values()))
    installation = Installation(
        installation_id or new_id(), app.id, account.id, now, administrator, subscription, State.INSTALLING, now
    )
    installation.pending_since = now
    installation.users = dict.fromkeys(users)
    before = world.installations.pop(installation.id, None)
    if before is not None:
        _end_credentials(before, now)
    world.installations[installation.id] = installation
    issued = world.issue_credentials(installation, now)
    content = events.installed(installation, account, issued, world.links_of(account), world.rules)
    world.raise_event("app.installed", installation, content, now)
    return installation


def update(world: World, installation: Installation, change: Change, now: datetime) -> None:
    """Ask for other users or another plan: raises app.updated; applied when it is approved. Raises ConflictError."""
    if installation.state not in {State.INSTALLING, State.COMPLETED, State.UPDATING}:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}: no update now")
    if installation.state is State.COMPLETED:
        installation.enter(State.UPDATING, now)
        installation.pending_since = now
    content = events.updated(installation, world.account_of(installation), change)
    pending = installation.change or Change()
    pending.adding += change.adding
    pending.removing += change.removing
    pending.subscription = change.subscription or pending.subscription
    installation.change = pending
    world.raise_event("app.updated", installation, content, now)


def uninstall(world: World, installation: Installation, reason: events.Json, now: datetime) -> None:
    """Ask for the uninstall: raises app.uninstalled, and ends a running trial. Raises ConflictError."""
    if installation.state not in LIVE or installation.state is State.UNINSTALLING:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}: no uninstall now")
    _send_uninstalled(world, installation, reason, now)


def respond(world: World, installation: Installation, verb: Verb, reason: str | None, now: datetime) -> bool:
    """Take the partner's answer; False when nothing waits for it."""
    transition = answer(installation.state, verb, world.rules)
    if transition is None:
        return False
    _follow(world, installation, transition, reason, now)
    installation.answers.append(f"{verb}:{transition.state}")
    return True


def time_out(world: World, installation: Installation, now: datetime) -> None:
    """Let the silence count, if the time to answer has passed."""
    if installation.pending_since is None or now < installation.pending_since + world.rules.answer_within:
        return
    transition = expire(installation.state, world.rules)
    if transition is not None:
        _follow(world, installation, transition, None, now)


def suspend(installation: Installation, now: datetime) -> None:
    """Suspend a completed installation. Raises ConflictError."""
    if installation.state is not State.COMPLETED:
        raise ConflictError(
            f"installation {installation.id!r} is {installation.state}: only a completed one is suspended"
        )
    installation.enter(State.SUSPENDED, now)


def resume(installation: Installation, now: datetime) -> None:
    """End a suspension. Raises ConflictError."""
    if installation.state is not State.SUSPENDED:
        raise ConflictError(f"installation {installation.id!r} is {installation.state}, not suspended")
    installation.enter(State.COMPLETED, now)


def revoke(installation: Installation, now: datetime) -> None:
    """Take an installation away without an event, as after a license's end. Raises ConflictError."""
    if installation.state not in LIVE:
        raise ConflictError(f"installation {installation.id!r} is {installation.state} already")
    installation.pending_since, installation.change = None, None
    if installation.trial and trials.running(installation):
        installation.trial.ended_at = now
    installation.enter(State.UNINSTALLED, now)


def _follow(
    world: World, installation: Installation, transition: Transition, reason: str | None, now: datetime
) -> None:
    change, installation.change = installation.change, None
    installation.pending_since = None
    installation.enter(transition.state, now, reason)
    for effect in transition.effects:
        match effect:
            case Effect.APPLY_CHANGE:
                _apply(world, installation, change or Change(), now)
            case Effect.DROP_CHANGE:
                pass  # taken from the installation above
            case Effect.START_TRIAL:
                if installation.subscription.type == "trial":
                    trials.start(world, installation, now)
            case Effect.SEND_UNINSTALLED:
                _send_uninstalled(world, installation, {"type": "other", "message": "The install failed."}, now)


def _apply(world: World, installation: Installation, change: Change, now: datetime) -> None:
    for user_id in change.adding:
        installation.users[user_id] = None
    for user_id in change.removing:
        installation.users.pop(user_id, None)
    if change.subscription:
        installation.subscription = change.subscription
        if change.subscription.type == "paid" and trials.running(installation):
            trials.end(world, installation, "plan_upgraded", now)


def _send_uninstalled(world: World, installation: Installation, reason: events.Json, now: datetime) -> None:
    installation.enter(State.UNINSTALLING, now)
    installation.pending_since, installation.change = now, None
    account = world.account_of(installation)
    content = events.uninstalled(installation, account, reason, world.links_of(account), world.rules)
    world.raise_event("app.uninstalled", installation, content, now)
    if trials.running(installation):
        trials.end(world, installation, "app_uninstalled", now)


def _end_credentials(installation: Installation, now: datetime) -> None:
    for issued in installation.credentials:
        issued.ends_at = min(issued.ends_at or now, now)
