"""Bodies of SCIM requests.

Belongs here: what is sent, built by the library's models. Does not belong here: what comes back, which is read
leniently (wire), so that one odd attribute of a service's own does not make a response unusable.
Source: RFC 7643, 4.1; RFC 7644, 3.5.2 and 3.7.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from scim2_models import URN, BulkRequest, ComplexAttribute, Context, Name, PatchOp, PatchOperation, Resource, Role
from scim2_models import User as CoreUser

from talkdesk_crds.app import ScimAttribute
from talkdesk_operator.domain.ports.scim import Order, Person, Put

ADMIN: Final = "admin"
STANDARD: Final = "standard"
"""Values of `roles`: Talkdesk requires that the user who installed the app is its only admin."""


@dataclass(frozen=True, slots=True)
class Rename:
    """Give a user another name, and leave all else as it is, `active` too."""

    user_name: str = field(repr=False)
    while_inactive: bool = False
    """Whether it is done only to a user who is inactive."""


Change = Order | Rename
"""What is done to a user who is there."""


class Email(ComplexAttribute):
    """An e-mail address that Talkdesk accepted: the library's own model refuses those of reserved domains."""

    value: str | None = None
    type: str | None = None
    primary: bool | None = None


class User(Resource[Any]):
    """A SCIM user, with the attributes that are ours."""

    __schema__ = URN(str(CoreUser.__schema__))

    user_name: str | None = None
    display_name: str | None = None
    name: Name | None = None
    active: bool | None = None
    emails: list[Email] | None = None
    roles: list[Role] | None = None


def whole(person: Person) -> dict[str, Any]:
    """Return a user with the attributes that the service gets; what Talkdesk does not say is left out."""
    user = User(external_id=person.external_id, user_name=person.user_name, active=person.active)
    for attribute in person.attributes:
        match attribute:
            case ScimAttribute.DISPLAY_NAME:
                user.display_name = person.name
            case ScimAttribute.EMAILS if person.email is not None:
                user.emails = [Email(value=person.email, type="work", primary=True)]
            case ScimAttribute.ROLES:
                user.roles = [Role(value=ADMIN if person.admin else STANDARD, primary=True)]
            case _:
                pass
    names = _names(person)
    user.name = Name(**names) if names else None
    content = user.model_dump(scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    if ScimAttribute.EXTERNAL_ID not in person.attributes:
        content.pop("externalId", None)
    return content


def _names(person: Person) -> dict[str, str]:
    """Return the parts of the name that the service gets.

    Talkdesk has one name for each person. Services that require both parts refuse an empty one, so a single word is
    both, and where there is no name at all, what stands before the @ is.
    """
    whole_name = " ".join((person.name or "").split())
    given, _, family = (whole_name or person.user_name.partition("@")[0]).rpartition(" ")
    parts = {
        ScimAttribute.FORMATTED_NAME: ("formatted", person.name),
        ScimAttribute.GIVEN_NAME: ("given_name", given or family),
        ScimAttribute.FAMILY_NAME: ("family_name", family),
    }
    return {
        name: value
        for attribute, (name, value) in parts.items()
        if attribute in person.attributes and value is not None
    }


def changes(order: Change, *, claim: bool = False) -> dict[str, Any]:
    """Return the PATCH of an order: it replaces each attribute that is ours, and no other."""
    attributes = _attributes(order, claim=claim)
    operations = [PatchOperation[User](op="replace", path=path, value=value) for path, value in attributes.items()]
    return PatchOp[User](operations=operations).model_dump(scim_ctx=Context.RESOURCE_PATCH_REQUEST)


def merged(order: Change, current: Mapping[str, Any], *, claim: bool = False) -> dict[str, Any]:
    """Return the PUT of an order: the user as it was read, with our attributes in it."""
    attributes = _attributes(order, claim=claim)
    parts = {path.removeprefix(_NAME): attributes.pop(path) for path in list(attributes) if path.startswith(_NAME)}
    if parts:
        name = next((value for key, value in current.items() if key.lower() == "name"), None)
        known = name if isinstance(name, dict) else {}
        ours = {part.lower() for part in parts}
        attributes["name"] = {key: value for key, value in known.items() if key.lower() not in ours} | parts
    names = {name.lower() for name in attributes} | {"meta"}
    kept = {name: value for name, value in current.items() if name.lower() not in names}
    return {"schemas": [str(User.__schema__)]} | kept | attributes


def operation(method: str, path: str, bulk_id: str, data: Mapping[str, Any], version: str | None = None) -> bytes:
    """Return one operation of a bulk request."""
    head = {"method": method, "path": path, "bulkId": bulk_id}
    return orjson.dumps(head | ({"version": version} if version is not None else {}) | {"data": data})


def bulk(operations: Iterable[bytes]) -> bytes:
    """Return a bulk request of these operations."""
    return BULK_HEAD + b",".join(operations) + BULK_TAIL


_NAME: Final = "name."
BULK_HEAD: Final = orjson.dumps({"schemas": [str(BulkRequest.__schema__)]})[:-1] + b',"Operations":['
BULK_TAIL: Final = b"]}"


def _attributes(order: Change, *, claim: bool) -> dict[str, Any]:
    """Return the attributes that an order is about, by their paths."""
    if isinstance(order, Rename):
        return {"userName": order.user_name}
    if not isinstance(order, Put):
        return {"active": False}
    content = whole(order.person)
    kept = {"userName", "displayName", "active", "emails"} | ({"roles"} if order.roles else set())
    attributes = {name: value for name, value in content.items() if name in kept | ({"externalId"} if claim else set())}
    return attributes | {_NAME + part: value for part, value in content.get("name", {}).items()}
