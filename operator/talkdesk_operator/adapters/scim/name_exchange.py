"""Users whose name another one has: each is tried again, and where it must be, a name is freed.

Belongs here: whose name is freed, and that nobody loses one for nothing. Does not belong here: carrying out an order.

    nobody has the name ──▶ the order again
    a user of ours has it who left ──▶ read that one: certainly inactive? ──▶ it is named by its id, the order again
    a user of this batch has it who waits as well ──▶ in a circle, one is named by its id until the others have theirs
    anybody else has it ──▶ refused for good
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from talkdesk_operator.adapters.scim.admission import with_retries
from talkdesk_operator.adapters.scim.directory import Directory
from talkdesk_operator.adapters.scim.messages import Rename
from talkdesk_operator.adapters.scim.single_order import owner_of
from talkdesk_operator.adapters.scim.wire import Found
from talkdesk_operator.domain.ports.scim import Done, Failed, Order, Put, Ref, Result
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimRefused, ScimTaken, ScimUnavailable

__all__ = ["Batch", "NameExchange"]

_SUSPECTS: Final = 20
"""Of those whose change failed, how many are looked at for a name that is taken."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch whose users wait for names, and what is done with it."""

    orders: Sequence[Order]
    results: Sequence[Result]
    """Of the orders; they change with `carry_out`."""
    carry_out: Callable[[int], Awaitable[None]]
    """Carries out the order of that number again."""
    stop: Callable[[ScimError], None]
    """Takes an error that concerns the service as a whole."""
    may_continue: Callable[[], bool]
    is_of: Callable[[Found, Order], bool]
    """Whether an order is about that user."""


class NameExchange:
    """The work on one batch, after each order was tried once."""

    def __init__(self, directory: Directory, batch: Batch) -> None:
        self._directory = directory
        self._batch = batch
        self._waiting: set[int] = set()
        self._log = structlog.get_logger("talkdesk_operator.users")

    async def run(self) -> None:
        """Do as much as can be done."""
        orders, results = self._batch.orders, self._batch.results
        if len(orders) < 2 and not any(isinstance(order, Put) and order.former for order in orders):
            return
        try:
            self._waiting = {number for number, result in enumerate(results) if _is_taken(result)}
            self._waiting |= await self._waiting_unsaid()
            while self._waiting and self._batch.may_continue():
                before = len(self._waiting)
                holders = await self._try_again()
                if len(self._waiting) == before and not await self._exchange(holders):
                    return
        except ScimError as error:
            self._batch.stop(error)

    async def _waiting_unsaid(self) -> set[int]:
        """Return whose change failed while another user has the name: some services say that with a 500."""
        orders, results = self._batch.orders, self._batch.results
        failed = (number for number, result in enumerate(results) if _may_mean_taken(result))
        suspects = [number for number in failed if _may_wait(orders[number])]
        others = {number for number, result in enumerate(results) if isinstance(result, Failed)}
        waiting = set()
        # It is only a suspicion: a search that fails changes nothing of what is known of the batch.
        with suppress(ScimError):
            for number in suspects[:_SUSPECTS]:
                holder = await self._holder(number) if self._batch.may_continue() else None
                if holder is not None and (_former(holder, orders[number]) or self._whose(holder, others) is not None):
                    waiting.add(number)
        return waiting

    async def _try_again(self) -> dict[int, Found]:
        """Carry out what may work by now; return who has the name that others of this batch still wait for.

        Who wants a name that somebody has for good waits no more.
        """
        holders: dict[int, Found] = {}
        for number in sorted(self._waiting):
            if not self._batch.may_continue():
                return {}
            holder = await self._holder(number)
            if holder is not None and self._whose(holder, self._waiting) is not None:
                holders[number] = holder
            elif holder is None or await self._set_former_aside(holder, self._batch.orders[number]):
                await self._carry_out(number)
            else:
                self._waiting.discard(number)
        return holders

    async def _exchange(self, holders: Mapping[int, Found]) -> bool:
        """Exchange the names of users who wait for one another; return whether there were any."""
        waits = {number: self._whose(holder, self._waiting) for number, holder in holders.items()}
        circle = _circle({number: other for number, other in waits.items() if other is not None})
        if not circle:
            return False
        # Who is set aside is one of whom it is sure that nothing but the name is refused, if there is any.
        first = next((place for place, number in enumerate(circle) if _is_taken(self._batch.results[number])), 0)
        one, *others = circle[first:] + circle[:first]
        last = others[-1]
        self._waiting -= set(circle)
        aside = holders[last]
        name = self._batch.orders[one].external_id
        if not await self._rename(aside.ref, name):
            # It may have happened all the same. Not with the version of before: it changes with the name.
            await self._rename(Ref(aside.ref.id), aside.user_name or name)
            return True
        self._log.info("user.set_aside", user=name, inactive=False)
        for number in [*reversed(others), one]:
            if self._batch.may_continue():
                await self._carry_out(number)
            if not isinstance(self._batch.results[number], Done):
                await self._give_back(aside, one)
                break
        return True

    async def _give_back(self, aside: Found, number: int) -> None:
        """Give a user its old name back, or where another one has that by now, the one it waited for."""
        order = self._batch.orders[number]
        wanted = order.person.user_name if isinstance(order, Put) else None
        ref = Ref(aside.ref.id)
        with suppress(ScimError):
            for name in aside.user_name, wanted:
                if name is not None and await self._rename(ref, name):
                    return
        self._log.warning("user.name_lost", user=order.external_id)

    async def _set_former_aside(self, holder: Found, order: Order) -> bool:
        """Free the name of a user of ours who left, if it is certainly inactive; return whether it is free.

        The record may be old: a person may have activated the user by hand since.
        """
        left = _former(holder, order)
        if left is None:
            return False
        try:
            fresh = await with_retries(partial(self._directory.look, holder.ref), self._batch.may_continue)
        except ScimError as error:
            return self._failed(error)
        if fresh.active is not False or fresh.external_id != holder.external_id:
            return False
        if not await self._rename(fresh.ref, left, while_inactive=True):
            return False
        self._log.info("user.set_aside", user=left, inactive=True)
        return True

    async def _rename(self, ref: Ref, name: str, *, while_inactive: bool = False) -> bool:
        change = Rename(name, while_inactive=while_inactive)
        try:
            await with_retries(partial(self._directory.update, change, ref), lambda: True)
        except ScimError as error:
            return self._failed(error)
        return True

    async def _holder(self, number: int) -> Found | None:
        """Return the other user who has the name that an order needs; None too where that can't be seen."""
        order = self._batch.orders[number]
        if not isinstance(order, Put):
            return None
        try:
            search = partial(self._directory.by_user_name, order.person.user_name)
            holder = await with_retries(search, self._batch.may_continue)
        except ScimError as error:
            self._failed(error)
            return None
        return None if holder is None or self._batch.is_of(holder, order) else holder

    def _whose(self, holder: Found, numbers: set[int]) -> int | None:
        """Return which of these orders is about that user."""
        found = (number for number in numbers if self._batch.is_of(holder, self._batch.orders[number]))
        return next(found, None)

    async def _carry_out(self, number: int) -> None:
        await self._batch.carry_out(number)
        if isinstance(self._batch.results[number], Done):
            self._waiting.discard(number)

    def _failed(self, error: ScimError) -> bool:
        """Return False, or raise what concerns the service as a whole."""
        if error.concerns_all:
            raise error
        return False


def _former(holder: Found, order: Order) -> str | None:
    """Return the external id of a user of ours who left; None for anybody else."""
    owner = owner_of(holder, order) if isinstance(order, Put) else None
    return owner if isinstance(order, Put) and owner in order.former else None


def _is_taken(result: Result) -> bool:
    return isinstance(result, Failed) and isinstance(result.error, ScimTaken)


def _may_mean_taken(result: Result) -> bool:
    return isinstance(result, Failed) and isinstance(result.error, ScimRefused | ScimUnavailable)


def _may_wait(order: Order) -> bool:
    """Return whether a failure that says nothing of a name may be about one: of a change, or beside users who left."""
    return isinstance(order, Put) and (order.ref is not None or bool(order.former))


def _circle(waits: Mapping[int, int]) -> list[int]:
    """Return who wait for one another in a circle, each for the next one; nothing when nobody does."""
    for start in sorted(waits):
        path = [start]
        while path[-1] in waits and waits[path[-1]] not in path:
            path.append(waits[path[-1]])
        if path[-1] in waits:
            return path[path.index(waits[path[-1]]) :]
    return []
