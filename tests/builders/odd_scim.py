"""A SCIM service as people write them: right in the main, and odd in one or another thing.

It is written without any library of SCIM, so that it shares no reading of the RFCs with the client under test.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web

from builders.listening import listening
from builders.scim import service
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.domain.ports.scim import Done, Order, Result

_MEMBERS = {
    name.lower(): name
    for name in ("id", "externalId", "userName", "displayName", "name", "active", "emails", "roles", "Operations")
}
_TERM = re.compile(r'(\w+) eq "([^"]*)"')

ODDITIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "names in lower case": {"spell": str.lower},
    "names in capitals": {"spell": str.upper},
    "total as text": {"total": str},
    "total as float": {"total": float},
    "no total": {"total": lambda _count: None},
    "no or": {"combines": False},
    "no filter by external id": {"filters": frozenset({"userName"})},
    "taken as 400": {"taken": (400, "uniqueness")},
    "taken as 400 without a type": {"taken": (400, "")},
    "taken as 422": {"taken": (422, "")},
    "no patch": {"patch": False},
    "no patch, names in lower case": {"patch": False, "spell": str.lower},
    "all of it": {
        "spell": str.upper,
        "total": lambda _count: None,
        "filters": frozenset({"userName"}),
        "combines": False,
        "taken": (400, ""),
        "patch": False,
    },
}


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
    dislikes: frozenset[str] = frozenset()
    """Display names that it refuses, once the user name is none that is taken."""
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What somebody else does right before the first of such requests."""
    loses: set[str] = field(default_factory=set)
    """Requests that are carried out once, and answered with a 500."""
    deletes: bool = False
    """Whether nobody stays who is inactive."""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def user(self, external_id: str) -> dict[str, Any]:
        (found,) = (user for user in self.users.values() if user.get("externalId") == external_id)
        return found

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.seen.append(line)
        self.meanwhile.pop(line, lambda: None)()
        answer = await self._carried_out(request)
        if line not in self.loses:
            return answer
        self.loses.discard(line)
        return self._refused(500, "")

    async def _carried_out(self, request: web.BaseRequest) -> web.StreamResponse:
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
        if content.get("displayName") in self.dislikes:
            return self._refused(400, "invalidValue")
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
    server = OddScim(**oddities)
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    async with listening(runner) as server.url:
        yield server


async def execute(client: ScimClient, server: OddScim, *orders: Order, **how: Any) -> tuple[Result, ...]:
    """Carry out orders there; nothing ends them early. Keywords are of the service."""
    results, error = await client.execute(service(server.url, **how), orders, within=timedelta(minutes=1))
    assert error is None
    return results


def ids(results: tuple[Result, ...]) -> list[str | None]:
    """The service's ids of those who are done."""
    return [result.ref.id if isinstance(result, Done) and result.ref is not None else None for result in results]
