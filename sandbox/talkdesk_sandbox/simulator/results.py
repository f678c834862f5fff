"""What the control API gives back, as pydantic models shared by its routes and its client.

Belongs here: shapes of results; none has a secret but `Signed`. Does not belong here: commands, filling them (`views`).
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from talkdesk_sandbox.simulator.durations import Duration
from talkdesk_sandbox.simulator.faults import Fault
from talkdesk_sandbox.simulator.model import Plan


class Result(BaseModel):
    """Read-only; knows all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class EventRef(Result):
    """An event, without its content."""

    id: str
    type: str
    installation_id: str
    created_at: datetime


class Outcome(Result):
    """What a command did."""

    installation_id: str
    account_id: str
    account_name: str
    app_id: str
    state: str
    """The installation's state by the Apps API's names."""
    client_id: str
    """Of the newest credentials."""
    events: tuple[EventRef, ...] = ()
    """Events it raised."""


class Signed(Result):
    """A signed event, ready to be sent by somebody else. The body may hold credentials: never printed."""

    event_id: str
    headers: dict[str, str]
    body: str = Field(repr=False)
    url: str | None


class AttemptView(Result):
    """One try to deliver."""

    at: datetime
    latency: float
    """Seconds."""
    status: int | None
    error: str | None


class DeliveryView(Result):
    """One delivery of one event."""

    number: int
    event_id: str
    type: str
    installation_id: str
    url: str
    state: Literal["sending", "waiting", "held", "delivered", "lost"]
    next_at: datetime | None
    faults: tuple[str, ...]
    attempts: tuple[AttemptView, ...]


class RecordView(Result):
    """One request of a consumer; see `journal.Record`."""

    sequence: int
    at: datetime
    method: str
    path: str
    account: str | None
    installation_id: str | None
    effect: str | None
    fault: str | None
    status: int | None
    answered: int | None


class FaultView(Result):
    """A fault that is set."""

    number: int
    hits: int
    fault: Fault


class ClockView(Result):
    """The simulator's time."""

    now: datetime
    offset: Duration


class InstallationView(Result):
    """An installation as tests and people want to see it; no secrets."""

    id: str
    app_id: str
    account_id: str
    account_name: str
    state: str
    pending: bool
    """Whether an answer is awaited."""
    answer_until: datetime | None
    reason: str | None
    answers: tuple[str, ...]
    """Accepted answers, as `approve:completed`."""
    plan: str
    type: Plan
    licenses: int
    users: tuple[str, ...]
    client_ids: tuple[str, ...]
    """Of credentials that work, oldest first."""
    acknowledged: bool
    """Whether the newest credentials were acknowledged."""
    trial_until: datetime | None
    trial_ended: str | None


class WorldView(Result):
    """Everything at a glance."""

    now: datetime
    public_url: str
    apps: dict[str, str | None]
    """App ids and their own callbacks."""
    accounts: dict[str, int]
    """Account names and how many users they have."""
    installations: tuple[InstallationView, ...]
    signing_key_id: str
    settings: dict[str, Any]
