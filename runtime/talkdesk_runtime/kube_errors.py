"""What can go wrong with a request to the Kubernetes API.

    KubeError
    ├── KubeTransient             may work later, after `retry_after` when it is given
    │   ├── KubeUnreachable       no response: connection, TLS, time-out; the request may have been carried out
    │   └── KubeOverloaded        429, 5xx
    └── KubePermanent             the same request will get the same response
        ├── KubeNotFound          404 that names an object: there is none
        ├── KubeNoPath            404 that names none: the path leads nowhere, and nothing is known of any object
        ├── KubeConflict          409 on a write of an object that changed, or that another manager has fields of
        ├── KubeAlreadyExists     409 on a create, reason AlreadyExists
        ├── KubeExpired           410: a resourceVersion, or a listing's continuation, is too old; list again
        ├── KubeForbidden         403: the user has not the right
        │   └── KubeUnauthorized  401, and credentials of ours that can't be read
        ├── KubeAdmissionRefused  any code: an admission plugin, policy or webhook refused an object that may be valid
        │   └── KubeQuotaExceeded 403: a ResourceQuota is used up, or asks for what the object does not say
        ├── KubeInvalid           422; `fields` are the paths that the API server named
        ├── KubeUnappliable       500 to an apply: the object does not fit the schema of its kind
        ├── KubeTooLarge          413, or the same said by etcd behind a 500
        └── KubeRefused           any other response that is not 2xx, or one that makes no sense

Messages are the API server's own words, cut to a length that fits a condition.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from talkdesk_runtime.shorten import shorten

__all__ = [
    "KubeAdmissionRefused",
    "KubeAlreadyExists",
    "KubeConflict",
    "KubeError",
    "KubeExpired",
    "KubeForbidden",
    "KubeInvalid",
    "KubeNoPath",
    "KubeNotFound",
    "KubeOverloaded",
    "KubePermanent",
    "KubeQuotaExceeded",
    "KubeRefused",
    "KubeTooLarge",
    "KubeTransient",
    "KubeUnappliable",
    "KubeUnauthorized",
    "KubeUnreachable",
    "from_status",
]

_MESSAGE_LENGTH: Final = 1000
_QUOTA: Final = re.compile(r" is forbidden: (?:exceeded|failed) quota: ")
_POLICY: Final = re.compile(
    r'admission webhook ".*" denied the request|Validating ?Admission ?Policy .*denied request',
    re.IGNORECASE | re.DOTALL,
)
"""Policies and webhooks choose the code of their refusal themselves: also 404, 409 and 422."""
_PLUGIN: Final = re.compile(r' is forbidden: (?!user ")', re.IGNORECASE)
"""What a user has no right to begins with the user; any other 403 is an admission plugin's."""
_INVALID: Final = re.compile(r'\S+ "[^"]*" is invalid: ')
_OF_THE_VALUE: Final = frozenset({"FieldValueInvalid", "FieldValueNotSupported", "FieldValueTooLong"})
"""Causes of a 422 that lie in a value alone, and not in what is missing, forbidden, a duplicate or somewhere else."""


_IMMUTABLE: Final = re.compile(
    r"immutable|(?:can ?not|can't|may not|must not) (?:be )?(?:change|modif|update)"
    r"|updates? to .* (?:is|are) forbidden",
    re.IGNORECASE | re.DOTALL,
)
"""How kinds say it: there is no status of its own for that, and no cause."""
_DUMP: Final = re.compile(r"Invalid value: .*: (?=field is immutable|cannot change)", re.DOTALL)
"""What stands before the words that decide: the refused value, which for a pod template is thousands of characters."""
_FIELD_MANAGER: Final = re.compile(
    r"failed (?:to )?(?:create (?:typed|manager|field set)|convert|(?:en|de)code managed|update managed|merge config"
    r"|get field set|compare objects|prune fields|add back)",
    re.IGNORECASE,
)
"""How the API server's field manager begins what it says of an object. Its errors have no status of their own, so they
come as 500 without a reason, though only another manifest, schema or live object helps."""
_TOO_LARGE: Final = re.compile(r"request is too large|trying to send message larger than max")
"""What etcd and its client say, which the API server passes on in the same way."""


class KubeError(Exception):
    """Base of all; `str()` is fit for a condition."""

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message, _MESSAGE_LENGTH))


class KubeTransient(KubeError):
    """It may work later."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KubeUnreachable(KubeTransient):
    """No response came; the request may have been carried out."""

    def __init__(self, message: str, *, broken: bool = False) -> None:
        super().__init__(message)
        self.broken = broken
        """Whether a connection broke or could not be made, so that another attempt may succeed at once."""


class KubeOverloaded(KubeTransient):
    """The API server said 429 or 5xx."""


class KubePermanent(KubeError):
    """The same request will get the same response."""


class KubeNotFound(KubePermanent):
    """404, and the API server named what is missing."""


class KubeNoPath(KubePermanent):
    """404 that names nothing: the kind is not served, or somebody else than the API server answered.

    Whoever takes it for a word about an object may delete, or make twice, what is there.
    """


class KubeConflict(KubePermanent):
    """409: the object changed in between, or another field manager owns a field."""


class KubeAlreadyExists(KubePermanent):
    """409 on a create."""


class KubeExpired(KubePermanent):
    """410: a resourceVersion, or a listing's continuation, is too old; list again."""


class KubeForbidden(KubePermanent):
    """403: the user has not the right."""

    def __init__(self, message: str, *, terminating: bool = False) -> None:
        super().__init__(message)
        self.terminating = terminating
        """True when the object's namespace is being deleted, which ends by itself."""


class KubeUnauthorized(KubeForbidden):
    """401, or credentials of ours that can't be read: nothing was asked for in anybody's name."""


class KubeAdmissionRefused(KubePermanent):
    """An admission plugin, policy or webhook of the cluster refused an object, with whatever code."""


class KubeQuotaExceeded(KubeAdmissionRefused):
    """A ResourceQuota refused an object."""


class KubeInvalid(KubePermanent):
    """422."""

    def __init__(self, message: str, fields: tuple[str, ...] = (), *, by_values: bool = False) -> None:
        self.immutable = _IMMUTABLE.search(message) is not None
        """True when the message says that something can't be changed in an object that exists."""
        super().__init__(_DUMP.sub("", message) if self.immutable else message)
        self.fields = fields
        self.by_values = by_values
        """True when the schema of the kind refuses the values of `fields`, and nothing else was wrong."""


class KubeUnappliable(KubePermanent):
    """500 to a server-side apply, by the field manager: the manifest, or the live object, does not fit the schema."""


class KubeTooLarge(KubePermanent):
    """The object is larger than the API server or its database takes."""


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
        case _ if _POLICY.search(message):
            return KubeAdmissionRefused(message)
        case 404:
            named = isinstance(details, dict) and bool(details.get("name"))
            return KubeNotFound(message) if named else KubeNoPath(message)
        case 409 if reason == "AlreadyExists":
            return KubeAlreadyExists(message)
        case 409:
            return KubeConflict(message)
        case 401:
            return KubeUnauthorized(message)
        case 403:
            return _forbidden(message, causes)
        case 410:
            return KubeExpired(message)
        case 422:
            fields = tuple(str(c["field"]) for c in causes if "field" in c)
            return KubeInvalid(message, fields, by_values=_by_values(message, reason, causes))
        case 413:
            return KubeTooLarge(message)
        case 408 | 429:
            return KubeOverloaded(message, retry_after)
        case _ if code >= 500:
            return _server_error(code, message, reason, retry_after)
        case _:
            return KubeRefused(message)


def _server_error(code: int, message: str, reason: object, retry_after: timedelta | None) -> KubeError:
    if code == 500 and not reason and _FIELD_MANAGER.match(message):
        return KubeUnappliable(_in_order(message))
    if code == 500 and not reason and _TOO_LARGE.search(message):
        return KubeTooLarge(message)
    return KubeOverloaded(message, retry_after)


def _forbidden(message: str, causes: Sequence[Mapping[str, Any]]) -> KubeError:
    if any(c.get("reason") == "NamespaceTerminating" for c in causes):
        return KubeForbidden(message, terminating=True)
    if _QUOTA.search(message):
        return KubeQuotaExceeded(message)
    return KubeAdmissionRefused(message) if _PLUGIN.search(message) else KubeForbidden(message)


def _by_values(message: str, reason: object, causes: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the schema of the kind refuses values that the object has, and nothing else was wrong."""
    if reason != "Invalid" or not _INVALID.match(message) or not causes:
        return False
    return all(c.get("field") and c.get("reason") in _OF_THE_VALUE for c in causes)


def _in_order(message: str) -> str:
    """Return a message with its list of problems sorted: the API server lists them in another order each time."""
    head, *problems = message.splitlines()
    return "\n".join((head, *sorted(problems)))
