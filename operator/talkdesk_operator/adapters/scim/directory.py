"""The users of one service, by single calls: found, created, changed.

Belongs here: what is asked of a service to find or change one user. Does not belong here: what to do when it fails
(single_order), many at once (bulk).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from talkdesk_operator.adapters.scim import calls, messages
from talkdesk_operator.adapters.scim.calls import Call
from talkdesk_operator.adapters.scim.exchange import Exchange
from talkdesk_operator.adapters.scim.responses import Reply, malformed
from talkdesk_operator.adapters.scim.wire import Capabilities, Found, Listed, id_in_location, to_found, to_listed
from talkdesk_operator.domain.ports.scim import Order, Person, Ref, Service
from talkdesk_operator.domain.ports.scim_errors import ScimRefused, ScimUnsupported

__all__ = ["Directory"]

_HITS: Final = 2
"""More hits than values asked for would be several users with one external id, of which the first is taken."""


class Directory:
    """The users of one service, with what it can do. Methods raise ScimError."""

    def __init__(self, exchange: Exchange, service: Service, can: Capabilities, patience: timedelta) -> None:
        """Wait out pauses that the service asks for up to `patience`."""
        self._exchange = exchange
        self._patience = patience
        self.service = service
        self.can = can
        """As far as it is known: a service may have less than it says."""

    async def run(self, call: Call) -> Reply:
        """Send a call."""
        return await self._exchange.run(call, self.service, self._patience)

    def disable_bulk(self) -> None:
        """Record that the service takes no bulk requests, whatever its configuration says."""
        self.can = replace(self.can, bulk_operations=0)

    async def by_external_id(self, external_id: str) -> Ref | None:
        """Find a user by Talkdesk's id; always None once the service refuses even such a simple filter."""
        try:
            return (await self.by_external_ids([external_id]))[0].get(external_id)
        except ScimRefused:
            self.can = replace(self.can, filters=False)
            return None

    async def by_external_ids(self, external_ids: Sequence[str]) -> tuple[dict[str, Ref], bool]:
        """Find users by Talkdesk's ids; return also whether all that exist were found."""
        if not self.can.filters:
            return {}, False
        listed = await self._search(calls.find(self.service, "externalId", external_ids, _HITS * len(external_ids)))
        asked = set(external_ids)
        # A service that does not know the filter may list any users.
        hits = {each.external_id: each.ref for each in reversed(listed.users) if each.external_id is not None}
        return {external_id: hits[external_id] for external_id in asked & hits.keys()}, listed.complete

    async def by_user_name(self, user_name: str) -> Found | None:
        """Find a user by name, without regard to case (RFC 7643, 4.1.1)."""
        if not self.can.filters:
            return None
        listed = await self._search(calls.find(self.service, "userName", [user_name], _HITS))
        name = user_name.casefold()
        return next((each for each in listed.users if (each.user_name or "").casefold() == name), None)

    async def read(self, ref: Ref) -> Ref:
        """Read a user's present version."""
        call = calls.read(self.service, ref)
        found = _found(await self.run(call))
        if found is None:
            raise malformed(call, "holds no id")
        return found.ref

    async def create(self, person: Person) -> Ref:
        """Create a user."""
        call = calls.create(self.service, person)
        reply = await self.run(call)
        found = _found(reply)
        if found is not None:
            return found.ref
        location = id_in_location(reply.headers.get("location"))
        ref = Ref(location) if location is not None else await self.by_external_id(person.external_id)
        if ref is None:
            raise malformed(call, "does not say which user was made")
        return ref

    async def update(self, order: Order, ref: Ref, *, claim: bool = False) -> Ref:
        """Change a user as ordered; `claim` gives it the external id."""
        if self.can.patch:
            call = calls.patch(self.service, order, ref, versions=self.can.versions, claim=claim)
            try:
                return _renewed(ref, await self.run(call))
            except ScimUnsupported:
                self.can = replace(self.can, patch=False)
        return await self._replace(order, ref, claim=claim)

    async def _replace(self, order: Order, ref: Ref, *, claim: bool) -> Ref:
        """Change a user by replacing it, with all that the service has of it."""
        reading = calls.read(self.service, ref)
        current = await self.run(reading)
        found = _found(current)
        if found is None:
            raise malformed(reading, "holds no id")
        content = messages.merged(order, current.content, claim=claim)
        call = calls.replace(self.service, found.ref, content, versions=self.can.versions)
        return _renewed(ref, await self.run(call))

    async def _search(self, call: Call) -> Listed:
        content = (await self.run(call)).content
        listed = to_listed(content)
        if listed is None:
            raise malformed(call, "is no list of users" if content else "is empty")
        return listed


def _found(reply: Reply) -> Found | None:
    return to_found(reply.content, reply.headers.get("etag"))


def _renewed(ref: Ref, reply: Reply) -> Ref:
    """Return the user's new version: of a body, or of a header alone (204)."""
    found = to_found({**reply.content, "id": ref.id}, reply.headers.get("etag"))
    return Ref(ref.id, found.ref.version if found is not None else None)
