"""How a call to Talkdesk can fail: the error tree of the port in `talkdesk_operator.domain.ports.talkdesk`.

Belongs here: the errors, which the adapter raises and nothing else does. Does not belong here: what follows from them.

    TalkdeskError
    ├── Transient             may work later; `retry_after` when it is known how much later
    │   ├── Unavailable       5xx, DNS, connection, TLS, proxy, time-out: nothing was changed; or nothing was
    │   │                     sent, to spare a host where calls keep failing
    │   ├── RateLimited       429, or the pause that Talkdesk asked for isn't over
    │   ├── Malformed         a success whose body is empty, too big, no JSON, or lacks what it must have; a list
    │   │                     without end
    │   └── OutcomeUnknown    a change was sent and its result got lost: read before sending again
    └── Permanent             the same call will fail again until something else changes
        ├── Unauthorized      401, with a new token too
        │   └── InvalidCredentials    no token for these credentials, or a key that can't be used
        ├── Forbidden         403
        ├── NotFound          404 from the API gateway (never from a token host)
        ├── Conflict          409
        ├── Refused           any other 4xx
        ├── ForeignHost       the URL leads to a host that isn't the app's; nothing was sent
        └── Redirected        3xx; it was not followed
"""

from datetime import datetime, timedelta

__all__ = [
    "Conflict",
    "Forbidden",
    "ForeignHost",
    "InvalidCredentials",
    "Malformed",
    "NotFound",
    "OutcomeUnknown",
    "Permanent",
    "RateLimited",
    "Redirected",
    "Refused",
    "TalkdeskError",
    "Transient",
    "Unauthorized",
    "Unavailable",
]


class TalkdeskError(Exception):
    """A call failed; the message is for people, names call and host, and never holds a secret."""

    def __init__(self, message: str, *, server_time: datetime | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.server_time = server_time
        """Talkdesk's clock at the moment of the answer, if there was one."""


class Transient(TalkdeskError):
    """May work later."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        server_time: datetime | None = None,
    ) -> None:
        super().__init__(message, server_time=server_time)
        self.retry_after = retry_after
        """How long to wait at least: Talkdesk asked for it, or its host is spared for that long."""


class Unavailable(Transient):
    """Talkdesk couldn't be reached or couldn't answer. Nothing was changed."""


class RateLimited(Transient):
    """Talkdesk asked for fewer calls. Nothing was changed."""


class Malformed(Transient):
    """Talkdesk said success with a body that can't be used."""


class OutcomeUnknown(Transient):
    """A change was sent, and whether it was made isn't known."""


class Permanent(TalkdeskError):
    """The same call fails again until something else changes."""


class Unauthorized(Permanent):
    """The API gateway takes no token of these credentials, not even a new one."""


class InvalidCredentials(Unauthorized):
    """The token endpoint refuses these credentials, or they can't be used at all."""


class Forbidden(Permanent):
    """These credentials may not do that: a scope is missing, or a customer restricts addresses."""


class NotFound(Permanent):
    """The API gateway knows nothing at that address; after `installation`, the installation may be gone."""


class Conflict(Permanent):
    """The call doesn't fit the present state."""


class Refused(Permanent):
    """Talkdesk refuses the call for another reason."""


class ForeignHost(Permanent):
    """A URL leads to a host that isn't among the app's; nothing was sent."""


class Redirected(Permanent):
    """Talkdesk answered with a redirect, which is never followed: it would take secrets elsewhere."""
