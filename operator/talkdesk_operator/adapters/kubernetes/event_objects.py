"""Event objects of events.k8s.io.

Belongs here: their shape, and the limits of their fields. Does not belong here: which changes emit an Event
(domain/ports/kube_event).
"""

from datetime import UTC, datetime
from typing import Any, Final

from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import API_VERSION, GROUP, digest
from talkdesk_operator.domain.ports.kube_event import EventDraft

__all__ = ["event_of"]

_MESSAGE_LENGTH: Final = 1024


def event_of(regarding: CustomResource, event: EventDraft, instance: str) -> dict[str, Any]:
    """Return the Event object; `instance` names the process that reports it."""
    now = datetime.now(UTC)
    name, namespace = regarding.metadata.name, regarding.metadata.namespace
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name[:200]}.{digest(now.isoformat(), event.reason, regarding.metadata.uid)}",
            "namespace": namespace,
        },
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason[:128],
        "action": event.action[:128],
        "note": event.message[:_MESSAGE_LENGTH],
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
