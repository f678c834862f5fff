"""Records of deliveries: what is sent, each attempt, and how it stands.

Belongs here: data. Does not belong here: sending (`dispatcher`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from talkdesk_sandbox.simulator.state.entities import Event

DeliveryState = Literal["sending", "waiting", "held", "delivered", "lost"]
"""`waiting` means that a retry is scheduled, `lost` that no attempt is left."""


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event as it goes over the wire. The body may contain credentials: it is never printed."""

    event_id: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver."""

    at: datetime
    latency: float
    """Seconds from sending to the answer."""
    status: int | None
    error: str | None
    """The kind of failure when there was no answer."""


@dataclass(slots=True)
class Delivery:
    """One delivery of one event, with all its attempts."""

    number: int
    event: Event
    url: str
    state: DeliveryState = "sending"
    attempts: list[Attempt] = field(default_factory=list)
    next_at: datetime | None = None
    """When the next attempt is scheduled."""
    faults: tuple[str, ...] = ()
    slow: float = 0.0
    """Seconds over which the body is sent."""
    tamper: bool = False
    behind: int | None = None
    """Of a held one: how many later events go first; None: until it is released."""
