"""Many orders by one request (RFC 7644, 3.7).

Belongs here: which orders fit into a request, and which result belongs to which. Does not belong here: what to do with
orders without a result: they go on as single ones.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from talkdesk_operator.adapters.scim import calls, messages
from talkdesk_operator.adapters.scim.calls import user_path
from talkdesk_operator.adapters.scim.directory import Directory
from talkdesk_operator.adapters.scim.responses import malformed
from talkdesk_operator.adapters.scim.wire import BulkResult, Capabilities, to_bulk_results
from talkdesk_operator.domain.ports.scim import Order, Put, Ref

__all__ = ["Chunk", "chunks", "fits", "send"]

_MAX_OPERATIONS: Final = 100
"""A service may take 50 ms for each, and a request has seconds."""
_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Orders of one request."""

    orders: tuple[tuple[Order, Ref | None], ...]
    """With the user where it is known."""
    body: bytes = field(repr=False)


def fits(can: Capabilities, order: Order, ref: Ref | None) -> bool:
    """Return whether an order can be part of a bulk request.

    Without PATCH, an update must read before; and a user to be deactivated must be known.
    """
    return can.bulk_operations > 1 and (isinstance(order, Put) if ref is None else can.patch)


def chunks(can: Capabilities, orders: Iterable[tuple[Order, Ref | None]]) -> Iterator[Chunk]:
    """Cut orders into requests that the service can take."""
    most = min(can.bulk_operations, _MAX_OPERATIONS)
    room = min(can.bulk_bytes, _MAX_BYTES) - len(messages.bulk(()))
    taken: list[tuple[Order, Ref | None]] = []
    operations: list[bytes] = []
    size = 0
    for order, ref in orders:
        operation = _operation(can, order, ref, str(len(operations)))
        if operations and (len(operations) == most or size + len(operation) + 1 > room):
            yield Chunk(tuple(taken), messages.bulk(operations))
            taken, operations, size = [], [], 0
            operation = _operation(can, order, ref, "0")
        taken.append((order, ref))
        operations.append(operation)
        size += len(operation) + 1
    if operations:
        yield Chunk(tuple(taken), messages.bulk(operations))


async def send(directory: Directory, chunk: Chunk) -> Mapping[int, BulkResult]:
    """Send a request; return results by the index of the order. Raises ScimError."""
    call = calls.bulk(directory.service, chunk.body)
    results = to_bulk_results((await directory.run(call)).content)
    if results is None:
        raise malformed(call, "holds no operations")
    found = {}
    for index, (_, ref) in enumerate(chunk.orders):
        result = results.by_bulk_id.get(str(index))
        if result is None and ref is not None:
            result = results.by_user.get(ref.id)
        if result is not None:
            found[index] = result
    return found


def _operation(can: Capabilities, order: Order, ref: Ref | None, bulk_id: str) -> bytes:
    if ref is not None:
        version = ref.version if can.versions else None
        return messages.operation("PATCH", user_path(ref), bulk_id, messages.changes(order), version)
    if not isinstance(order, Put):
        raise TypeError("an unknown user can't be deactivated")
    return messages.operation("POST", "/Users", bulk_id, messages.whole(order.person))
