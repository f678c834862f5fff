"""SCIM's JSON, read leniently and converted once.

Belongs here: shapes of responses. Does not belong here: anything else.
What can't be read counts as absent; a response is unusable only without what is indispensable. Names of members count
in whatever case (RFC 7643, 2.1); numbers and truths may be texts.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from talkdesk_crds.app import ScimFeature
from talkdesk_operator.domain.ports.scim import Ref
from talkdesk_operator.domain.users.record import MAX_ID_BYTES
from talkdesk_runtime.lenient_json import UNREADABLE

_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.0*)?", re.ASCII)
_MIN_BULK_BYTES: Final = 4096
"""Below, bulk requests hold too little to be useful."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a service can do (RFC 7643, 5). The defaults are for a service that doesn't say."""

    patch: bool = True
    filters: bool = True
    external_id_filter: bool = True
    """Whether a filter may name `externalId`; refused by some, which find users by their name alone."""
    user_name_filter: bool = True
    """Whether a filter may name `userName`; tried even where a service says that it has no filters."""
    combined_filters: bool = True
    """Whether a filter may have `or`; a service that does not know it is asked for one user at a time."""
    attribute_selection: bool = True
    """Whether a search may say which attributes it needs."""
    versions: bool = False
    """Whether `If-Match` is honoured."""
    bulk_operations: int = 0
    """Most operations of a bulk request; 0 or 1 when they are of no use."""
    bulk_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A user as the service has it."""

    ref: Ref
    external_id: str | None
    user_name: str | None = field(repr=False)
    active: bool | None = None
    """None when the service does not say."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A response to a search."""

    users: tuple[Found, ...]
    complete: bool
    """Whether these are all that exist."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What came of one operation of a bulk request."""

    status: int
    scim_type: str
    """Of an error, if it is one of RFC 7644's."""
    ref: Ref | None
    """Only of a success, and only when it is named."""


@dataclass(frozen=True, slots=True)
class BulkResults:
    """What came of the operations of a bulk request."""

    by_bulk_id: dict[str, BulkResult]
    by_user: dict[str, BulkResult]
    """Those without a bulkId, by the service's id of the user."""


def to_capabilities(content: Mapping[str, Any]) -> Capabilities:
    """Read a ServiceProviderConfig."""
    known = Capabilities()
    content = _object(content)
    bulk = _object(content.get("bulk"))
    operations, size = _number(bulk.get("maxoperations")) or 0, _number(bulk.get("maxpayloadsize")) or 0
    usable = _truth(bulk.get("supported")) is True and operations > 1 and size >= _MIN_BULK_BYTES
    return Capabilities(
        patch=_supported(content.get("patch"), default=known.patch),
        filters=_supported(content.get("filter"), default=known.filters),
        versions=_supported(content.get("etag"), default=known.versions),
        bulk_operations=operations if usable else 0,
        bulk_bytes=size if usable else 0,
    )


def restricted(can: Capabilities, avoid: Collection[ScimFeature]) -> Capabilities:
    """Return the capabilities without the features that are not used with the service."""
    return replace(
        can,
        patch=can.patch and ScimFeature.PATCH not in avoid,
        external_id_filter=can.external_id_filter and ScimFeature.EXTERNAL_ID_FILTER not in avoid,
        combined_filters=can.combined_filters and ScimFeature.COMBINED_FILTERS not in avoid,
        attribute_selection=can.attribute_selection and ScimFeature.ATTRIBUTE_SELECTION not in avoid,
        bulk_operations=0 if ScimFeature.BULK in avoid else can.bulk_operations,
    )


def to_found(content: object, etag: str | None = None) -> Found | None:
    """Read a user; None without an id that could be used. The header's version goes before the body's."""
    user = _object(content)
    user_id = usable_id(user.get("id"))
    if user_id is None:
        return None
    version = _version(etag) or _version(_object(user.get("meta")).get("version"))
    return Found(
        Ref(user_id, version), _text(user.get("externalid")), _text(user.get("username")), _truth(user.get("active"))
    )


def to_listed(content: Mapping[str, Any]) -> Listed | None:
    """Return the users of a search; None when the response is none.

    Without a number of results, only an empty list is certainly complete: a service may have limits of its own.
    """
    members = _object(content)
    resources, total = members.get("resources"), _number(members.get("totalresults"))
    if total is None and not isinstance(resources, list):
        return None
    # RFC 7644 leaves `Resources` out when there are none, and services write null.
    listed: Sequence[Any] = resources if isinstance(resources, list) else ()
    users = tuple(found for each in listed if (found := to_found(each)) is not None)
    return Listed(users, complete=not listed if total is None else len(listed) >= total)


def to_bulk_results(content: Mapping[str, Any]) -> BulkResults | None:
    """Read the results of a bulk request; None when there are none at all.

    An operation on a user that exists needs no bulkId (RFC 7644, 3.7), and then its location says whose it is.
    """
    operations = _object(content).get("operations")
    if not isinstance(operations, list):
        return None
    results = BulkResults({}, {})
    for each in operations:
        operation = _object(each)
        bulk_id, status = operation.get("bulkid"), _status(operation.get("status"))
        if status is None:
            continue
        ref = _bulk_ref(operation) if 200 <= status < 300 else None
        result = BulkResult(status, known_scim_type(_object(operation.get("response"))), ref)
        if isinstance(bulk_id, str | int):
            results.by_bulk_id[str(bulk_id)] = result
        elif (user_id := id_in_location(operation.get("location"))) is not None:
            results.by_user[user_id] = result
    return results


def id_in_location(location: object) -> str | None:
    """Return the id at the end of a user's URL."""
    if not isinstance(location, str):
        return None
    try:
        before, _, last = urlsplit(location).path.rstrip("/").rpartition("/")
    except ValueError:
        return None
    return usable_id(unquote(last)) if before.lower().endswith("/users") else None


def usable_id(value: object) -> str | None:
    """Return an id as text, if it can be kept, and stand in a path."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or value in {"", ".", ".."} or not value.isprintable() or UNREADABLE in value:
        return None
    return value if _fits(value) else None


def known_scim_type(content: Mapping[str, Any]) -> str:
    """Return the error's `scimType`, if it is one of RFC 7644's; what else an error says may quote a person's data."""
    kind = _object(content).get("scimtype")
    return _SCIM_TYPES.get(kind.lower(), "") if isinstance(kind, str) else ""


_SCIM_TYPES: Final = {
    name.lower(): name
    for name in (
        "invalidFilter",
        "invalidPath",
        "invalidSyntax",
        "invalidValue",
        "invalidVers",
        "mutability",
        "noTarget",
        "sensitive",
        "tooMany",
        "uniqueness",
    )
}


def _bulk_ref(operation: Mapping[str, Any]) -> Ref | None:
    user_id = id_in_location(operation.get("location"))
    response = to_found(operation.get("response"))
    if user_id is None:
        user_id = response.ref.id if response is not None else None
    if user_id is None:
        return None
    version = _version(operation.get("version"))
    return Ref(user_id, version or (response.ref.version if response is not None else None))


def _object(value: object) -> Mapping[str, Any]:
    """Return the members by their names in lower case; nothing for what is no object."""
    return {str(name).lower(): member for name, member in value.items()} if isinstance(value, dict) else {}


def _supported(value: object, *, default: bool) -> bool:
    said = _truth(_object(value).get("supported"))
    return default if said is None else said


def _number(value: object) -> int | None:
    """Read a number that is not below zero; some services write it as text, or with a fraction of zero."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _truth(value: object) -> bool | None:
    """Read true or false, which some services write as text."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _version(value: object) -> str | None:
    """Return an ETag that can stand in a header."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text and text.isascii() and text.isprintable() and _fits(text) else None


def _fits(text: str) -> bool:
    return len(text.encode("utf-8", "surrogatepass")) <= MAX_ID_BYTES


def _status(value: object) -> int | None:
    """Read an operation's status: a text; a number in some services, and an object in drafts of the RFC."""
    if isinstance(value, dict):
        value = _object(value).get("code")
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isdecimal() and text.isascii() and len(text) == 3 else None
