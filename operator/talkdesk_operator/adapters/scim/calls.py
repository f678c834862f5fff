"""Calls as data: what is sent where, and its name in messages and metrics.

Belongs here: the address and body of each call. Does not belong here: sending, answers.
Source of paths: RFC 7644, 3.2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Literal
from urllib.parse import quote, urlencode, urlsplit

import orjson
from scim2_models import ScimFilter

from talkdesk_operator.adapters.scim import messages
from talkdesk_operator.domain.ports.scim import Person, Ref, Service

_ATTRIBUTES: Final = "externalId,userName"
"""All that a search needs beside `id` and `meta`, so that nothing personal travels without need."""


class Target(Enum):
    """What a call addresses; it decides what a 403 or a 404 means."""

    SERVICE = auto()
    """The service as such."""
    NEW_USER = auto()
    """The list of users, to which one is added."""
    USER = auto()
    """One user, by the service's id."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    name: str
    """For metrics: config, find, read, create, update, bulk."""
    action: str
    """What it does, in words: the beginning of an error message."""
    target: Target
    method: Literal["GET", "POST", "PUT", "PATCH"]
    url: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    if_match: str | None = None

    @property
    def origin(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def words(self) -> str:
        """The call and its host in words."""
        return f"{self.action} at {urlsplit(self.url).netloc}"


def read_config(service: Service) -> Call:
    """Return the call that asks what the service can do."""
    url = f"{service.url}/ServiceProviderConfig"
    return Call("config", "reading the SCIM service's configuration", Target.SERVICE, "GET", url)


def find(
    service: Service, attribute: Literal["externalId", "userName"], values: Iterable[str], count: int, *, select: bool
) -> Call:
    """Return the call that looks for users by an attribute, each of whose values is quoted for the filter.

    It asks for what is needed of them alone, unless the service can't `select` that.
    """
    words = " or ".join(f"{attribute} eq {ScimFilter.quote(value)}" for value in values)
    return _search(service, {"filter": words, "count": count}, select=select)


def find_any(service: Service, *, select: bool) -> Call:
    """Return the call that looks for any user, which shows whether there is a service at all."""
    return _search(service, {"count": 1}, select=select)


def _search(service: Service, parameters: dict[str, object], *, select: bool) -> Call:
    selection = {"attributes": _ATTRIBUTES} if select else {}
    query = urlencode({**parameters, **selection}, quote_via=quote, errors="replace")
    return Call("find", "looking for users", Target.SERVICE, "GET", f"{service.url}/Users?{query}")


def read(service: Service, ref: Ref) -> Call:
    """Return the call that reads a user."""
    return Call("read", "reading a user", Target.USER, "GET", f"{service.url}{user_path(ref)}")


def create(service: Service, person: Person) -> Call:
    """Return the call that creates a user."""
    body = orjson.dumps(messages.whole(person))
    return Call("create", "creating a user", Target.NEW_USER, "POST", f"{service.url}/Users", body)


def patch(service: Service, order: messages.Change, ref: Ref, *, versions: bool, claim: bool) -> Call:
    """Return the call that changes a user as ordered; `claim` writes the external id too."""
    body = orjson.dumps(messages.changes(order, claim=claim))
    if_match = ref.version if versions else None
    return Call("update", "updating a user", Target.USER, "PATCH", f"{service.url}{user_path(ref)}", body, if_match)


def replace(service: Service, ref: Ref, content: dict[str, object], *, versions: bool) -> Call:
    """Return the call that replaces a user."""
    if_match = ref.version if versions else None
    url = f"{service.url}{user_path(ref)}"
    return Call("update", "updating a user", Target.USER, "PUT", url, orjson.dumps(content), if_match)


def bulk(service: Service, body: bytes) -> Call:
    """Return the call that carries many operations."""
    return Call("bulk", "changing users in bulk", Target.SERVICE, "POST", f"{service.url}/Bulk", body)


def in_bulk(service: Service) -> Call:
    """Return one operation of a bulk request, for messages: it is never sent alone."""
    return Call("bulk", "changing a user in bulk", Target.USER, "POST", f"{service.url}/Bulk")


def user_path(ref: Ref) -> str:
    """Return the path of a user below the base URL; ids are opaque, so whatever they hold is escaped."""
    return f"/Users/{quote(ref.id, safe='')}"
