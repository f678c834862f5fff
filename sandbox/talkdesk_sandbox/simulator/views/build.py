"""Filling the views from the state: nothing secret gets into them.

Belongs here: turning entities, deliveries and records into views. Does not belong here: changing anything.
"""

from collections.abc import Iterable
from datetime import datetime

from talkdesk_sandbox.simulator.crypto.signing_keys import SigningKeys
from talkdesk_sandbox.simulator.delivery.deliveries import Delivery
from talkdesk_sandbox.simulator.http.journal import Record
from talkdesk_sandbox.simulator.state.entities import Event, Installation
from talkdesk_sandbox.simulator.state.installation_state import wire_state
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState
from talkdesk_sandbox.simulator.views import models


def event_ref(event: Event) -> models.EventRef:
    """Return an event without its content."""
    return models.EventRef(
        id=event.id, type=event.type, installation_id=event.installation_id, created_at=event.created_at
    )


def outcome(
    state: TalkdeskState, installation: Installation, created: Iterable[Event], *, kept: bool = False
) -> models.Outcome:
    """Return what a command did to an installation."""
    return models.Outcome(
        installation_id=installation.id,
        account_id=installation.account_id,
        account_name=state.account_of(installation).name,
        app_id=installation.app_id,
        state=wire_state(installation.state, state.behavior),
        client_id=installation.current.client_id,
        events=tuple(event_ref(event) for event in created),
        kept=kept,
    )


def installation_view(state: TalkdeskState, installation: Installation, now: datetime) -> models.InstallationView:
    """Return an installation without its secrets."""
    pending, trial = installation.pending_since, installation.trial
    return models.InstallationView(
        id=installation.id,
        app_id=installation.app_id,
        account_id=installation.account_id,
        account_name=state.account_of(installation).name,
        state=wire_state(installation.state, state.behavior),
        pending=pending is not None,
        answer_until=pending + state.behavior.answer_within if pending else None,
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


def state_view(state: TalkdeskState, signing: SigningKeys, now: datetime) -> models.StateView:
    """Return the whole state without its secrets."""
    return models.StateView(
        now=now,
        public_url=state.links.root,
        apps={app.id: app.callback for app in state.apps.values()},
        accounts={account.name: len(account.users) for account in state.accounts.values()},
        installations=tuple(installation_view(state, each, now) for each in state.installations.values()),
        signing_key_id=signing.current.key_id,
        settings=state.behavior.model_dump(mode="json"),
    )


def delivery_view(delivery: Delivery) -> models.DeliveryView:
    """Return a delivery and its attempts."""
    return models.DeliveryView(
        number=delivery.number,
        event_id=delivery.event.id,
        type=delivery.event.type,
        installation_id=delivery.event.installation_id,
        url=delivery.url,
        state=delivery.state,
        next_at=delivery.next_at,
        faults=delivery.faults,
        attempts=tuple(
            models.AttemptView(at=each.at, latency=each.latency, status=each.status, error=each.error)
            for each in delivery.attempts
        ),
    )


def record_view(record: Record) -> models.RecordView:
    """Return a request."""
    return models.RecordView.model_validate(record, from_attributes=True)
