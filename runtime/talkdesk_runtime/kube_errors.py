"""What can go wrong with a request to the Kubernetes API.

    KubeError
    ├── KubeTransient             may work later, after `retry_after` when it is given
    │   ├── KubeUnreachable       no response: connection, TLS, time-out; the request may have been carried out
    │   └── KubeOverloaded        429, 5xx
    └── KubePermanent             the same request will get the same response
        ├── KubeNotFound          404
        ├── KubeConflict          409 on a write of an object that changed, or that another manager has fields of
        ├── KubeAlreadyExists     409 on a create, reason AlreadyExists
        ├── KubeExpired           410: a resourceVersion, or a listing's continuation, is too old; list again
        ├── KubeForbidden         401, 403
        ├── KubeInvalid           422; `fields` are the paths that the API server named
        └── KubeRefused           any other response that is not 2xx, or one that makes no sense

Messages are the API server's own words, cut to a length that fits a condition.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

__all__ = [
    "KubeAlreadyExists",
    "KubeConflict",
    "KubeError",
    "KubeExpired",
    "KubeForbidden",
    "KubeInvalid",
    "KubeNotFound",
    "KubeOverloaded",
    "KubePermanent",
    "KubeRefused",
    "KubeTransient",
    "KubeUnreachable",
    "from_status",
]

_MESSAGE_LENGTH: Final = 1000


class KubeError(Exception):
    """Base of all; `str()` is fit for a condition."""

    def __init__(self, message: str) -> None:
        super().__init__(message[:_MESSAGE_LENGTH])


class KubeTransient(KubeError):
    """It may work later."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KubeUnreachable(KubeTransient):
    """No response came; the request may have been carried out."""


class KubeOverloaded(KubeTransient):
    """The API server said 429 or 5xx."""


class KubePermanent(KubeError):
    """The same request will get the same response."""


class KubeNotFound(KubePermanent):
    """404."""


class KubeConflict(KubePermanent):
    """409: the object changed in between, or another field manager owns a field."""


class KubeAlreadyExists(KubePermanent):
    """409 on a create."""


class KubeExpired(KubePermanent):
    """410: a resourceVersion, or a listing's continuation, is too old; list again."""


class KubeForbidden(KubePermanent):
    """401 or 403."""

    def __init__(self, message: str, *, terminating: bool = False) -> None:
        super().__init__(message)
        self.terminating = terminating
        """True when the object's namespace is being deleted, which ends by itself."""


class KubeInvalid(KubePermanent):
    """422."""

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class KubeRefused(KubePermanent):
    """Any other response that is not 2xx, or one that makes no sense."""


def from_status(code: int, status: Mapping[str, Any], retry_after: timedelta | None = None) -> KubeError:
    """Return the error for a response of HTTP `code` (not 2xx) with a body that is a Kubernetes Status, or {}."""
    message = str(status.get("message") or f"the API server answered {code}")
    reason = status.get("reason")
    details = status.get("details")
    raw_causes = details.get("causes") if isinstance(details, dict) else None
    causes = [c for c in raw_causes if isinstance(c, dict)] if isinstance(raw_causes, list) else []
    match code:
        case 404:
            return KubeNotFound(message)
        case 409 if reason == "AlreadyExists":
            return KubeAlreadyExists(message)
        case 409:
            return KubeConflict(message)
        case 401 | 403:
            return KubeForbidden(message, terminating=any(c.get("reason") == "NamespaceTerminating" for c in causes))
        case 410:
            return KubeExpired(message)
        case 422:
            return KubeInvalid(message, tuple(str(c["field"]) for c in causes if "field" in c))
        case 408 | 429:
            return KubeOverloaded(message, retry_after)
        case _ if code >= 500:
            return KubeOverloaded(message, retry_after)
        case _:
            return KubeRefused(message)
