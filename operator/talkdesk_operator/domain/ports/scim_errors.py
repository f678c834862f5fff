"""How a call to a SCIM service can fail: the error tree of the port in `talkdesk_operator.domain.ports.scim`.

Belongs here: the errors, which only the adapter raises. Does not belong here: what follows from them.

    ScimError
    ├── ScimTransient         may work later; `retry_after` when the service said how much later
    │   ├── ScimUnavailable   5xx, no answer in time, the connection was cut: a change may have happened or not
    │   ├── ScimUnreachable *    DNS, TLS, proxy, connection: nothing was sent
    │   ├── ScimRateLimited *    429, or the pause that the service asked for isn't over
    │   ├── ScimCircuitOpen *    it failed several times in a row, so calls pause for a while; nothing was sent
    │   ├── ScimMalformed     a success whose body is too big, is not JSON, or lacks required fields
    │   ├── ScimOutdated      412: the user was changed by somebody else, more than once
    │   └── ScimUnseen        it can't be seen whether the service has the user, or has it as ordered
    └── ScimPermanent         the same call will fail again until something else changes
        ├── ScimUnauthorized *    401
        ├── ScimForbidden *    403 to a request that concerns no single user
        ├── ScimNotFound *    404 where the service itself should be
        ├── ScimRedirected *    3xx; it was not followed
        ├── ScimGone          404 for one user
        ├── ScimTaken         409: the user name belongs to somebody else at the service
        └── ScimRefused       any other 4xx
            └── ScimUnsupported   405, 501: the service has no such call

Those with a star concern the service as a whole: a call for the next user would fail as well.
"""

from datetime import timedelta

__all__ = [
    "ScimCircuitOpen",
    "ScimError",
    "ScimForbidden",
    "ScimGone",
    "ScimMalformed",
    "ScimNotFound",
    "ScimOutdated",
    "ScimPermanent",
    "ScimRateLimited",
    "ScimRedirected",
    "ScimRefused",
    "ScimTaken",
    "ScimTransient",
    "ScimUnauthorized",
    "ScimUnavailable",
    "ScimUnreachable",
    "ScimUnseen",
    "ScimUnsupported",
]


class ScimError(Exception):
    """A call failed. The message names call and host, and never contains a secret or personal data."""

    concerns_all = False
    """Whether the error concerns the service as a whole."""

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or message
        """A short text by which failures of the same kind are counted together."""


class ScimTransient(ScimError):
    """May work later."""

    def __init__(self, message: str, *, kind: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(message, kind=kind)
        self.retry_after = retry_after
        """How long the service asked us to wait."""


class ScimUnavailable(ScimTransient):
    """The service gave no usable answer; a change may have happened or not."""


class ScimUnreachable(ScimTransient):
    """No connection could be made; nothing was sent."""

    concerns_all = True


class ScimRateLimited(ScimTransient):
    """The service asked for fewer calls. Nothing was changed."""

    concerns_all = True


class ScimCircuitOpen(ScimTransient):
    """The service failed several times in a row, so calls pause for a while. Nothing was sent."""

    concerns_all = True


class ScimMalformed(ScimTransient):
    """The service answered with success and a body that cannot be used."""


class ScimOutdated(ScimTransient):
    """The user was changed by somebody else at the same time."""


class ScimUnseen(ScimTransient):
    """It can't be seen whether the service has the user, or has it as ordered: it may have it as active."""


class ScimPermanent(ScimError):
    """The same call fails again until something else changes."""


class ScimUnauthorized(ScimPermanent):
    """The service does not accept the token."""

    concerns_all = True


class ScimForbidden(ScimPermanent):
    """The token does not permit the call."""

    concerns_all = True


class ScimNotFound(ScimPermanent):
    """There is no SCIM service at that address."""

    concerns_all = True


class ScimRedirected(ScimPermanent):
    """The service answered with a redirect, which is never followed because the token would go to another host."""

    concerns_all = True


class ScimGone(ScimPermanent):
    """The service does not know the user under that id."""


class ScimTaken(ScimPermanent):
    """The user name belongs to somebody else at the service."""


class ScimRefused(ScimPermanent):
    """The service refuses the call for another reason."""


class ScimUnsupported(ScimRefused):
    """The service lacks an optional feature of SCIM."""
