"""The time that counts for events without a time that can be believed: that of their first receipt, on record.

Such an event would get another time with each delivery, and so win over what came after it. Its first receipt is kept
in an annotation of the TalkdeskInstallation, and holds for every later delivery to any replica, also when the time that
the event claims has come.

Belongs here: the annotation's content, and what follows from it for a record; pure. Does not belong here: requests
(inbox).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import ANNOTATION_RECEIVE_TIMES
from talkdesk_webhook.event_record import EventRecord

__all__ = ["annotations", "operations", "settled"]

_LIMIT: Final = 32
"""Events on record for one installation; Talkdesk delivers one at most three times, so the oldest may go."""


def annotations(record: EventRecord) -> dict[str, Any]:
    """Return the part of a new object's metadata that keeps the receipt; empty for an event with a time of its own."""
    return {"annotations": {ANNOTATION_RECEIVE_TIMES: _added({}, record)}} if record.time_is_receipt else {}


def settled(record: EventRecord, stored: Mapping[str, Any]) -> EventRecord:
    """Return the record with the time of its first receipt, if the stored object has one for the event."""
    known = _read(stored).get(record.event_id)
    if known is None and record.time_is_receipt:
        same = (stored["spec"].get(register.name, {}) for register in record.registers)
        times = (register["eventTime"] for register in same if register.get("eventId") == record.event_id)
        known = min(map(datetime.fromisoformat, times), default=None)
    return record if known is None else record.at(known)


def operations(record: EventRecord, stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON Patch operations by which the object is only written as it was read, and the receipt is kept."""
    metadata = stored["metadata"]
    if not record.time_is_receipt:
        # The generation counts changes of the spec and the start of a deletion, not the operator's status.
        return [_operation("test", field, metadata[field]) for field in ("uid", "generation")]
    others = metadata.get("annotations") or {}
    value = others | {ANNOTATION_RECEIVE_TIMES: _added(_read(stored), record)}
    return [
        _operation("test", "resourceVersion", metadata["resourceVersion"]),
        _operation("add", "annotations", value),
    ]


def _operation(what: str, field: str, value: Any) -> dict[str, Any]:
    return {"op": what, "path": f"/metadata/{field}", "value": value}


def _added(known: Mapping[str, datetime], record: EventRecord) -> str:
    times = {**known, record.event_id: record.event_time}
    newest = sorted(times.items(), key=lambda item: item[1])[-_LIMIT:]
    return json.dumps({event_id: to_wire_time(time) for event_id, time in newest})


def _read(stored: Mapping[str, Any]) -> dict[str, datetime]:
    """Return what is on record; anything that makes no sense is as good as absent."""
    text = (stored["metadata"].get("annotations") or {}).get(ANNOTATION_RECEIVE_TIMES, "{}")
    try:
        times = {event_id: datetime.fromisoformat(time) for event_id, time in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {event_id: time for event_id, time in times.items() if time.tzinfo is not None}
