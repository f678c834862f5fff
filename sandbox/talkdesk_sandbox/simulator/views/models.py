"""Shapes of what the control API gives back, as pydantic models shared by its routes and its client.

Belongs here: shapes; none has a secret but `SignedEventView`. Does not belong here: commands, filling them (`build`).
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from talkdesk_sandbox.simulator.durations import Duration
from talkdesk_sandbox.simulator.faults.kinds import Fault
from talkdesk_sandbox.simulator.state.entities import Plan


class View(BaseModel):
    """Read-only; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class EventRef(View):
    """An event, without its content."""

    id: str
    type: str
    installation_id: str
    created_at: datetime


class Outcome(View):
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
    """The events that it created."""
    kept: bool = False
    """Whether these should have been sent, and there is no callback for the app."""


class LaunchView(View):
    """What a browser opens to launch an app."""

    url: str


class SignedEventView(View):
    """A signed event, ready to be sent by somebody else. The body may contain credentials: it is never printed."""

    event_id: str
    headers: dict[str, str]
    body: str = Field(repr=False)
    url: str | None


class AttemptView(View):
    """One attempt to deliver."""

    at: datetime
    latency: float
    """Seconds."""
    status: int | None
    error: str | None


class DeliveryView(View):
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


class RecordView(View):
    """One request of a consumer; see `http.journal.Record`."""

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


class FaultView(View):
    """A fault that is set."""

    number: int
    hits: int
    fault: Fault


class ClockView(View):
    """The simulator's time."""

    now: datetime
    offset: Duration


class InstallationView(View):
    """An installation, without its secrets."""

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
    """Of the credential versions that work, oldest first."""
    acknowledged: bool
    """Whether the newest credentials were acknowledged."""
    trial_until: datetime | None
    trial_ended: str | None


class StateView(View):
    """The whole state, without secrets."""

    now: datetime
    public_url: str
    apps: dict[str, str | None]
    """Each app's own callback, by app id."""
    accounts: dict[str, int]
    """How many users each account has, by account name."""
    installations: tuple[InstallationView, ...]
    signing_key_id: str
    settings: dict[str, Any]
