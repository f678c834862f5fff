"""The partner's service of an `http` step as an immutable value, and the template of an app that calls it.

In the model: a service with one tenant at most. One at the path `/slow` answers each PUT and DELETE with 202 and is
done 20 seconds later; while it is at something, anything else gets a 422.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from builders.api_server import HOME, Place
from builders.operator_in_memory import NAMESPACE, TEMPLATE_STEPS, TENANT, config_map, template
from model.records import CANARY
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_operator.domain.ports.hooks import Answer, Reply

__all__ = [
    "KEY",
    "RECORD",
    "STEP",
    "TAKES",
    "Doing",
    "Held",
    "Hook",
    "Instead",
    "called",
    "held_of",
    "is_being_deleted",
    "is_on_record",
]

STEP = "service"
_HOST = "control.example.com"
RECORD: Place = ("secrets", HOME, f"{TENANT}-hooks")
"""The Secret in which the operator keeps what the service has."""
KEY: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "Opaque",
    "metadata": {"name": "hook", "namespace": HOME, "annotations": {ANNOTATION_FOR_HOSTS: _HOST}},
    "data": {"key": base64.b64encode(f"{CANARY}-signing-key".encode()).decode()},
}
"""The Secret with the key that signs."""
TAKES = 20
"""Seconds until something that was answered with 202 is done."""


def called(*, slow: bool = False, on_offboard: str = "Retain", **http: Any) -> dict[str, Any]:
    """Return a template of which one step calls the service, and a later one uses what it answers."""
    settings = {"url": f"https://{_HOST}/{'slow' if slow else 'v1'}", "secretRef": {"name": "hook", "key": "key"}}
    keys = {
        "key": "${base64.encode(bytes(credentials.keyId))}",
        "word": f"${{base64.encode(bytes(outputs.{STEP}.secrets.word))}}",
    }
    return template(
        {"name": "base", "manifests": [NAMESPACE, TEMPLATE_STEPS[0]["manifests"][1]]},
        {"name": STEP, "onOffboard": on_offboard, "http": settings | http},
        {"name": "credentials", "onOffboard": "Delete", "manifests": [config_map("keys", kind="Secret", data=keys)]},
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What the service was told of the tenant."""

    state: str
    plan: str
    client: str
    """Of the credentials; empty where it gets none."""

    @property
    def word(self) -> str:
        """The secret that it answers."""
        return f"{CANARY}-word-of-{self.plan}"


@dataclass(frozen=True, slots=True)
class Doing:
    """What a 202 was about."""

    until: int
    key: str
    held: Held | None
    """What the service has at the end; None for a deletion."""


@dataclass(frozen=True, slots=True)
class Hook:
    """All of the service."""

    held: Held | None = None
    doing: Doing | None = None
    used: bool = False
    """Whether a customer has had the app with what is there: it may hold their data."""
    gone: bool = False
    """Whether something was deleted there, and nothing made since."""
    sent: tuple[tuple[str, str], ...] = ()
    """By idempotency key, a fingerprint of method, path and body."""

    def at(self, now: int) -> "Hook":
        """Return it as it is at a time: what was to be done is."""
        doing = self.doing
        return self if doing is None or doing.until > now else replace(self, doing=None).having(doing.held)

    def having(self, held: Held | None) -> "Hook":
        """Return it with this in the place of what it has."""
        used = self.used and held is not None
        return replace(self, held=held, used=used, gone=held is None and (self.gone or self.held is not None))

    def asked(self, key: str, held: Held | None, now: int, *, slow: bool) -> tuple["Hook", Answer]:
        """Return what becomes of a PUT, or of a DELETE where `held` is None."""
        if self.doing is not None and self.doing.key != key:
            return self, Reply(422, {"error": "ConcurrencyError"})
        if held is None and self.held is None and self.doing is None:
            return self, Reply(410, {})
        if slow or self.doing is not None:
            return replace(self, doing=self.doing or Doing(now + TAKES, key, held)), Reply(202, {"operation": key})
        status = 201 if self.held is None and held is not None else 200
        return self.having(held), Reply(status, told(held))

    def polled(self) -> Answer:
        """Return what it says of what it is at."""
        if self.doing is not None:
            return Reply(200, {"state": "in progress"})
        return Reply(200, {"state": "succeeded", **told(self.held)}) if self.held is not None else Reply(410, {})


class Instead(Exception):
    """An answer in the place of the service's own."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        self.answer = answer


def told(held: Held | None) -> dict[str, Any]:
    """Return the body of an answer: outputs of what is there."""
    return {} if held is None else {"outputs": {"plan": held.plan}, "secrets": {"word": held.word}}


def held_of(body: bytes) -> Held:
    """Return what a PUT asks for."""
    content = json.loads(body)
    client = (content.get("credentials") or {}).get("clientId", "")
    return Held(content["state"], content["subscription"]["type"] or "", client)


def is_on_record(objects: Mapping[Place, Any], *, as_certain: bool = False) -> bool:
    """Return whether the operator's record says that the service may have something, or is known to."""
    return _entry(objects).get("exists", "No") in ({"Yes"} if as_certain else {"Yes", "Maybe"})


def is_being_deleted(objects: Mapping[Place, Any]) -> bool:
    """Return whether the record says that a deletion was begun, which is brought to its end whoever comes back."""
    return _entry(objects).get("act") == "Delete" and is_on_record(objects)


def _entry(objects: Mapping[Place, Any]) -> Mapping[str, Any]:
    secret = objects.get(RECORD)
    if secret is None:
        return {}
    entry: Mapping[str, Any] = json.loads(base64.b64decode(secret["data"]["hooks.json"]))["steps"].get(STEP, {})
    return entry
