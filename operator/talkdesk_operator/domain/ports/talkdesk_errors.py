"""How a call to Talkdesk can fail: the error tree of the port in `talkdesk_operator.domain.ports.talkdesk`.

Belongs here: the errors, which the adapter raises and nothing else does. Does not belong here: what follows from them.

    TalkdeskError
    ├── TalkdeskTransient     may work later; `retry_after` when it is known how much later
    │   ├── TalkdeskUnavailable 5xx, DNS, connection, TLS, proxy, time-out: nothing was changed; or nothing was
    │   │                     sent, to spare a host where calls keep failing
    │   ├── TalkdeskRateLimited 429, or the pause that Talkdesk asked for isn't over
    │   ├── TalkdeskMalformed a success whose body is empty, too big, no JSON, or lacks what it must have; a list
    │   │                     without end
    │   └── TalkdeskOutcomeUnknown a change was sent and its result got lost: read before sending again
    └── TalkdeskPermanent     the same call will fail again until something else changes
        ├── TalkdeskUnauthorized 401, with a new token too
        │   └── TalkdeskInvalidCredentials no token for these credentials, or a key that can't be used
        ├── TalkdeskForbidden 403
        ├── TalkdeskNotFound  404 from the API gateway (never from a token host)
        ├── TalkdeskConflict  409
        ├── TalkdeskRefused   any other 4xx
        ├── TalkdeskForeignHost the URL leads to a host that isn't the app's; nothing was sent
        └── TalkdeskRedirected 3xx; it was not followed
"""

from datetime import datetime, timedelta

__all__ = [
    "TalkdeskConflict",
    "TalkdeskError",
    "TalkdeskForbidden",
    "TalkdeskForeignHost",
    "TalkdeskInvalidCredentials",
    "TalkdeskMalformed",
    "TalkdeskNotFound",
    "TalkdeskOutcomeUnknown",
    "TalkdeskPermanent",
    "TalkdeskRateLimited",
    "TalkdeskRedirected",
    "TalkdeskRefused",
    "TalkdeskTransient",
    "TalkdeskUnauthorized",
    "TalkdeskUnavailable",
]


class TalkdeskError(Exception):
    """A call failed; the message is for people, names call and host, and never holds a secret."""

    def __init__(self, message: str, *, server_time: datetime | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.server_time = server_time
        """Talkdesk's clock at the moment of the answer, if there was one."""


class TalkdeskTransient(TalkdeskError):
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


class TalkdeskUnavailable(TalkdeskTransient):
    """Talkdesk couldn't be reached or couldn't answer. Nothing was changed."""


class TalkdeskRateLimited(TalkdeskTransient):
    """Talkdesk asked for fewer calls. Nothing was changed."""


class TalkdeskMalformed(TalkdeskTransient):
    """Talkdesk said success with a body that can't be used."""


class TalkdeskOutcomeUnknown(TalkdeskTransient):
    """A change was sent, and whether it was made isn't known."""


class TalkdeskPermanent(TalkdeskError):
    """The same call fails again until something else changes."""


class TalkdeskUnauthorized(TalkdeskPermanent):
    """The API gateway takes no token of these credentials, not even a new one."""


class TalkdeskInvalidCredentials(TalkdeskUnauthorized):
    """The token endpoint refuses these credentials, or they can't be used at all."""


class TalkdeskForbidden(TalkdeskPermanent):
    """These credentials may not do that: a scope is missing, or a customer restricts addresses."""


class TalkdeskNotFound(TalkdeskPermanent):
    """The API gateway knows nothing at that address; after `installation`, the installation may be gone."""


class TalkdeskConflict(TalkdeskPermanent):
    """The call doesn't fit the present state."""


class TalkdeskRefused(TalkdeskPermanent):
    """Talkdesk refuses the call for another reason."""


class TalkdeskForeignHost(TalkdeskPermanent):
    """A URL leads to a host that isn't among the app's; nothing was sent."""


class TalkdeskRedirected(TalkdeskPermanent):
    """Talkdesk answered with a redirect, which is never followed: it would take secrets elsewhere."""
