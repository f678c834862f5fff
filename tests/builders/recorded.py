"""Whether a register of a TalkdeskInstallation holds an event of the simulator's, or a newer one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from talkdesk_sandbox.simulator.state import Event

__all__ = ["REGISTERS", "is_recorded"]

REGISTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "app.installed": ("request", "credentials"),
    "app.updated": ("request",),
    "app.uninstalled": ("request",),
    "app.credentials_rotated": ("credentials",),
    "app.trial_started": ("trial",),
    "app.trial_extended": ("trial",),
    "app.trial_ended": ("trial",),
}
"""By type of event: the registers of the spec that it goes into."""


def is_recorded(known: Mapping[str, Event], value: Mapping[str, Any] | None, event: Event) -> bool:
    """Return whether the register holds the event or a newer one; `known` are all events of that Talkdesk."""
    if value is None:
        return False
    held = known.get(value["eventId"])
    # What a person wrote is not an event of Talkdesk's; then only the times can be compared.
    at = held.created_at if held is not None else datetime.fromisoformat(value["eventTime"])
    return at >= event.created_at
