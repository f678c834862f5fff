"""The port to a partner's SCIM 2.0 service: orders that concern one user each, and their results.

Belongs here: the types of both directions. Does not belong here: HTTP, JSON, SCIM's grammar; `adapters.scim` implements
the port. How a call can fail is drawn in `scim_errors`. Which orders there are for which user is decided in
`domain.users`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from pydantic import SecretStr

from talkdesk_crds.app import SCIM_ATTRIBUTES, ScimAttribute, ScimFeature
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
    """Where a service is, and how it is called."""

    url: str
    """Base URL without a trailing slash; already validated."""
    token: SecretStr
    timeout: timedelta
    """For one request."""
    concurrency: int
    """Requests in flight at the same time."""
    attributes: tuple[ScimAttribute, ...] = SCIM_ATTRIBUTES
    """What it gets of each user, beside `userName` and `active`."""
    avoid: frozenset[ScimFeature] = frozenset()
    """Features that are not used, whatever the service says of itself."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the service should have it. Its repr shows nothing personal."""

    external_id: str
    """Talkdesk's id of the user, which never changes."""
    user_name: str = field(repr=False)
    email: str | None = field(repr=False)
    name: str | None = field(repr=False)
    active: bool
    admin: bool
    """Whether this user installed the app; all others are standard users."""
    attributes: tuple[ScimAttribute, ...] = SCIM_ATTRIBUTES
    """What the service gets of this, beside `userName` and `active`."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A user as the service knows it."""

    id: str
    """The service's own id."""
    version: str | None = None
    """Its ETag when it was last read, if the service has ETags."""


@dataclass(frozen=True, slots=True)
class Put:
    """Create or update the person at the service, found by `ref`, else by the external id."""

    person: Person
    ref: Ref | None
    roles: bool = True
    """Whether an update sets the roles, too; otherwise the roles that the service has stay."""
    former: frozenset[str] = frozenset()
    """External ids of users of ours who have no license and are inactive as far as we know. Where one of them has the
    user name and is seen inactive at the service, the name is freed; all else of that user stays."""
    owners: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Of users of the service, by their ids there, the external ids as far as we know: it may not know these itself."""

    @property
    def external_id(self) -> str:
        """Talkdesk's id of the user."""
        return self.person.external_id


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Set the user inactive at the service. Only the id of the user is needed."""

    external_id: str
    ref: Ref | None
    """None when it is not known whether the service has the user; the adapter searches for it then."""


Order = Put | Deactivate


@dataclass(frozen=True, slots=True)
class Done:
    """The order was carried out."""

    ref: Ref | None
    """None when the service no longer has the user to be deactivated."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The order failed for this user."""

    error: ScimError


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The order was not started: the time was over, or the service as a whole failed."""


Result = Done | Failed | NotStarted


class ScimService(Protocol):
    """SCIM services as the operator uses them."""

    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        """Carry out orders for different users; return their results in the same order, and what ended it early.

        No order is started after `within`. Nothing is raised. Any order may be repeated, whatever its result was.
        """
        ...

    async def aclose(self) -> None:
        """Close connections; no call may follow."""
        ...
