"""A SCIM service as people write them: right in the main, and odd in one or another thing.

It is written without any library of SCIM, so that it shares no reading of the RFCs with the client under test.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from builders.listening import listening

_MEMBERS = {
    name.lower(): name
    for name in ("id", "externalId", "userName", "displayName", "name", "active", "emails", "roles", "Operations")
}
_TERM = re.compile(r'(\w+) eq "([^"]*)"')


@dataclass
class OddScim:
    """Users by id, and what is odd about the service."""

    url: str = ""
    spell: Callable[[str], str] = str
    """How it spells names of members."""
    total: Callable[[int], Any] = int
    """How it says how many were found; None leaves it out."""
    filters: frozenset[str] = frozenset({"externalId", "userName"})
    combines: bool = True
    """Whether a filter may have `or`."""
    taken: tuple[int, str] = (409, "uniqueness")
    """Status and scimType where a name is taken."""
    refuses: frozenset[str] = frozenset()
    """Attributes that it has never heard of."""
    requires: frozenset[str] = frozenset()
    """Attributes without which nobody is created."""
    patch: bool = True
    selects: bool = True
    """Whether a search may say which attributes it needs."""
    deletes: bool = False
    """Whether nobody stays who is inactive."""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def user(self, external_id: str) -> dict[str, Any]:
        (found,) = (user for user in self.users.values() if user.get("externalId") == external_id)
        return found

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path}")
        parts = request.path.strip("/").split("/")
        content = _known(await request.json()) if request.can_read_body else {}
        match request.method, parts:
            case "GET", ["Users"] if "attributes" in request.query and not self.selects:
                return self._refused(400, "invalidValue")
            case "GET", ["Users"]:
                return self._listed(request.query.get("filter", ""))
            case "POST", ["Users"]:
                return self._stored(f"p{len(self.users) + 1}", content, 201)
            case "GET", ["Users", user_id] if user_id in self.users:
                return self._answer(200, self.users[user_id])
            case "PUT", ["Users", user_id] if user_id in self.users:
                return self._stored(user_id, content, 200)
            case "PATCH", ["Users", user_id] if user_id in self.users and self.patch:
                return self._stored(user_id, _patched(self.users[user_id], content["Operations"]), 200)
            case "PATCH", _:
                return self._refused(501, "")
            case _:
                return self._refused(404, "")

    def _listed(self, wanted: str) -> web.StreamResponse:
        terms = _TERM.findall(wanted)
        if any(name not in self.filters for name, _ in terms) or (len(terms) > 1 and not self.combines):
            return self._refused(400, "invalidFilter")
        hits = [
            user
            for user in self.users.values()
            if not terms or any(str(user.get(name, "")).lower() == value.lower() for name, value in terms)
        ]
        total = self.total(len(hits))
        return self._answer(200, {"Resources": hits} | ({} if total is None else {"totalResults": total}))

    def _stored(self, user_id: str, content: dict[str, Any], status: int) -> web.StreamResponse:
        flat = set(content) | {f"name.{part}" for part in content.get("name", {})}
        if self.refuses & flat:
            return self._refused(400, "invalidPath")
        if not self.requires <= flat:
            return self._refused(400, "invalidValue")
        name = content["userName"].lower()
        if any(other["userName"].lower() == name for key, other in self.users.items() if key != user_id):
            return self._refused(*self.taken)
        self.users[user_id] = content | {"id": user_id}
        answer = self._answer(status, self.users[user_id])
        if self.deletes and content.get("active") is False:
            del self.users[user_id]
        return answer

    def _refused(self, status: int, kind: str) -> web.StreamResponse:
        return self._answer(status, {"status": str(status)} | ({"scimType": kind} if kind else {}))

    def _answer(self, status: int, content: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(self._spelled(content), status=status)

    def _spelled(self, value: Any) -> Any:
        match value:
            case dict():
                return {self.spell(name): self._spelled(each) for name, each in value.items()}
            case list():
                return [self._spelled(each) for each in value]
            case _:
                return value


def _known(content: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its members as this service names them itself, in whatever case they came."""
    return {_MEMBERS.get(name.lower(), name): value for name, value in content.items()}


def _patched(user: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    patched = {name: dict(value) if isinstance(value, dict) else value for name, value in user.items()}
    for operation in operations:
        whole, _, part = operation["path"].partition(".")
        if part:
            patched.setdefault(whole, {})[part] = operation["value"]
        else:
            patched[whole] = operation["value"]
    return patched


@asynccontextmanager
async def odd_scim(**oddities: Any) -> AsyncIterator[OddScim]:
    """Run such a service on a free port of loopback."""
    service = OddScim(**oddities)
    runner = web.ServerRunner(web.Server(service.handle), shutdown_timeout=0.1)
    async with listening(runner) as service.url:
        yield service
