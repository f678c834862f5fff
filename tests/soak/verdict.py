"""What must be true after a storm, by what Talkdesk did, what the API server has, and what its audit log says.

Lost: an event got a 2xx, but neither it nor a newer one is in its register, or its credentials are not stored.
Double: an installation was answered more often than its customer requested anything. Wrong: an object of a customer who
has the app was deleted, or a retained one before its retention had ended.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from builders.recorded import REGISTERS, is_recorded
from soak.stage import APP, Stage
from talkdesk_crds.names import installation_name
from talkdesk_sandbox.simulator.delivery.deliveries import Delivery
from talkdesk_sandbox.simulator.http.journal import Record
from talkdesk_sandbox.simulator.state import Event, InstallationState

__all__ = ["AUDIT_POLICY", "Deletion", "Verdict", "deletions"]

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {
            "level": "Metadata",
            "verbs": ["delete", "deletecollection"],
            "resources": [{"group": "", "resources": ["configmaps", "secrets", "namespaces"]}],
        },
        {"level": "None"},
    ],
}
"""All deletions, also those of which the API server did not live to see the end."""
_CROSSING = timedelta(seconds=10)
"""A deletion may cross with a reinstall that was acknowledged so shortly before."""
_Objects = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Deletion:
    """A request that deleted an object, or may have."""

    at: datetime
    plural: str
    namespace: str
    name: str


def deletions(log: Path) -> list[Deletion]:
    """Read the audit log: what was deleted, or was begun and has no end there."""
    last: dict[str, dict[str, Any]] = {}
    for line in log.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the API server was killed in the middle of it
        last[event["auditID"]] = event
    return [
        Deletion(
            datetime.fromisoformat(event["requestReceivedTimestamp"]),
            event["objectRef"]["resource"],
            event["objectRef"].get("namespace", ""),
            event["objectRef"].get("name", ""),
        )
        for event in last.values()
        if event.get("responseStatus", {}).get("code", 200) < 300
    ]


@dataclass
class Verdict:
    """All of it is computed when everything has come to rest."""

    stage: Stage
    installations: _Objects
    credentials: _Objects
    """Secrets beside the installations."""
    data: _Objects
    """Retained objects of tenants."""
    keep_for: timedelta
    crossed: int = 0
    _history: dict[str, list[Delivery]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for delivery in self.stage.simulator.dispatcher.log:
            self._history.setdefault(delivery.event.account_id, []).append(delivery)

    @cached_property
    def acknowledged(self) -> list[Event]:
        return [each.event for each in self.stage.simulator.dispatcher.log if _acknowledged_at(each) is not None]

    @cached_property
    def given_up(self) -> list[Event]:
        """Events that Talkdesk sends no more."""
        return [each.event for each in self.stage.simulator.dispatcher.log if each.state == "lost"]

    def lost(self) -> Iterator[str]:
        """Yield a sentence for each event that was acknowledged and is not there."""
        known = self.stage.simulator.state.events
        for event in self.acknowledged:
            name = installation_name(APP, event.installation_id)
            spec = self.installations.get(name, {}).get("spec", {})
            for register in REGISTERS.get(event.type, ()):
                if not is_recorded(known, spec.get(register), event):
                    yield f"{event.type} {event.id} got a 200, but {register} of {name} does not have it"

    def credentials_lost(self) -> Iterator[str]:
        """Yield a sentence for each customer whose credentials are not those of the event that the register names."""
        for it in self.stage.simulator.state.installations.values():
            register = self.installations.get(installation_name(APP, it.id), {}).get("spec", {}).get("credentials")
            if it.state is not InstallationState.COMPLETED or register is None:
                continue
            stored = self.credentials.get(register["secretName"], {}).get("data", {}).get("client_id", "")
            event = self.stage.simulator.state.events[register["eventId"]]
            if b64decode(stored).decode() != event.document["data"]["client_id"]:
                yield f"the Secret {register['secretName']} does not have the credentials of {event.id}"

    def doubles(self) -> Iterator[str]:
        """Yield a sentence for each installation that was answered more often than its customer requested anything.

        Calls that Talkdesk refused because nothing waited count, too; how each one went is said with it.
        """
        answers: dict[str, list[Record]] = {}
        for record in self._answers():
            answers.setdefault(record.path.split("/")[4], []).append(record)
        for installation_id, calls in answers.items():
            requests = [e for e in self.stage.simulator.state.events.values() if _is_request_of(e, installation_id)]
            if len(calls) > len(requests):
                asked = ", ".join(f"{event.type} at {event.created_at:%H:%M:%S.%f}" for event in requests)
                went = ", ".join(f"{call.answered} at {call.at:%H:%M:%S.%f}" for call in calls)
                yield f"{installation_id}: {len(calls)} answers ({went}) to {len(requests)} requests ({asked})"

    @property
    def moot(self) -> int:
        """Return how many answers came when nothing waited: an earlier answer had settled two requests at once."""
        return sum(each.answered == self.stage.simulator.state.behavior.wrong_state_status for each in self._answers())

    def _answers(self) -> Iterator[Record]:
        """Yield each answer that reached Talkdesk and was meant for what it was sent to."""
        counted = (200, self.stage.simulator.state.behavior.wrong_state_status)
        for record in self.stage.simulator.journal.records():
            is_answer = record.path.endswith("/state") and "/credentials/" not in record.path
            if is_answer and record.method == "POST" and record.answered in counted:
                yield record

    def repeated_acknowledgements(self) -> int:
        """Return how many acknowledgements of credentials came again (409): after a crash nothing else can be known."""
        records = self.stage.simulator.journal.records()
        return sum(r.method == "POST" and "/credentials/" in r.path and r.answered == 409 for r in records)

    def unanswered(self) -> list[str]:
        """Return the installations that wait although Talkdesk has given up none of their requests."""
        vital = ("app.installed", "app.uninstalled", "app.updated")
        without = {event.installation_id for event in self.given_up if event.type in vital}
        pending = (InstallationState.INSTALLING, InstallationState.UPDATING, InstallationState.UNINSTALLING)
        every = self.stage.simulator.state.installations.values()
        return [f"{it.id} is {it.state}" for it in every if it.state in pending and it.id not in without]

    @property
    def answered(self) -> int:
        """Return how many answers Talkdesk has accepted."""
        return sum(len(it.answers) for it in self.stage.simulator.state.installations.values())

    @property
    def customers(self) -> int:
        """Return how many have the app."""
        states = [it.state for it in self.stage.simulator.state.installations.values()]
        return states.count(InstallationState.COMPLETED)

    def hollow(self) -> Iterator[str]:
        """Yield a sentence where so little has happened that nothing is proven."""
        requests = sum(map(_is_request, self.acknowledged))
        if self.answered < requests / 10:
            yield f"only {self.answered} answers to {requests} requests"
        if len(self.given_up) > len(self.acknowledged):
            yield f"{len(self.given_up)} events were given up, {len(self.acknowledged)} acknowledged"

    def wrong(self, found: list[Deletion]) -> Iterator[str]:
        """Yield a sentence for each deletion without a reason, and for each customer whose data are gone."""
        accounts = {self.stage.tenant_of(each): each for each in self.stage.simulator.state.accounts}
        for deletion in found:
            if deletion.name in accounts and (why := self._without_reason(deletion, accounts[deletion.name])):
                yield f"{deletion.plural} {deletion.name} was deleted at {deletion.at}: {why}"
            elif deletion.plural == "namespaces" or not deletion.name:
                yield f"{deletion.plural} {deletion.namespace} {deletion.name} was deleted at {deletion.at}"
        for it in self.stage.simulator.state.installations.values():
            if it.state is InstallationState.COMPLETED and self.stage.tenant_of(it.account_id) not in self.data:
                yield f"the customer of {it.id} has the app, but no data"

    def _without_reason(self, deletion: Deletion, account: str) -> str:
        history = [each for each in self._history.get(account, []) if each.event.created_at <= deletion.at]
        ends = [each.event.created_at for each in history if each.event.type == "app.uninstalled"]
        if not ends:
            return "no uninstall before"
        if (
            deletion.plural == "configmaps"
            and deletion.at < max(ends) + self.keep_for
            and not any(end + self.keep_for <= deletion.at for end in ends)
        ):
            return f"the retention of the uninstall at {max(ends)} had not ended"
        for each in history:
            if each.event.type == "app.installed" and each.event.created_at > max(ends):
                at = _acknowledged_at(each)
                if at is not None and at + _CROSSING <= deletion.at:
                    return f"installed again at {each.event.created_at}, acknowledged at {at}"
                self.crossed += 1
        return ""


def _is_request(event: Event) -> bool:
    return "request" in REGISTERS.get(event.type, ())


def _is_request_of(event: Event, installation_id: str) -> bool:
    return event.installation_id == installation_id and _is_request(event)


def _acknowledged_at(delivery: Delivery) -> datetime | None:
    """Return when Talkdesk had the first 2xx."""
    return next(
        (
            attempt.at + timedelta(seconds=attempt.latency)
            for attempt in delivery.attempts
            if attempt.status is not None and 200 <= attempt.status < 300
        ),
        None,
    )
