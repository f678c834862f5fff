"""One order by single calls, and what to do when the service is in another state than expected.

Belongs here: the rules on 404, 409 and 412. Does not belong here: calls themselves, many orders.

    create, where users can't be found by the external id: the same as
    create ── refused ──▶ find by name: has it our external id, or none? ──▶ update, and set it
    update ── 404 ──▶ find by external id ──▶ update that one, else create
    deactivate ── 404 ──▶ find by external id ──▶ deactivate that one, else done, if the service is there at all
    update ── 412 ──▶ read the version, update once more
"""

from contextlib import suppress

from talkdesk_operator.adapters.scim.directory import Directory, Search
from talkdesk_operator.adapters.scim.wire import Found
from talkdesk_operator.domain.ports.scim import Deactivate, Done, Order, Put, Ref
from talkdesk_operator.domain.ports.scim_errors import (
    ScimError,
    ScimGone,
    ScimOutdated,
    ScimRefused,
    ScimTaken,
    ScimUnseen,
)

__all__ = ["carry_out", "owner_of"]


async def carry_out(directory: Directory, order: Order, *, found: Ref | None, searched: bool) -> Done:
    """Carry out an order; `found` is the user where a search, if one was `searched`, found it. Raises ScimError."""
    search = Search(order.ref or found, certain=searched)
    if search.ref is None and not searched:
        search = await directory.by_external_id(order.external_id)
    if isinstance(order, Deactivate):
        return await _deactivate(directory, order, search)
    ref = search.ref
    if ref is None:
        if not search.certain and (taken := await _claim(directory, order)) is not None:
            return Done(taken)
        return Done(await _create(directory, order))
    try:
        return Done(await _update(directory, order, ref))
    except ScimGone:
        other = (await directory.by_external_id(order.external_id)).ref
    if other is None or other.id == ref.id:
        return Done(await _create(directory, order))
    return Done(await _update(directory, order, other))


async def _deactivate(directory: Directory, order: Deactivate, search: Search) -> Done:
    """Deactivate a user; one that can't be looked for may be there all the same, so nothing is done then."""
    ref = search.ref
    if ref is None:
        if not search.certain:
            problem = "it can't be searched for a user whose id there is not known, and who may be active"
            raise ScimUnseen(f"deactivating a user at the SCIM service: {problem}", kind="user may be active, unseen")
        return Done(None)
    try:
        return Done(await _update(directory, order, ref))
    except ScimGone:
        other = await directory.by_external_id(order.external_id)
    if not other.certain:
        await directory.check_presence()
    if other.ref is None or other.ref.id == ref.id:
        return Done(None)
    return Done(await _update(directory, order, other.ref))


async def _create(directory: Directory, order: Put) -> Ref:
    try:
        return await directory.create(order.person)
    except (ScimTaken, ScimRefused) as refused:
        # That there is one already is said with many a status, and some keep the user whom they refuse.
        refusal = refused
    with suppress(ScimError):
        ref = await _claim(directory, order)
        if ref is not None:
            return ref
    raise refusal


async def _claim(directory: Directory, order: Put) -> Ref | None:
    """Update the user who has the name, if it may be ours, and give it the external id; None when there is none."""
    holder = await directory.by_user_name(order.person.user_name)
    if holder is None or owner_of(holder, order) not in {None, order.external_id}:
        return None
    return await _update(directory, order, holder.ref, claim=holder.external_id != order.external_id)


def owner_of(user: Found, order: Put) -> str | None:
    """Return the external id of a user; of one of whom the service does not say it, the one that we know."""
    return user.external_id or order.owners.get(user.ref.id)


async def _update(directory: Directory, order: Order, ref: Ref, *, claim: bool = False) -> Ref:
    try:
        return await directory.update(order, ref, claim=claim)
    except ScimOutdated:
        fresh = await directory.look(ref)
    return await directory.update(order, fresh.ref, claim=claim)
