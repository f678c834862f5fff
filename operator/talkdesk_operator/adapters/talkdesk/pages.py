"""Lists that come in pages.

Belongs here: the shape of a page, and the rules for going on to the next. Does not belong here: requests, hosts.
Callers take a user who is not in the list for removed. So a page that can't be read is never an empty one, and a link
that can't be read is never the end. Single members are read leniently, as everywhere.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from talkdesk_operator.adapters.talkdesk.lenient import Flag, Id, Lenient, Text, UnusableError
from talkdesk_operator.adapters.talkdesk.responses import Reply
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_runtime.durations import format_duration

_MOST_OF_PAGE: Final = 5_000
"""Users of one page, which is converted at once: about 50 ms."""


@dataclass(frozen=True, slots=True)
class UserPage:
    """One page of users."""

    users: tuple[User, ...]
    link: str | None
    """To the next page, as Talkdesk wrote it; None on the last."""


@dataclass(frozen=True, slots=True)
class ListBounds:
    """Of one list. Whoever it comes from, it ends."""

    pages: int = 10_000
    """With Talkdesk's default page size, half a million users."""
    users: int = 100_000
    size: int = 128 * 1024 * 1024
    """Bytes of all pages."""
    time: timedelta = timedelta(minutes=10)
    """Spent on requests; what the reader does in between is not counted."""


class VisitedPages:
    """The pages of one list that were read. A page costs about 100 bytes, however long its URL."""

    def __init__(self, bounds: ListBounds) -> None:
        self._bounds = bounds
        self._seen: set[bytes] = set()
        self._users = 0
        self._size = 0
        self._seconds = 0.0

    def add(self, url: str) -> None:
        """Record that the page at this URL is being read."""
        self._seen.add(_digest(url))

    def take(self, page: UserPage, size: int, seconds: float) -> str:
        """Count a page that was read; return why the list is too long, in words, empty when it is not."""
        self._users += len(page.users)
        self._size += size
        self._seconds += seconds
        if self._users > self._bounds.users:
            return f"brings the list to more than {self._bounds.users} users"
        if self._size > self._bounds.size:
            return f"brings the list to more than {self._bounds.size // 1024**2} MiB"
        if page.link is not None and self._seconds > self._bounds.time.total_seconds():
            return f"is not the list's last after {format_duration(self._bounds.time)} of reading"
        return ""

    def problem(self, url: str) -> str:
        """Return why this page must not be read next, in words; empty when it may be."""
        if _digest(url) in self._seen:
            return "links to a page that was read before"
        if len(self._seen) >= self._bounds.pages:
            return f"links to yet another page after {self._bounds.pages}"
        return ""


class _User(Lenient):
    id: Id = None
    email: Text = None
    name: Text = None
    active: Flag = None
    gender: Text = None
    extension: Text = None
    external_phone_number: Text = None


def to_users(reply: Reply) -> UserPage:
    """Return a page of users; those without an id are left out, because they can't be named."""
    read = (_User.model_validate(item) for item in _items(reply.content) if isinstance(item, dict) and "id" in item)
    users = tuple(_user(wire, wire.id) for wire in read if wire.id is not None)
    return UserPage(users, _link(reply.content))


def _user(wire: _User, user_id: str) -> User:
    return User(
        id=user_id,
        email=wire.email,
        name=wire.name,
        active=wire.active,
        gender=wire.gender,
        extension=wire.extension,
        external_phone_number=wire.external_phone_number,
    )


def _items(content: dict[str, Any]) -> list[Any]:
    embedded = content.get("_embedded")
    users = embedded.get("users") if isinstance(embedded, dict) else None
    if isinstance(users, list):
        if len(users) > _MOST_OF_PAGE:
            raise UnusableError(f"has more than {_MOST_OF_PAGE} users on one page")
        return users
    # HAL lets an object without embedded things leave out where they would be.
    if users is None and (embedded is None or isinstance(embedded, dict)) and content.get("total") == 0:
        return []
    raise UnusableError("holds no list of users")


def _link(content: dict[str, Any]) -> str | None:
    place: Any = content
    for name in ("_links", "next", "href"):
        place = place.get(name)
        if place is None:
            return None
        if not isinstance(place, str if name == "href" else dict):
            raise UnusableError("holds a link to the next page that can't be read")
    link: str = place
    return link


def _digest(url: str) -> bytes:
    return hashlib.blake2b(url.encode(), digest_size=16).digest()
