"""How a call of a SCIM service can fail.

The adapter raises these and nothing else does:

    ScimError
    ├── Transient             may work later; `retry_after` when the service said how much later
    │   ├── Unavailable       5xx, no answer in time, the connection was cut: a change may have happened or not
    │   ├── Unreachable  *    DNS, TLS, proxy, connection: nothing was sent
    │   ├── RateLimited  *    429, or the pause that the service asked for isn't over
    │   ├── Spared       *    it failed several times in a row and is left alone for a while; nothing was sent
    │   ├── Malformed         a success whose body is too big, no JSON, or lacks what it must have
    │   └── Outdated          412: the user was changed by somebody else, more than once
    └── Permanent             the same call will fail again until something else changes
        ├── Unauthorized *    401
        ├── Forbidden    *    403 to a question that concerns no single user
        ├── NotFound     *    404 where the service itself should be
        ├── Redirected   *    3xx; it was not followed
        ├── Gone              404 for one user
        ├── Taken             409: the user name belongs to somebody else at the service
        └── Refused           any other 4xx
            └── Unsupported       405, 501: the service has no such call

Those with a star speak of the service as a whole: there is no use in asking it for the next user.
"""

from datetime import timedelta

__all__ = [
    "Forbidden",
    "Gone",
    "Malformed",
    "NotFound",
    "Outdated",
    "Permanent",
    "RateLimited",
    "Redirected",
    "Refused",
    "ScimError",
    "Spared",
    "Taken",
    "Transient",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Unsupported",
]


class ScimError(Exception):
    """A call failed; the message is for people, names call and host, and never holds a secret or a person's data."""

    concerns_all = False
    """Whether it speaks of the service as a whole."""

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind or message
        """A few words by which failures of the same kind are counted together."""


class Transient(ScimError):
    """May work later."""

    def __init__(self, message: str, *, kind: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(message, kind=kind)
        self.retry_after = retry_after
        """How long the service asked us to wait."""


class Unavailable(Transient):
    """The service gave no usable answer; a change may have happened or not."""


class Unreachable(Transient):
    """No connection came about: nothing was sent."""

    concerns_all = True


class RateLimited(Transient):
    """The service asked for fewer calls. Nothing was changed."""

    concerns_all = True


class Spared(Transient):
    """The service failed several times in a row, and is left alone for a while. Nothing was sent."""

    concerns_all = True


class Malformed(Transient):
    """The service said success with a body that can't be used."""


class Outdated(Transient):
    """The user was changed by somebody else in between."""


class Permanent(ScimError):
    """The same call fails again until something else changes."""


class Unauthorized(Permanent):
    """The service does not take our token."""

    concerns_all = True


class Forbidden(Permanent):
    """Our token may not do that."""

    concerns_all = True


class NotFound(Permanent):
    """There is no SCIM service at that address."""

    concerns_all = True


class Redirected(Permanent):
    """The service answered with a redirect, which is never followed: it would take the token elsewhere."""

    concerns_all = True


class Gone(Permanent):
    """The service does not know the user under that id."""


class Taken(Permanent):
    """The user name belongs to somebody else at the service."""


class Refused(Permanent):
    """The service refuses the call for another reason."""


class Unsupported(Refused):
    """The service does not have what SCIM leaves to its choice."""
