"""The users of one service, by single calls: found, created, changed.

Belongs here: what is asked of a service to find or change one user. Does not belong here: what to do when it fails
(single_order), many at once (bulk).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from talkdesk_crds.app import ScimAttribute
from talkdesk_operator.adapters.scim import calls, messages
from talkdesk_operator.adapters.scim.calls import Call
from talkdesk_operator.adapters.scim.exchange import Exchange
from talkdesk_operator.adapters.scim.messages import Change, Rename
from talkdesk_operator.adapters.scim.responses import Reply, malformed
from talkdesk_operator.adapters.scim.wire import Capabilities, Found, Listed, id_in_location, to_found, to_listed
from talkdesk_operator.domain.ports.scim import Deactivate, Person, Ref, Service
from talkdesk_operator.domain.ports.scim_errors import ScimOutdated, ScimRefused, ScimUnseen, ScimUnsupported

__all__ = ["Directory", "Search"]

_HITS: Final = 2
"""More hits than values asked for would be several users with one external id, of which the first is taken."""


@dataclass(frozen=True, slots=True)
class Search:
    """What came of looking for one user."""

    ref: Ref | None
    certain: bool
    """Whether a user that was not found is certainly not there."""


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

    @property
    def finds_external_ids(self) -> bool:
        """Whether users can be looked for by Talkdesk's id."""
        sent = ScimAttribute.EXTERNAL_ID in self.service.attributes
        return sent and self.can.filters and self.can.external_id_filter

    def disable_bulk(self) -> None:
        """Record that the service takes no bulk requests, whatever its configuration says."""
        self.can = replace(self.can, bulk_operations=0)

    async def by_external_id(self, external_id: str) -> Search:
        """Look for a user by Talkdesk's id; never certain once the service refuses even such a simple filter."""
        try:
            found, complete = await self.by_external_ids([external_id])
        except ScimRefused:
            self.can = replace(self.can, external_id_filter=False)
            return Search(None, certain=False)
        ref = found.get(external_id)
        return Search(ref, certain=complete or ref is not None)

    async def by_external_ids(self, external_ids: Sequence[str]) -> tuple[dict[str, Ref], bool]:
        """Find users by Talkdesk's ids; return also whether those that were not found are certainly not there."""
        if not self.finds_external_ids:
            return {}, False
        listed = await self._find("externalId", external_ids)
        asked = set(external_ids)
        # A service that does not know the filter may list any users.
        hits = {each.external_id: each.ref for each in reversed(listed.users) if each.external_id is not None}
        # A user without an external id in the response may be the one that was asked for.
        certain = listed.complete and all(each.external_id is not None for each in listed.users)
        return {external_id: hits[external_id] for external_id in asked & hits.keys()}, certain

    async def by_user_name(self, user_name: str) -> Found | None:
        """Find a user by name, without regard to case (RFC 7643, 4.1.1); None too where that can't be asked."""
        if not self.can.user_name_filter:
            return None
        try:
            listed = await self._find("userName", [user_name])
        except ScimRefused:
            self.can = replace(self.can, user_name_filter=False)
            return None
        name = user_name.casefold()
        return next((each for each in listed.users if (each.user_name or "").casefold() == name), None)

    async def check_presence(self) -> None:
        """Raise ScimNotFound when there is no service any more: else every user would seem to be gone."""
        await self.run(calls.find_any(self.service, select=self.can.attribute_selection))

    async def look(self, ref: Ref) -> Found:
        """Read a user as it is now."""
        call = calls.read(self.service, ref)
        found = _found(await self.run(call))
        if found is None:
            raise malformed(call, "holds no id")
        return found

    async def create(self, person: Person) -> Ref:
        """Create a user."""
        call = calls.create(self.service, person)
        reply = await self.run(call)
        found = _found(reply)
        if found is not None:
            return found.ref
        location = id_in_location(reply.headers.get("location"))
        ref = Ref(location) if location is not None else (await self.by_external_id(person.external_id)).ref
        if ref is None:
            raise malformed(call, "does not say which user was made")
        return ref

    async def update(self, order: Change, ref: Ref, *, claim: bool = False) -> Ref:
        """Change a user as ordered; `claim` gives it the external id."""
        if self.can.patch:
            call = calls.patch(self.service, order, ref, versions=self.can.versions, claim=claim)
            try:
                return _renewed(order, ref, await self.run(call), call)
            except ScimUnsupported:
                self.can = replace(self.can, patch=False)
        return await self._replace(order, ref, claim=claim)

    async def _replace(self, order: Change, ref: Ref, *, claim: bool) -> Ref:
        """Change a user by replacing it, with all that the service has of it."""
        reading = calls.read(self.service, ref)
        current = await self.run(reading)
        found = _found(current)
        if found is None:
            raise malformed(reading, "holds no id")
        if isinstance(order, Rename) and order.while_inactive and found.active is not False:
            raise ScimOutdated(f"{reading.words}: it is not inactive any more", kind="not inactive any more")
        content = messages.merged(order, current.content, claim=claim)
        call = calls.replace(self.service, found.ref, content, versions=self.can.versions)
        return _renewed(order, ref, await self.run(call), call)

    async def _find(self, attribute: Literal["externalId", "userName"], values: Sequence[str]) -> Listed:
        select = self.can.attribute_selection
        call = calls.find(self.service, attribute, values, _HITS * len(values), select=select)
        content = (await self.run(call)).content
        listed = to_listed(content)
        if listed is None:
            raise malformed(call, "is no list of users" if content else "is empty")
        return listed


def _found(reply: Reply) -> Found | None:
    return to_found(reply.content, reply.headers.get("etag"))


def _renewed(order: Change, ref: Ref, reply: Reply, call: Call) -> Ref:
    """Return the user's new version: of a body, or of a header alone (204); raise ScimUnseen for one still active."""
    found = to_found({**reply.content, "id": ref.id}, reply.headers.get("etag"))
    if isinstance(order, Deactivate) and found is not None and found.active:
        problem = "the service still has the user as active"
        raise ScimUnseen(f"{call.words}: it was answered with success, but {problem}", kind=problem)
    return Ref(ref.id, found.ref.version if found is not None else None)
