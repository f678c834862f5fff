"""Faults: what goes wrong on purpose, for which requests or events, how often.

Belongs here: the kinds of faults and the pure book that decides which hit. Does not belong here: doing them
(`fault_middleware`, `courier`).
"""

import random
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from talkdesk_sandbox.simulator.durations import Duration


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    count: int | None = Field(None, ge=1)
    """How many times it hits; without it, until it is cleared."""
    skip: int = Field(0, ge=0)
    """How many matching ones it lets pass first."""
    probability: float = Field(1.0, ge=0, le=1)
    """Chance to hit each matching one."""


class _ApiRule(_Rule):
    route: str = "*"
    """`METHOD /path` or `/path`, with `*`: `POST /apps/*/state`, `*/oauth/token`, `*/events/signature-keys/*`."""


class _AnswerRule(_ApiRule):
    after_effect: bool = False
    """Whether the request takes effect before it goes wrong."""


class Delay(_ApiRule):
    """Answers late."""

    kind: Literal["delay"] = "delay"
    seconds: float = Field(1.0, ge=0)


class Drop(_AnswerRule):
    """Closes the connection without an answer."""

    kind: Literal["drop"] = "drop"


class Timeout(_ApiRule):
    """Takes effect, then hangs, then closes the connection without an answer."""

    kind: Literal["timeout"] = "timeout"
    seconds: float = Field(30.0, ge=0)


class Status(_AnswerRule):
    """Answers with another status."""

    kind: Literal["status"] = "status"
    status: int = Field(503, ge=200, le=599)
    retry_after: Duration | None = None
    retry_after_form: Literal["seconds", "date"] = "seconds"


class Malformed(_AnswerRule):
    """Answers 200 with JSON that stops in the middle."""

    kind: Literal["malformed"] = "malformed"


class Empty(_AnswerRule):
    """Answers 200 with no body."""

    kind: Literal["empty"] = "empty"


class Huge(_AnswerRule):
    """Answers 200 with valid JSON of `size` bytes, chunked."""

    kind: Literal["huge"] = "huge"
    size: int = Field(64 * 1024 * 1024, ge=1)


class Redirect(_AnswerRule):
    """Answers with a redirect."""

    kind: Literal["redirect"] = "redirect"
    location: str
    status: Literal[301, 302, 303, 307, 308] = 307


class _DeliveryRule(_Rule):
    event: str = "*"
    """Event type with `*`: `app.installed`, `app.trial_*`."""
    installation: str = "*"
    """Installation id with `*`."""


class Duplicate(_DeliveryRule):
    """Delivers an event several times at once."""

    kind: Literal["duplicate"] = "duplicate"
    copies: int = Field(1, ge=1, le=100)
    """How many more than one."""


class Hold(_DeliveryRule):
    """Holds an event back until later ones were delivered, or until it is released."""

    kind: Literal["hold"] = "hold"
    events: int | None = Field(None, ge=1)
    """How many later events go first; without it, until `POST /_control/deliveries/release`."""


class Slow(_DeliveryRule):
    """Sends an event's body in pieces over some time."""

    kind: Literal["slow"] = "slow"
    seconds: float = Field(1.0, ge=0)


class Tamper(_DeliveryRule):
    """Sends an event with a signature of other bytes."""

    kind: Literal["tamper"] = "tamper"


class Lose(_DeliveryRule):
    """Never sends an event."""

    kind: Literal["lose"] = "lose"


ApiFault = Delay | Drop | Timeout | Status | Malformed | Empty | Huge | Redirect
DeliveryFault = Duplicate | Hold | Slow | Tamper | Lose
Fault = Annotated[ApiFault | DeliveryFault, Field(discriminator="kind")]


class FaultBook:
    """The faults that are set, and how often each has matched and hit."""

    def __init__(self, seed: int = 0) -> None:
        self._faults: dict[int, ApiFault | DeliveryFault] = {}
        self._matches: dict[int, int] = {}
        self._hits: dict[int, int] = {}
        self._next = 1
        self._rng = random.Random(seed)  # noqa: S311 - chance, not secrecy; seeded so that runs repeat

    def set(self, fault: ApiFault | DeliveryFault) -> int:
        """Add a fault; return its number."""
        number, self._next = self._next, self._next + 1
        self._faults[number], self._matches[number], self._hits[number] = fault, 0, 0
        return number

    def clear(self, number: int | None = None) -> bool:
        """Remove one fault, or all; False when there is none of that number."""
        if number is None:
            self._faults.clear()
            return True
        return self._faults.pop(number, None) is not None

    def listed(self) -> list[tuple[int, ApiFault | DeliveryFault, int]]:
        """Return number, fault and hits of each."""
        return [(number, fault, self._hits[number]) for number, fault in self._faults.items()]

    def on_request(self, method: str, path: str) -> list[ApiFault]:
        """Decide what hits a request."""
        return [
            fault
            for number, fault in list(self._faults.items())
            if isinstance(fault, _ApiRule) and _routes(fault.route, method, path) and self._hit(number, fault)
        ]

    def on_delivery(self, event_type: str, installation_id: str) -> list[DeliveryFault]:
        """Decide what hits a delivery."""
        return [
            fault
            for number, fault in list(self._faults.items())
            if isinstance(fault, _DeliveryRule)
            and fnmatchcase(event_type, fault.event)
            and fnmatchcase(installation_id, fault.installation)
            and self._hit(number, fault)
        ]

    def _hit(self, number: int, fault: _Rule) -> bool:
        self._matches[number] += 1
        if self._matches[number] <= fault.skip or self._hits[number] == fault.count:
            return False
        if fault.probability < 1 and self._rng.random() >= fault.probability:
            return False
        self._hits[number] += 1
        return True


def _routes(pattern: str, method: str, path: str) -> bool:
    wanted, _, glob = pattern.rpartition(" ")
    return wanted.upper() in {"", "*", method} and fnmatchcase(path, glob)
