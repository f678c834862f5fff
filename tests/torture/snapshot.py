"""The canonical form of everything that a life has come to: equal for two lives that ended alike.

Left out is what may differ without anybody minding: times, uids, versions, messages, digests, the way to where it is
(history, what an answer was compared with). Uids are compared with those of the first time an object was seen, so an
object that was made anew is told from one that stayed.
"""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from builders.watched import Object
from talkdesk_crds.names import ANNOTATION_RECONCILE, HOOKS_TYPE, LABEL_SHARD_SLOT
from talkdesk_sandbox.simulator.state import Installation
from torture.names import replaced

__all__ = [
    "Uids",
    "app_of",
    "installation_of",
    "secret_of",
    "service_of",
    "talkdesk_of",
    "tenant_object_of",
    "tenant_of",
]

_ABOUT_THE_WAY: Final = frozenset(
    # `tenants` is counted at most once a minute, `rollout` is whose turn it is meanwhile.
    {"history", "events", "observedGeneration", "lastHandledReconcileAt", "verificationTime", "tenants", "rollout"}
)
_PRESENT: Final = frozenset({"appliedInputs", "verifiedAccess", "fingerprint", "installTime", "deliveryTime"})
"""Only that they are there counts."""
_OF_AN_ANSWER: Final = frozenset({"sendTime", "observedState", "observedStateTime", "resultTime"})
Names = Sequence[tuple[str, str]]


@dataclass
class Uids:
    """Which uid each object had when it was first seen."""

    first: dict[str, str] = field(default_factory=dict)

    def word(self, name: str, uid: str) -> str:
        """Return whether it is still the first object of that name."""
        return "first" if self.first.setdefault(name, uid) == uid else "another"


def app_of(obj: Object | None, names: Names) -> Any:
    """Return the canonical form of the TalkdeskApp; its spec is what the life has made it."""
    return None if obj is None else replaced(_head(obj) | {"status": _status(obj)}, names)


def installation_of(obj: Object | None, names: Names) -> Any:
    """Return the canonical form of a TalkdeskInstallation."""
    if obj is None:
        return None
    return replaced(_head(obj) | {"spec": obj["spec"], "status": _status(obj)}, names)


def tenant_of(obj: Object | None, live: Mapping[str, str], names: Names) -> Any:
    """Return the canonical form of a TalkdeskTenant; `live` has the uids of the tenant's objects, by kind and name."""
    if obj is None:
        return None
    status = _status(obj)
    for item in status.get("inventory", ()):
        item["uid"] = "right" if live.get(f"{item['kind']}/{item['name']}") == item.get("uid") else "wrong"
    return replaced(_head(obj) | {"spec": obj["spec"], "status": status}, names)


def tenant_object_of(obj: Object, uids: Uids, names: Names) -> Any:
    """Return the canonical form of one of the tenant's objects, and whether it is still the first one."""
    name = f"{obj['kind']}/{obj['metadata']['name']}"
    return replaced(_head(obj) | {"uid": uids.word(name, obj["metadata"]["uid"]), "data": _data(obj)}, names)


def secret_of(obj: Object, names: Names) -> Any:
    """Return the canonical form of a Secret in the app's namespace. What a record of users says is digests."""
    keys = sorted(obj.get("data") or {})
    said = {"name": obj["metadata"]["name"], "type": obj.get("type"), "keys": keys}
    if obj.get("type") == HOOKS_TYPE:
        steps: dict[str, Any] = json.loads(b64decode(obj["data"]["hooks.json"]))["steps"]
        said["steps"] = {name: [entry["exists"], entry["result"], entry["left"]] for name, entry in steps.items()}
    return replaced(_head(obj) | said, names)


def service_of(tenants: Mapping[str, Any], names: Names) -> Any:
    """Return what the partner's service has; how often it was asked for something else is the way there."""
    known = {
        name: {key: value for key, value in body.items() if key not in {"generation", "credentials"}}
        | {"client": body["credentials"]["clientId"]}
        for name, body in tenants.items()
    }
    return replaced(known, names)


def talkdesk_of(installation: Installation, names: Names) -> Any:
    """Return what Talkdesk has on record."""
    found = installation
    plan = found.subscription
    credentials = [(bool(each.acknowledged_at), each.ends_at is not None) for each in found.credentials]
    known: dict[str, Any] = {
        "state": found.state,
        "answers": found.answers,
        "users": found.users,
        "credentials": credentials,
        "subscription": [plan.name, plan.type, plan.licenses],
        "trial": None if found.trial is None else found.trial.ended_reason or "runs",
    }
    made: dict[str, Any] = replaced(known, names)
    return {**made, "users": sorted(made["users"])}


def _head(obj: Object) -> dict[str, Any]:
    metadata = obj["metadata"]
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key != LABEL_SHARD_SLOT}
    annotations = {
        key: "" if _is_chance(key) else value
        for key, value in metadata.get("annotations", {}).items()
        if key != ANNOTATION_RECONCILE
    }
    return {
        "labels": labels,
        "annotations": annotations,
        "finalizers": sorted(metadata.get("finalizers", ())),
        "deleted": "deletionTimestamp" in metadata,
    }


def _is_chance(annotation: str) -> bool:
    return annotation.endswith(("/owner", "/for-hosts")) or "checksum" in annotation


def _status(obj: Object) -> dict[str, Any]:
    status = obj.get("status", {})
    kept: dict[str, Any] = {key: _kept(key, value) for key, value in status.items() if key not in _ABOUT_THE_WAY}
    kept["conditions"] = sorted(map(_condition, filter(_is_present_state, status.get("conditions", ()))))
    kept["current"] = status.get("observedGeneration") == obj["metadata"]["generation"]
    asked = obj["metadata"].get("annotations", {}).get(ANNOTATION_RECONCILE)
    kept["handled"] = status.get("lastHandledReconcileAt") == asked
    return kept


def _kept(key: str, value: Any) -> Any:
    if key in _PRESENT:
        return "present"
    if key == "answer":
        return {k: _kept(k, v) for k, v in value.items() if k not in _OF_AN_ANSWER | _ABOUT_THE_WAY}
    if isinstance(value, dict):
        return {k: _kept(k, v) for k, v in value.items() if k not in _ABOUT_THE_WAY}
    if isinstance(value, list):
        return [_kept("", each) if isinstance(each, dict) else each for each in value]
    return value


def _is_present_state(found: Mapping[str, str]) -> bool:
    """Return whether a condition is more than a trace: InSync is there, and True, once Talkdesk had not agreed."""
    return (found["type"], found["status"]) != ("InSync", "True")


def _condition(found: Mapping[str, str]) -> list[str]:
    # How an answer got there is no part of where it is.
    reason = "" if found["type"] == "Answered" else found["reason"]
    return [found["type"], found["status"], reason]


def _data(obj: Object) -> dict[str, str]:
    data = obj.get("data") or {}
    if obj["kind"] != "Secret":
        return dict(data)
    return {key: b64decode(value).decode() for key, value in data.items()}
