"""The calls and writes of a test in their order, as text that people can read and tests compare.

There is one line for each event that Talkdesk sends, each call to its API and each write to the Kubernetes API. Of a
status it shows what changed: types, statuses and reasons of conditions, never their messages. Reads of Talkdesk that go
out together are in one line. No line has an id.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from typing_extensions import override

from builders.kube_gate import Call
from builders.stack import Stack
from talkdesk_sandbox.simulator.http import Record

_KINDS = {
    "namespaces": "Namespace",
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "events": "Event",
    "talkdeskapps": "TalkdeskApp",
    "talkdeskinstallations": "TalkdeskInstallation",
    "talkdesktenants": "TalkdeskTenant",
}
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}


@dataclass(frozen=True)
class Line:
    """One line and its time."""

    at: datetime
    actor: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.actor:<9} {self.text}"


def trace(stack: Stack, since: datetime) -> str:
    """Return the trace of an app since that time."""
    lines = sorted([*_events(stack), *_talkdesk(stack), *_kubernetes(stack)], key=lambda line: line.at)
    chosen = [line for line in lines if line.at >= since]
    return "".join(f"{line}\n" for line in _joined(chosen))


def _joined(lines: list[Line]) -> Iterator[str]:
    """Join consecutive reads to one line, because they go out at once and in no order."""
    for key, group in groupby(lines, key=lambda line: line.actor if line.text.startswith("reads ") else id(line)):
        members = list(group)
        if isinstance(key, str):
            targets = sorted({line.text.removeprefix("reads ") for line in members})
            yield str(Line(members[0].at, key, f"reads {', '.join(targets)}"))
        else:
            yield str(members[0])


def _events(stack: Stack) -> Iterator[Line]:
    for delivery in stack.simulator.dispatcher.log:
        for attempt in delivery.attempts:
            yield Line(attempt.at, "Talkdesk", f"sends {delivery.event.type}")


def _talkdesk(stack: Stack) -> Iterator[Line]:
    for record in stack.simulator.journal.records():
        if "/signature-keys/" not in record.path:
            yield Line(record.at, "operator", _call(record))


def _call(record: Record) -> str:
    status = "" if record.status in {200, 202} else f" → {record.status or 'cut'}"
    match record.method, record.path.split("/")[1:]:
        case "POST", ["accounts", _, "oauth", "token"]:
            return f"requests a token{status}"
        case "GET", ["account"]:
            return f"reads account{status}"
        case "GET", ["apps", _, "installations", _]:
            return f"reads installation{status}"
        case "GET", ["apps", _, "installations", _, part]:
            return f"reads {part}{status}"
        case "POST", ["apps", _, "installations", _, "state"]:
            return f"answers Talkdesk: {(record.effect or 'no effect').replace(':', ', now ')}{status}"
        case method, _:
            return f"{method} {record.path}{status}"


def _kubernetes(stack: Stack) -> Iterator[Line]:
    known: dict[str, dict[str, Any]] = {}
    for program, gate in stack.platform.gates.items():
        for call in gate.writes():
            if stack.app in call.path or "/td-" in call.path or _concerns(call, stack):
                yield Line(call.at, program, _write(call, known))


def _concerns(call: Call, stack: Stack) -> bool:
    """Return whether the body of a create names the app."""
    if call.method != "POST" or not isinstance(call.body, dict):
        return False
    parts = [call.body.get(part, {}) for part in ("spec", "regarding", "metadata")]
    return stack.app in json.dumps(parts)


def _write(call: Call, known: dict[str, dict[str, Any]]) -> str:
    parts = call.path.split("/")
    verb = _VERBS[call.method]
    if parts[-1] == "status":
        kind = _KINDS[parts[-3]]
        status = _status_in(call.body)
        before, known[call.path] = known.get(call.path, {}), status
        return f"status {kind}: {'; '.join(_status_changes(before, status)) or 'unchanged'}"
    if parts[-1] in _KINDS:
        named = f" {call.body['reason']}" if parts[-1] == "events" else ""
        return f"{verb} {_KINDS[parts[-1]]}{named}"
    kind = _KINDS.get(parts[-2], parts[-2])
    if call.as_user is not None and verb == "patch":
        verb = "apply"
    name = f" {parts[-1]}" if kind in {"ConfigMap", "Secret"} and "/td-" in call.path else ""
    changed = f": {', '.join(_changed_fields(call.body))}" if verb == "patch" else ""
    return f"{verb} {kind}{name}{changed}"


def _status_in(body: Any) -> dict[str, Any]:
    """Return the status of a write that replaces it, or that merges conditions into one that can't be relied on."""
    if isinstance(body, dict):
        return dict(body["status"])
    return next(operation["value"] for operation in body if operation["path"] == "/status")


def _changed_fields(body: Any) -> Iterator[str]:
    if isinstance(body, list):
        yield from (operation["path"].removeprefix("/spec/") for operation in body)
    else:
        yield from (key for part in ("metadata", "spec") for key in sorted(body.get(part, {})))


def _status_changes(before: dict[str, Any], status: dict[str, Any]) -> Iterator[str]:
    if status.get("phase") != before.get("phase"):
        yield f"phase {status['phase']}"
    old = {condition["type"]: (condition["status"], condition["reason"]) for condition in before.get("conditions", [])}
    for condition in status.get("conditions", []):
        new = condition["status"], condition["reason"]
        if old.get(condition["type"]) != new:
            yield f"{condition['type']}={new[0]} {new[1]}"
    if (answer := status.get("answer", {})) != before.get("answer", {}):
        yield f"answer {', '.join(sorted(answer.keys() - {'eventId', 'decision'}))}"
    if (kinds := _inventory(status)) != _inventory(before):
        yield f"inventory {', '.join(kinds) or 'empty'}"


def _inventory(status: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in status.get("inventory", [])]
