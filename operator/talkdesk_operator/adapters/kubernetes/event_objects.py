"""Event objects of events.k8s.io.

Belongs here: their shape, and the limits of their fields. Does not belong here: which changes emit an Event
(domain/installation/kube_events).
"""

from datetime import datetime
from typing import Any, Final

from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import API_VERSION, GROUP, digest
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_runtime.shorten import shorten_bytes

__all__ = ["event_of", "namespace_event", "probe_event"]

_NOTE_BYTES: Final = 1024
_NAME_LENGTH: Final = 200
"""Of the object's name in the Event's own, which has 253 characters with the digest."""


def event_of(regarding: CustomResource, event: EventDraft, instance: str, now: datetime) -> dict[str, Any]:
    """Return the Event; `instance` is the process that reports it."""
    place = {
        "apiVersion": API_VERSION,
        "kind": regarding.INFO.kind,
        "name": regarding.metadata.name,
        "namespace": regarding.metadata.namespace,
        "uid": regarding.metadata.uid,
        "resourceVersion": regarding.metadata.resource_version,
    }
    return _event(place, regarding.metadata.namespace, event, instance, now)


def namespace_event(namespace: str, event: EventDraft, instance: str, now: datetime) -> dict[str, Any]:
    """Return an Event about a namespace, in `default` as all Events about objects without a namespace."""
    return _event({"apiVersion": "v1", "kind": "Namespace", "name": namespace}, "default", event, instance, now)


def probe_event(namespace: str, instance: str, now: datetime) -> dict[str, Any]:
    """Return an Event in a namespace that is only sent as a dry run."""
    draft = EventDraft(warning=False, reason="Probe", message="", action="Probe")
    regarding = {"apiVersion": "v1", "kind": "ServiceAccount", "name": "default", "namespace": namespace}
    return _event(regarding, namespace, draft, instance, now)


def _event(
    regarding: dict[str, str], namespace: str, event: EventDraft, instance: str, now: datetime
) -> dict[str, Any]:
    unique = digest(now.isoformat(), event.reason, event.message, regarding.get("uid", ""))
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{regarding['name'][:_NAME_LENGTH].rstrip('-.')}.{unique}",
            "namespace": namespace,
        },
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason[:128],
        "action": event.action[:128],
        "note": _cut(event.message),
        "regarding": regarding,
        "reportingController": f"{GROUP}/operator",
        "reportingInstance": instance[:128],
    }


def _cut(message: str) -> str:
    """Return as much of it as the API server takes, which counts bytes; no character is cut in two."""
    return shorten_bytes(message, _NOTE_BYTES)
