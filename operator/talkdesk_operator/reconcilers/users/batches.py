"""The work of one call on a tenant's users: batch after batch, as long as there is time.

Belongs here: the order of the work, and counting. Does not belong here: what is to be done about a user
(domain/users.py).

Whoever made trouble the last time comes last, so that no number of such users keeps the others from their turn.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Final

import structlog

from talkdesk_operator.domain.ports.scim import (
    Deactivate,
    Done,
    Failed,
    NotStarted,
    Order,
    Put,
    Result,
    ScimService,
    Service,
)
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimRefused, ScimUnavailable
from talkdesk_operator.domain.ports.talkdesk import TalkdeskError, User
from talkdesk_operator.domain.reconcile.error_policy import talkdesk_failure
from talkdesk_operator.domain.reconcile.scope import Failure, UsersOutcome
from talkdesk_operator.domain.users.decide import (
    fingerprint,
    is_up_to_date,
    person_of,
    put_order,
    record_after,
    record_before,
    removed_users,
    scim_failure,
    users_failure,
)
from talkdesk_operator.domain.users.record import MAX_ID_BYTES, RecordedUser, UserRecord

__all__ = ["Budget", "UserBatches"]

_LOGGED: Final = 20
"""Users in trouble that are named in the log, by Talkdesk's id, for each call."""


class Budget:
    """Time that may be spent with the service; reading Talkdesk's list is not counted."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._left = seconds
        self._monotonic = monotonic

    @property
    def left(self) -> timedelta:
        """What is left; nothing, not less, when it is over."""
        return timedelta(seconds=max(self._left, 0))

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time that passes within."""
        began = self._monotonic()
        try:
            yield
        finally:
            self._left -= self._monotonic() - began


class UserBatches:
    """One call's work. Without a roster users are only counted."""

    def __init__(
        self,
        scim: ScimService,
        service: Service | Failure | None,
        roster: UserRecord | None,
        *,
        save: Callable[[], Awaitable[None]],
        budget: Budget,
        batch: int,
    ) -> None:
        self._scim = scim
        self._service = service if isinstance(service, Service) else None
        self._roster = roster
        self._save = save
        self._budget = budget
        self._batch = batch
        self._log = structlog.get_logger("talkdesk_operator.users")
        self._listed: set[str] = set()
        self._complete = False
        self._waiting: list[Put] = []
        self._failed_before: list[Put] = []
        self._synced = 0
        self._deactivated = 0
        self._errors: list[ScimError] = []
        self._out_of_time = False
        self._failure = service if isinstance(service, Failure) else None

    async def sync_listed(self, pages: AsyncIterator[tuple[User, ...]], created_by: str | None) -> None:
        """Read the list and do what follows from it; a list that ends early sees nobody off."""
        broken: Failure | None = None
        try:
            async with _closing(pages):
                async for page in pages:
                    await self._take(page, created_by)
                    if self._out_of_time:
                        return
                self._complete = True
        except TalkdeskError as error:
            broken = talkdesk_failure(error)
        await self._execute_pending(1)
        self._failure = self._failure or broken
        if self._complete:
            await self._finish()

    async def deactivate_everybody(self) -> None:
        """Deactivate everybody."""
        self._complete = True
        await self._finish()

    def outcome(self) -> UsersOutcome:
        """Return what came of it."""
        failure, partial_failure = self._failure, users_failure(self._errors)
        licensed, failed = len(self._listed), len(self._errors)
        words = f"{self._synced} of {licensed} users are as they should be"
        if self._deactivated:
            words += f", {self._deactivated} were deactivated"
        return UsersOutcome(
            licensed=licensed,
            listed=self._complete,
            synced=self._synced,
            failed=failed,
            done=not self._out_of_time,
            failure=failure,
            partial_failure=partial_failure,
            message=worst.message if (worst := failure or partial_failure) is not None else words,
        )

    @property
    def _at_work(self) -> bool:
        return self._service is not None and self._failure is None and not self._out_of_time

    async def _take(self, page: Iterable[User], created_by: str | None) -> None:
        for user in page:
            if user.id not in self._listed:
                self._listed.add(user.id)
                self._consider(user, created_by)
        await self._execute_pending(self._batch)

    def _consider(self, user: User, created_by: str | None) -> None:
        if self._roster is None:
            return
        if len(user.id.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
            self._errors.append(ScimRefused("an id of Talkdesk's is too long to be kept", kind="id too long"))
            return
        known = self._roster.get(user.id)
        person = person_of(user, known, created_by)
        if is_up_to_date(known, fingerprint(person, self._roster.salt)):
            self._synced += 1
            return
        # Once the service has failed, the rest is only counted: nobody needs to be kept for it.
        if self._at_work:
            queue = self._failed_before if known is not None and known.failed_before else self._waiting
            queue.append(put_order(person, known))

    async def _finish(self) -> None:
        """Turn to those who left, and then to those in trouble, as they are now.

        If the time doesn't do for all who are in trouble, nobody need come again at once for that.
        """
        if self._roster is None:
            return
        again: list[Order] = [*self._failed_before, *removed_users(self._roster, self._listed, failed_before=True)]
        await self._execute_all(removed_users(self._roster, self._listed, failed_before=False))
        if not self._at_work:
            return
        before = self._handled
        await self._execute_all(again)
        if self._out_of_time:
            self._out_of_time = False
            left = len(again) - (self._handled - before)
            self._errors += [ScimUnavailable("there was no time to try again", kind="no time to try again")] * left

    @property
    def _handled(self) -> int:
        return self._synced + self._deactivated + len(self._errors)

    async def _execute_pending(self, least: int) -> None:
        while len(self._waiting) >= least and self._at_work:
            batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            await self._execute(batch)

    async def _execute_all(self, orders: Iterable[Order]) -> None:
        rest = iter(orders)
        while self._at_work and (batch := tuple(islice(rest, self._batch))):
            await self._execute(batch)

    async def _execute(self, orders: Iterable[Order]) -> None:
        batch = tuple(orders)
        if self._service is None or self._roster is None:
            return
        if not self._budget.left:
            self._out_of_time = True
            return
        for order in batch:
            self._roster.put(order.external_id, record_before(order, self._roster.get(order.external_id)))
        await self._save()
        with self._budget.spending():
            results, error = await self._scim.execute(self._service, batch, within=self._budget.left)
            for order, result in zip(batch, results, strict=True):
                self._note(self._roster, order, result)
            await self._save()
        if error is not None:
            self._failure = scim_failure(error)
        elif any(isinstance(result, NotStarted) for result in results):
            self._out_of_time = True

    def _note(self, roster: UserRecord, order: Order, result: Result) -> None:
        before = roster.get(order.external_id) or RecordedUser(None)
        match order, result:
            case Put(person=person), Done(ref=ref):
                self._synced += 1
                sent = fingerprint(person, roster.salt)
                roster.put(person.external_id, record_after(person, replace(order, ref=ref), sent))
            case Deactivate(), Done(ref=ref):
                self._deactivated += 1
                roster.put(order.external_id, replace(before, ref=ref, active=False, failed_before=False))
            case _, Failed(error=error):
                self._errors.append(error)
                if len(self._errors) <= _LOGGED:
                    self._log.warning("user not brought", user=order.external_id, error=error.message)
                roster.put(order.external_id, replace(before, failed_before=True))
            case _:
                pass


@asynccontextmanager
async def _closing(pages: AsyncIterator[tuple[User, ...]]) -> AsyncIterator[None]:
    """End a list that is not read to its end, which may hold a connection."""
    try:
        yield
    finally:
        close = getattr(pages, "aclose", None)
        if close is not None:
            await close()
