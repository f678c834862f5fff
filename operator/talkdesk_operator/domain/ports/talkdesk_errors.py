"""How a call to Talkdesk can fail: the error tree of the port in `talkdesk_operator.domain.ports.talkdesk`.

Belongs here: the errors, which only the adapter raises. Does not belong here: what follows from them.

    TalkdeskError
    ├── TalkdeskTransient     may work later; `retry_after` when it is known how much later
    │   ├── TalkdeskUnavailable 5xx, DNS, connection, TLS, proxy, timeout: nothing was changed; or nothing was
    │   │                     sent because the host's circuit is open
    │   ├── TalkdeskRateLimited 429, or the pause that Talkdesk asked for isn't over
    │   ├── TalkdeskMalformed a success whose body is empty, too big, not JSON, or lacks required fields; a list
    │   │                     without end
    │   └── TalkdeskOutcomeUnknown a change was sent and its result was lost: read before sending again
    └── TalkdeskPermanent     the same call will fail again until something else changes
        ├── TalkdeskUnauthorized 401, with a new token too
        │   └── TalkdeskInvalidCredentials no token for these credentials, or a key that can't be used
        ├── TalkdeskForbidden 403
        ├── TalkdeskNotFound  404 from the API gateway (never from a token host)
        ├── TalkdeskConflict  409
        ├── TalkdeskRefused   any other 4xx
        ├── TalkdeskForeignHost the URL leads to a host that is not one of the app's; nothing was sent
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
    """A call failed. The message names call and host, and never contains a secret."""

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
        """How long to wait at least: Talkdesk asked for it, or the host's circuit is open for that long."""


class TalkdeskUnavailable(TalkdeskTransient):
    """Talkdesk could not be reached or could not answer. Nothing was changed."""


class TalkdeskRateLimited(TalkdeskTransient):
    """Talkdesk asked for fewer calls. Nothing was changed."""


class TalkdeskMalformed(TalkdeskTransient):
    """Talkdesk answered with success and a body that cannot be used."""


class TalkdeskOutcomeUnknown(TalkdeskTransient):
    """A change was sent, and it is not known whether Talkdesk made it."""


class TalkdeskPermanent(TalkdeskError):
    """The same call fails again until something else changes."""


class TalkdeskUnauthorized(TalkdeskPermanent):
    """The API gateway accepts no token of these credentials, not even a new one."""


class TalkdeskInvalidCredentials(TalkdeskUnauthorized):
    """The token endpoint refuses these credentials, or they cannot be used at all."""


class TalkdeskForbidden(TalkdeskPermanent):
    """These credentials do not permit the call: a scope is missing, or the customer allows only some IP addresses."""


class TalkdeskNotFound(TalkdeskPermanent):
    """The API gateway knows nothing at that address; after `installation`, the installation may be gone."""


class TalkdeskConflict(TalkdeskPermanent):
    """The call conflicts with the current state."""


class TalkdeskRefused(TalkdeskPermanent):
    """Talkdesk refuses the call for another reason."""


class TalkdeskForeignHost(TalkdeskPermanent):
    """A URL leads to a host that is not one of the app's; nothing was sent."""


class TalkdeskRedirected(TalkdeskPermanent):
    """Talkdesk answered with a redirect, which is never followed because secrets would go to another host."""
