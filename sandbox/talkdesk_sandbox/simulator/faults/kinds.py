"""The kinds of faults: what goes wrong on purpose, for which requests or events, how often.

Belongs here: fields and their meaning. Does not belong here: injecting a fault (`http.middleware`, `delivery`).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from talkdesk_sandbox.simulator.durations import Duration


class Rule(BaseModel):
    """What every fault has."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    count: int | None = Field(None, ge=1)
    """How many times it hits; when missing, until it is cleared."""
    skip: int = Field(0, ge=0)
    """How many matching requests or events it leaves alone first."""
    probability: float = Field(1.0, ge=0, le=1)
    """Chance to hit each matching request or event."""


class ApiRule(Rule):
    """What every fault of requests has."""

    route: str = "*"
    """`METHOD /path` or `/path`, with `*`: `POST /apps/*/state`, `*/oauth/token`, `*/events/signature-keys/*`."""


class AnswerRule(ApiRule):
    """What every fault has that replaces the answer to a request."""

    after_effect: bool = False
    """Whether the request takes effect before it goes wrong."""


class Delay(ApiRule):
    """Answers late."""

    kind: Literal["delay"] = "delay"
    seconds: float = Field(1.0, ge=0)


class Drop(AnswerRule):
    """Closes the connection without an answer."""

    kind: Literal["drop"] = "drop"


class Timeout(ApiRule):
    """Takes effect, then hangs, then closes the connection without an answer."""

    kind: Literal["timeout"] = "timeout"
    seconds: float = Field(30.0, ge=0)


class Status(AnswerRule):
    """Answers with another status."""

    kind: Literal["status"] = "status"
    status: int = Field(503, ge=200, le=599)
    retry_after: Duration | None = None
    retry_after_form: Literal["seconds", "date"] = "seconds"


class Malformed(AnswerRule):
    """Answers 200 with JSON that stops in the middle."""

    kind: Literal["malformed"] = "malformed"


class Empty(AnswerRule):
    """Answers 200 with no body."""

    kind: Literal["empty"] = "empty"


class Huge(AnswerRule):
    """Answers 200 with valid JSON of `size` bytes, chunked."""

    kind: Literal["huge"] = "huge"
    size: int = Field(64 * 1024 * 1024, ge=1)


class Redirect(AnswerRule):
    """Answers with a redirect."""

    kind: Literal["redirect"] = "redirect"
    location: str
    status: Literal[301, 302, 303, 307, 308] = 307


class DeliveryRule(Rule):
    """What every fault of deliveries has."""

    event: str = "*"
    """Event type with `*`: `app.installed`, `app.trial_*`."""
    installation: str = "*"
    """Installation id with `*`."""


class Duplicate(DeliveryRule):
    """Delivers an event several times at once."""

    kind: Literal["duplicate"] = "duplicate"
    copies: int = Field(1, ge=1, le=100)
    """How many in addition to the first one."""


class Hold(DeliveryRule):
    """Holds an event back until later events were delivered, or until it is released."""

    kind: Literal["hold"] = "hold"
    events: int | None = Field(None, ge=1)
    """How many later events go first; when missing, until `POST /_control/deliveries/release`."""


class Slow(DeliveryRule):
    """Sends an event's body in pieces over some time."""

    kind: Literal["slow"] = "slow"
    seconds: float = Field(1.0, ge=0)


class Tamper(DeliveryRule):
    """Sends an event with a signature of other bytes."""

    kind: Literal["tamper"] = "tamper"


class Lose(DeliveryRule):
    """Never sends an event."""

    kind: Literal["lose"] = "lose"


ApiFault = Delay | Drop | Timeout | Status | Malformed | Empty | Huge | Redirect
DeliveryFault = Duplicate | Hold | Slow | Tamper | Lose
Fault = Annotated[ApiFault | DeliveryFault, Field(discriminator="kind")]
