"""Many orders at one service: users are searched, changed in bulk where possible, else one by one in parallel.

Belongs here: the sequence, and when to stop. Does not belong here: single calls and their rules,
names that others have (name_exchange).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from talkdesk_operator.adapters.scim import bulk, calls
from talkdesk_operator.adapters.scim.admission import with_retries
from talkdesk_operator.adapters.scim.directory import Directory
from talkdesk_operator.adapters.scim.name_exchange import Batch, NameExchange
from talkdesk_operator.adapters.scim.responses import of_status
from talkdesk_operator.adapters.scim.single_order import carry_out
from talkdesk_operator.adapters.scim.wire import BulkResult, Found
from talkdesk_operator.domain.ports.scim import Done, Failed, NotStarted, Order, Ref, Result, Service
from talkdesk_operator.domain.ports.scim_errors import (
    ScimError,
    ScimNotFound,
    ScimRefused,
    ScimTransient,
    ScimUnavailable,
)

__all__ = ["OrderExecution"]

T = TypeVar("T")

_IDS_OF_A_SEARCH: Final = 25
_BYTES_OF_A_SEARCH: Final = 1500
"""Of ids in one search: servers take URLs of 8 KB, some proxies of 2 KB, and ids of Talkdesk's have 24 letters."""


class OrderExecution:
    """The work on one batch of orders."""

    def __init__(self, directory: Directory, orders: Sequence[Order], has_time: Callable[[], bool]) -> None:
        """Begin nothing new once `has_time` returns False."""
        self._directory = directory
        self._orders = orders
        self._has_time = has_time
        self._results: list[Result] = [NotStarted()] * len(orders)
        self._found: dict[str, Ref] = {}
        self._searched: set[str] = set()
        self.stopped_by: ScimError | None = None
        """The error that concerns the service as a whole, once there is one."""

    async def run(self) -> tuple[Result, ...]:
        """Do as much as can be done."""
        await self._search()
        await self._in_bulk()
        await self._one_by_one()
        await self._exchange_names()
        return tuple(self._results)

    @property
    def _may_continue(self) -> bool:
        return self.stopped_by is None and self._has_time()

    async def _search(self) -> None:
        """Search users that we don't know, many at once; those without a certain result are searched alone later."""
        unknown = [order.external_id for order in self._orders if order.ref is None]
        groups = deque(_groups(unknown))
        if not (self._directory.finds_external_ids and self._directory.can.combined_filters) or len(unknown) < 2:
            return

        async def search() -> None:
            while groups and self._may_continue:
                group = groups.popleft()
                try:
                    found, complete = await self._with_retries(partial(self._directory.by_external_ids, group))
                except ScimError as error:
                    if error.concerns_all:
                        self._stop(error)
                    # Some services know no `or`, and not all of them say so with a 400.
                    groups.clear()
                else:
                    self._found |= found
                    self._searched |= set(group) if complete else set(found)

        await self._in_parallel(search)

    async def _in_bulk(self) -> None:
        can = self._directory.can
        known = [(order, self._ref(order)) for order in self._orders if self._is_located(order)]
        fitting = [(order, ref) for order, ref in known if bulk.fits(can, order, ref)]
        if len(fitting) < 2:
            return
        index = {order.external_id: number for number, order in enumerate(self._orders)}
        for chunk in bulk.chunks(can, fitting):
            if not self._may_continue or not self._directory.can.bulk_operations:
                return
            try:
                results = await self._with_retries(partial(bulk.send, self._directory, chunk))
            except ScimError as error:
                self._bulk_failed(error, chunk)
                continue
            for number, (order, ref) in enumerate(chunk.orders):
                result = _result_of(self._directory.service, ref, results.get(number))
                if isinstance(result, NotStarted):
                    self._searched.discard(order.external_id)
                self._results[index[order.external_id]] = result

    def _bulk_failed(self, error: ScimError, chunk: bulk.Chunk) -> None:
        if error.concerns_all and not isinstance(error, ScimNotFound):
            self._stop(error)
            return
        # The service has no bulk requests although it says so, or not for so many, or it takes too long.
        self._directory.disable_bulk()
        if isinstance(error, ScimTransient):
            # Some of it may have happened, so each user is searched again.
            self._searched -= {order.external_id for order, _ in chunk.orders}

    async def _one_by_one(self) -> None:
        waiting = deque(number for number, result in enumerate(self._results) if isinstance(result, NotStarted))

        async def work() -> None:
            while waiting and self._may_continue:
                number = waiting.popleft()
                result = await self._carried_out(self._orders[number])
                self._results[number] = result or self._results[number]

        await self._in_parallel(work)

    async def _carried_out(self, order: Order) -> Done | Failed | None:
        """Carry out an order by single calls; None when the service as a whole failed."""
        found, searched = self._found.get(order.external_id), order.external_id in self._searched
        try:
            return await self._with_retries(partial(carry_out, self._directory, order, found=found, searched=searched))
        except ScimError as error:
            if not error.concerns_all:
                return Failed(error)
            self._stop(error)
            return None

    async def _exchange_names(self) -> None:
        """Try those again whose name another user had: it may be free by now, or can be made so."""

        async def again(number: int) -> None:
            self._results[number] = await self._carried_out(self._orders[number]) or self._results[number]

        batch = Batch(self._orders, self._results, again, self._stop, lambda: self._may_continue, self._is_of)
        await NameExchange(self._directory, batch).run()

    def _is_of(self, holder: Found, order: Order) -> bool:
        ref = self._ref(order)
        return holder.external_id == order.external_id or (ref is not None and ref.id == holder.ref.id)

    async def _in_parallel(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._directory.service.concurrency):
                group.create_task(work())

    async def _with_retries(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await with_retries(attempt, self._has_time)

    def _stop(self, error: ScimError) -> None:
        if self.stopped_by is None:
            self.stopped_by = error

    def _ref(self, order: Order) -> Ref | None:
        return order.ref or self._found.get(order.external_id)

    def _is_located(self, order: Order) -> bool:
        return self._ref(order) is not None or order.external_id in self._searched


def _groups(external_ids: Sequence[str]) -> list[list[str]]:
    """Cut ids into searches of a length that can stand in a URL."""
    groups: list[list[str]] = []
    size = 0
    for external_id in external_ids:
        length = len(external_id.encode("utf-8", "replace"))
        if not groups or len(groups[-1]) == _IDS_OF_A_SEARCH or size + length > _BYTES_OF_A_SEARCH:
            groups.append([])
            size = 0
        groups[-1].append(external_id)
        size += length
    return groups


def _result_of(service: Service, ref: Ref | None, result: BulkResult | None) -> Result:
    """Return what came of one operation; NotStarted for what single calls must do."""
    if result is None:
        return NotStarted()
    if 200 <= result.status < 300:
        known = Ref(ref.id, result.ref.version if result.ref is not None else None) if ref is not None else result.ref
        return Done(known) if known is not None else NotStarted()
    if result.status in {401, 404, 409, 412, 429}:
        return NotStarted()
    error = of_status(calls.in_bulk(service), result.status, result.scim_type)
    return Failed(error) if isinstance(error, ScimRefused | ScimUnavailable) else NotStarted()
