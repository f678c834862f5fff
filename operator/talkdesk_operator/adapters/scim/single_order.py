"""One order by single calls, and what to do when the service is in another state than expected.

Belongs here: the rules on 404, 409 and 412. Does not belong here: calls themselves, many orders.

    create ── 409 ──▶ find by name: has it our external id, or none? ──▶ update, and set the external id
    update ── 404 ──▶ find by external id ──▶ update that one, else create
    update ── 412 ──▶ read the version, update once more
"""

from talkdesk_operator.adapters.scim.directory import Directory
from talkdesk_operator.domain.ports.scim import Deactivate, Done, Order, Put, Ref
from talkdesk_operator.domain.ports.scim_errors import ScimGone, ScimOutdated, ScimTaken

__all__ = ["carry_out"]


async def carry_out(directory: Directory, order: Order, *, found: Ref | None, searched: bool) -> Done:
    """Carry out an order; `found` is the user where a search, if one was `sought`, found it. Raises ScimError."""
    ref = order.ref or found
    if ref is None and not searched:
        ref = await directory.by_external_id(order.external_id)
    if isinstance(order, Deactivate):
        return Done(None) if ref is None else await _deactivate(directory, order, ref)
    if ref is None:
        return Done(await _create(directory, order))
    try:
        return Done(await _update(directory, order, ref))
    except ScimGone:
        other = await directory.by_external_id(order.external_id)
    if other is None or other.id == ref.id:
        return Done(await _create(directory, order))
    return Done(await _update(directory, order, other))


async def _deactivate(directory: Directory, order: Deactivate, ref: Ref) -> Done:
    try:
        return Done(await _update(directory, order, ref))
    except ScimGone:
        # This also shows whether the service itself is still there: else every user would seem to be gone.
        other = await directory.by_external_id(order.external_id)
    if other is None or other.id == ref.id:
        return Done(None)
    return Done(await _update(directory, order, other))


async def _create(directory: Directory, order: Put) -> Ref:
    try:
        return await directory.create(order.person)
    except ScimTaken as taken:
        refusal = taken
    holder = await directory.by_user_name(order.person.user_name)
    if holder is None or holder.external_id not in {None, order.external_id}:
        raise refusal
    return await _update(directory, order, holder.ref, claim=True)


async def _update(directory: Directory, order: Order, ref: Ref, *, claim: bool = False) -> Ref:
    try:
        return await directory.update(order, ref, claim=claim)
    except ScimOutdated:
        fresh = await directory.read(ref)
    return await directory.update(order, fresh, claim=claim)
