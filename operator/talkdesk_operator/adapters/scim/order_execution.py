"""Many orders at one service: found, changed in bulk where that can be, else one by one with many hands.

Belongs here: the order of things, and when to stop. Does not belong here: single calls and their rules.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from talkdesk_operator.adapters.scim import bulk, calls
from talkdesk_operator.adapters.scim.directory import Directory
from talkdesk_operator.adapters.scim.responses import of_status
from talkdesk_operator.adapters.scim.single_order import carry_out
from talkdesk_operator.adapters.scim.wire import BulkResult
from talkdesk_operator.domain.ports.scim import Done, Failed, NotStarted, Order, Ref, Result, Service
from talkdesk_operator.domain.ports.scim_errors import (
    ScimError,
    ScimNotFound,
    ScimRateLimited,
    ScimRefused,
    ScimTransient,
    ScimUnavailable,
)

__all__ = ["OrderExecution"]

T = TypeVar("T")

_SOUGHT_AT_ONCE: Final = 25
_SOUGHT_BYTES: Final = 1500
"""Of ids in one search: servers take URLs of 8 KB, some proxies of 2 KB, and ids of Talkdesk's have 24 letters."""
_ATTEMPTS: Final = 3
"""At a call that meets a 429, the pauses in between waited out."""


class OrderExecution:
    """The work on one batch of orders."""

    def __init__(self, directory: Directory, orders: Sequence[Order], has_time: Callable[[], bool]) -> None:
        """Begin nothing new once `has_time` says no."""
        self._directory = directory
        self._orders = orders
        self._has_time = has_time
        self._results: list[Result] = [NotStarted()] * len(orders)
        self._found: dict[str, Ref] = {}
        self._sought: set[str] = set()
        self.ended_by: ScimError | None = None
        """The error that concerns the service as a whole, once there is one."""

    async def run(self) -> tuple[Result, ...]:
        """Do as much as can be done."""
        await self._seek()
        await self._in_bulk()
        await self._one_by_one()
        return tuple(self._results)

    @property
    def _goes_on(self) -> bool:
        return self.ended_by is None and self._has_time()

    async def _seek(self) -> None:
        """Look for those that we don't know, many at once; whoever is not found for certain is sought alone later."""
        unknown = [order.external_id for order in self._orders if order.ref is None]
        groups = deque(_groups(unknown))
        if not self._directory.can.filters or len(unknown) < 2:
            return

        async def seek() -> None:
            while groups and self._goes_on:
                group = groups.popleft()
                try:
                    found, complete = await self._patiently(partial(self._directory.by_external_ids, group))
                except ScimError as error:
                    if error.concerns_all:
                        self._end(error)
                    # Some services know no `or`, and not all of them say so with a 400.
                    groups.clear()
                else:
                    self._found |= found
                    self._sought |= set(group) if complete else set(found)

        await self._with_hands(seek)

    async def _in_bulk(self) -> None:
        can = self._directory.can
        known = [(order, self._ref(order)) for order in self._orders if self._is_certain(order)]
        fitting = [(order, ref) for order, ref in known if bulk.fits(can, order, ref)]
        if len(fitting) < 2:
            return
        place = {order.external_id: number for number, order in enumerate(self._orders)}
        for chunk in bulk.chunks(can, fitting):
            if not self._goes_on or not self._directory.can.bulk_operations:
                return
            try:
                results = await self._patiently(partial(bulk.send, self._directory, chunk))
            except ScimError as error:
                self._bulk_failed(error, chunk)
                continue
            for number, (order, ref) in enumerate(chunk.orders):
                result = _understood(self._directory.service, ref, results.get(number))
                if isinstance(result, NotStarted):
                    self._sought.discard(order.external_id)
                self._results[place[order.external_id]] = result

    def _bulk_failed(self, error: ScimError, chunk: bulk.Chunk) -> None:
        if error.concerns_all and not isinstance(error, ScimNotFound):
            self._end(error)
            return
        # It does not have what it says that it has, or not for so many, or it takes too long.
        self._directory.lacks_bulk()
        if isinstance(error, ScimTransient):
            # Some of it may have happened, so each user is looked for again.
            self._sought -= {order.external_id for order, _ in chunk.orders}

    async def _one_by_one(self) -> None:
        waiting = deque(number for number, result in enumerate(self._results) if isinstance(result, NotStarted))

        async def work() -> None:
            while waiting and self._goes_on:
                number = waiting.popleft()
                order = self._orders[number]
                found, sought = self._found.get(order.external_id), order.external_id in self._sought
                try:
                    self._results[number] = await self._patiently(
                        partial(carry_out, self._directory, order, found=found, sought=sought)
                    )
                except ScimError as error:
                    if error.concerns_all:
                        self._end(error)
                    else:
                        self._results[number] = Failed(error)

        await self._with_hands(work)

    async def _with_hands(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._directory.service.concurrency):
                group.create_task(work())

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try again after a 429: the gate waits out the pause, or says that it is too long."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await attempt()
            except ScimRateLimited:
                if not self._has_time():
                    raise
        return await attempt()

    def _end(self, error: ScimError) -> None:
        if self.ended_by is None:
            self.ended_by = error

    def _ref(self, order: Order) -> Ref | None:
        return order.ref or self._found.get(order.external_id)

    def _is_certain(self, order: Order) -> bool:
        return self._ref(order) is not None or order.external_id in self._sought


def _groups(external_ids: Sequence[str]) -> list[list[str]]:
    """Cut ids into searches of a length that can stand in a URL."""
    groups: list[list[str]] = []
    size = 0
    for external_id in external_ids:
        length = len(external_id.encode("utf-8", "replace"))
        if not groups or len(groups[-1]) == _SOUGHT_AT_ONCE or size + length > _SOUGHT_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(external_id)
        size += length
    return groups


def _understood(service: Service, ref: Ref | None, result: BulkResult | None) -> Result:
    """Return what came of one operation; Left for what single calls must settle."""
    if result is None:
        return NotStarted()
    if 200 <= result.status < 300:
        settled = Ref(ref.id, result.ref.version if result.ref is not None else None) if ref is not None else result.ref
        return Done(settled) if settled is not None else NotStarted()
    if result.status in {401, 404, 409, 412, 429}:
        return NotStarted()
    error = of_status(calls.in_bulk(service), result.status, result.scim_type)
    return Failed(error) if isinstance(error, ScimRefused | ScimUnavailable) else NotStarted()
