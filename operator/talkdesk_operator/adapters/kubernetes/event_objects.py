"""Event objects of events.k8s.io.

Belongs here: their shape, and the limits of their fields. Does not belong here: which changes emit an Event
(domain/installation/kube_events).
"""

from datetime import datetime
from typing import Any, Final

from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import API_VERSION, GROUP, digest
from talkdesk_operator.domain.ports.kube_event import EventDraft

__all__ = ["event_of"]

_NOTE_BYTES: Final = 1024
_NAME_LENGTH: Final = 200
"""Of the object's name in the Event's own, which has 253 characters with the digest."""


def event_of(regarding: CustomResource, event: EventDraft, instance: str, now: datetime) -> dict[str, Any]:
    """Return the Event; `instance` is the process that reports it."""
    name, namespace = regarding.metadata.name, regarding.metadata.namespace
    unique = digest(now.isoformat(), event.reason, regarding.metadata.uid)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name[:_NAME_LENGTH].rstrip('-.')}.{unique}",
            "namespace": namespace,
        },
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason[:128],
        "action": event.action[:128],
        "note": _cut(event.message),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": regarding.INFO.kind,
            "name": name,
            "namespace": namespace,
            "uid": regarding.metadata.uid,
            "resourceVersion": regarding.metadata.resource_version,
        },
        "reportingController": f"{GROUP}/operator",
        "reportingInstance": instance[:128],
    }


def _cut(message: str) -> str:
    """Return as much of it as the API server takes, which counts bytes; no character is cut in two."""
    return message.encode("utf-8", "replace")[:_NOTE_BYTES].decode("utf-8", "ignore")
