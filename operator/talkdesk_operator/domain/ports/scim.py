"""The port to a partner's SCIM 2.0 service: orders that concern one user each, and what came of them.

Belongs here: the types of both directions. Does not belong here: HTTP, JSON, SCIM's grammar; `adapters.scim` implements
the port. How a call can fail is drawn in `scim_errors`. What is ordered for whom is decided in `users`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from pydantic import SecretStr

from talkdesk_operator.domain.ports.scim_errors import ScimError

__all__ = [
    "Deactivate",
    "Done",
    "Failed",
    "NotStarted",
    "Order",
    "Person",
    "Put",
    "Ref",
    "Result",
    "ScimService",
    "Service",
]


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service is, and how it is spoken to."""

    url: str
    """Base URL, without a slash at its end; checked."""
    token: SecretStr
    timeout: timedelta
    """For one request."""
    concurrency: int
    """Requests at once."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the service should have it. Its repr shows nothing personal."""

    external_id: str
    """Talkdesk's id: all that stays the same."""
    user_name: str = field(repr=False)
    email: str | None = field(repr=False)
    name: str | None = field(repr=False)
    active: bool
    admin: bool
    """Whether this is the one who installed the app; all others are standard users."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A user as the service knows it."""

    id: str
    """The service's own id."""
    version: str | None = None
    """Its ETag when we saw it last, if the service has such."""


@dataclass(frozen=True, slots=True)
class Put:
    """Let the service have the person: found by `ref`, else by the external id, else made anew."""

    person: Person
    ref: Ref | None
    roles: bool = True
    """Whether an update sets the roles too; else what was set at the service stays."""

    @property
    def external_id(self) -> str:
        """Talkdesk's id of the user."""
        return self.person.external_id


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Let the service keep the user, but inactive. Who it is need not be known any more."""

    external_id: str
    ref: Ref | None
    """None when it isn't known whether the service has the user: it is looked for then."""


Order = Put | Deactivate


@dataclass(frozen=True, slots=True)
class Done:
    """It is as ordered."""

    ref: Ref | None
    """None when the user to be deactivated is not there any more."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work for this user."""

    error: ScimError


@dataclass(frozen=True, slots=True)
class NotStarted:
    """It was not begun: the time was over, or the service as a whole failed."""


Result = Done | Failed | NotStarted


class ScimService(Protocol):
    """SCIM services as the operator uses them."""

    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        """Carry out orders for different users; return what came of each, in their order, and what ended it early.

        Nothing new is begun after `within`. Nothing is raised. Any order may be given again, whatever came of it.
        """
        ...

    async def aclose(self) -> None:
        """Close connections; no call may follow."""
        ...
