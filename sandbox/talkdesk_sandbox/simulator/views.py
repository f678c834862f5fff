"""The world as the control API shows it: no secrets.

Belongs here: turning model objects into the shapes of `commands`. Does not belong here: changing anything.
"""

from collections.abc import Iterable
from datetime import datetime

from talkdesk_sandbox.simulator import results
from talkdesk_sandbox.simulator.courier import Delivery
from talkdesk_sandbox.simulator.journal import Record
from talkdesk_sandbox.simulator.lifecycle import wire_state
from talkdesk_sandbox.simulator.model import Event, Installation
from talkdesk_sandbox.simulator.signing import SigningKeys
from talkdesk_sandbox.simulator.world import World


def event_ref(event: Event) -> results.EventRef:
    """Name an event."""
    return results.EventRef(
        id=event.id, type=event.type, installation_id=event.installation_id, created_at=event.created_at
    )


def outcome(world: World, installation: Installation, raised: Iterable[Event]) -> results.Outcome:
    """Show what a command did to an installation."""
    return results.Outcome(
        installation_id=installation.id,
        account_id=installation.account_id,
        account_name=world.account_of(installation).name,
        app_id=installation.app_id,
        state=wire_state(installation.state, world.rules),
        client_id=installation.current.client_id,
        events=tuple(event_ref(event) for event in raised),
    )


def installation_view(world: World, installation: Installation, now: datetime) -> results.InstallationView:
    """Show an installation."""
    pending, trial = installation.pending_since, installation.trial
    return results.InstallationView(
        id=installation.id,
        app_id=installation.app_id,
        account_id=installation.account_id,
        account_name=world.account_of(installation).name,
        state=wire_state(installation.state, world.rules),
        pending=pending is not None,
        answer_until=pending + world.rules.answer_within if pending else None,
        reason=installation.reason,
        answers=tuple(installation.answers),
        plan=installation.subscription.name,
        type=installation.subscription.type,
        licenses=installation.subscription.licenses,
        users=tuple(installation.users),
        client_ids=tuple(each.client_id for each in installation.credentials if each.works(now)),
        acknowledged=installation.current.acknowledged_at is not None,
        trial_until=trial.expires_at if trial else None,
        trial_ended=trial.ended_reason if trial else None,
    )


def world_view(world: World, signing: SigningKeys, now: datetime) -> results.WorldView:
    """Show everything."""
    return results.WorldView(
        now=now,
        public_url=world.links.root,
        apps={app.id: app.callback for app in world.apps.values()},
        accounts={account.name: len(account.users) for account in world.accounts.values()},
        installations=tuple(installation_view(world, each, now) for each in world.installations.values()),
        signing_key_id=signing.current.key_id,
        settings=world.rules.model_dump(mode="json"),
    )


def delivery_view(delivery: Delivery) -> results.DeliveryView:
    """Show a delivery."""
    return results.DeliveryView(
        number=delivery.number,
        event_id=delivery.event.id,
        type=delivery.event.type,
        installation_id=delivery.event.installation_id,
        url=delivery.url,
        state=delivery.state,
        next_at=delivery.next_at,
        faults=delivery.faults,
        attempts=tuple(
            results.AttemptView(at=each.at, latency=each.latency, status=each.status, error=each.error)
            for each in delivery.attempts
        ),
    )


def record_view(record: Record) -> results.RecordView:
    """Show a request."""
    return results.RecordView.model_validate(record, from_attributes=True)
