"""Synchronize a tenant's users batch by batch, within a budget of time.

Belongs here: the order of the work, and counting. Does not belong here: what is to be done about a user (domain/users).

Users who failed before come last, so that they never hold up the others, however many they are. So do those whose name
another user has: it may be one who leaves, and whose name is freed when it is seen inactive at the service.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Final

import structlog

from talkdesk_crds.app import ScimFeature
from talkdesk_crds.names import digest
from talkdesk_operator.domain.ports.scim import (
    Deactivate,
    Done,
    Failed,
    NotStarted,
    Order,
    Person,
    Put,
    Result,
    ScimService,
    Service,
)
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimRefused, ScimTaken, ScimUnavailable
from talkdesk_operator.domain.ports.talkdesk import TalkdeskError, User
from talkdesk_operator.domain.reconcile.error_policy import talkdesk_failure
from talkdesk_operator.domain.reconcile.scope import Failure, UsersOutcome
from talkdesk_operator.domain.users.decide import (
    elsewhere_failure,
    fingerprint,
    former_users,
    is_up_to_date,
    leaving_failure,
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
"""How many failed users each call names in the log, by Talkdesk's id."""


class Budget:
    """Time that may be spent with the service; reading Talkdesk's list is not counted."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._left = seconds
        self._monotonic = monotonic

    @property
    def left(self) -> timedelta:
        """The time that is left; zero when it is used up."""
        return timedelta(seconds=max(self._left, 0))

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Subtract the time that passes within."""
        began = self._monotonic()
        try:
            yield
        finally:
            self._left -= self._monotonic() - began


class UserBatches:
    """The work of one call. Without a record, users are only counted."""

    def __init__(
        self,
        scim: ScimService,
        service: Service | Failure | None,
        record: UserRecord | None,
        *,
        save: Callable[[], Awaitable[None]],
        budget: Budget,
        batch: int,
    ) -> None:
        self._scim = scim
        self._service = service if isinstance(service, Service) else None
        self._record = record
        self._save = save
        self._budget = budget
        self._batch = batch
        self._log = structlog.get_logger("talkdesk_operator.users")
        self._listed: set[str] = set()
        self._complete = False
        self._leaving = False
        self._pending: list[Put] = []
        self._failed_before: list[Put] = []
        self._synced = 0
        self._deactivated = 0
        self._errors: list[ScimError] = []
        self._taken: list[tuple[Put, ScimError]] = []
        self._retrying = False
        self._out_of_time = False
        self._failure = service if isinstance(service, Failure) else None

    async def sync_listed(self, pages: AsyncIterator[tuple[User, ...]], created_by: str | None) -> None:
        """Synchronize the users on the list. Those who left it are deactivated only when it was read to its end."""
        await self._sync_listed(pages, created_by)
        for order, error in self._taken:
            self._fail(order, error)

    async def _sync_listed(self, pages: AsyncIterator[tuple[User, ...]], created_by: str | None) -> None:
        broken: Failure | None = None
        try:
            async with _closing(pages):
                async for page in pages:
                    await self._add_page(page, created_by)
                    if self._out_of_time:
                        return
                self._complete = True
        except TalkdeskError as error:
            broken = talkdesk_failure(error)
        await self._execute_pending(1)
        self._failure = self._failure or broken
        if self._complete:
            await self._execute_last()

    async def deactivate_everybody(self) -> None:
        """Deactivate everybody."""
        self._complete = self._leaving = True
        await self._execute_last()

    def outcome(self) -> UsersOutcome:
        """Return the outcome so far."""
        failure, partial_failure = self._failure, users_failure(self._errors)
        count = self._record.active_elsewhere if self._record is not None else 0
        elsewhere = elsewhere_failure(count, leaving=self._leaving)
        if self._leaving:
            # A single user who may be active keeps the work from being finished.
            failure, partial_failure = failure or leaving_failure(self._errors) or elsewhere, None
        licensed, failed = len(self._listed), len(self._errors) + count
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
            partial_failure=partial_failure or elsewhere,
            message=worst.message if (worst := failure or partial_failure or elsewhere) is not None else words,
        )

    @property
    def _can_go_on(self) -> bool:
        return self._service is not None and self._failure is None and not self._out_of_time

    async def _add_page(self, page: Iterable[User], created_by: str | None) -> None:
        for user in page:
            # Of an id that can't be kept, a digest is enough to count it once.
            listed = user.id if len(user.id) <= MAX_ID_BYTES else digest(user.id, length=32)
            if listed not in self._listed:
                self._listed.add(listed)
                self._plan(user, created_by)
        await self._execute_pending(self._batch)

    def _plan(self, user: User, created_by: str | None) -> None:
        if self._record is None:
            return
        if len(user.id.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
            self._errors.append(ScimRefused("an id of Talkdesk's is too long to be kept", kind="id too long"))
            return
        known = self._record.get(user.id)
        person = self._person_of(user, known, created_by)
        if is_up_to_date(known, fingerprint(person, self._record.salt)):
            self._synced += 1
            return
        # Once the service has failed, the others are only counted, so nothing is planned for them.
        if self._can_go_on:
            queue = self._failed_before if known is not None and known.failed_before else self._pending
            queue.append(put_order(person, known, self._record.owners))

    def _person_of(self, user: User, known: RecordedUser | None, created_by: str | None) -> Person:
        if self._service is None:
            return person_of(user, known, created_by)
        named = ScimFeature.NAMELESS_USERS in self._service.avoid
        return person_of(user, known, created_by, self._service.attributes, always_named=named)

    async def _execute_last(self) -> None:
        """Deactivate the removed users, and then try again the users who failed before.

        When the time is not enough for all who failed before, that alone is no reason to be called again at once.
        """
        if self._record is None:
            return
        retries: list[Order] = [*self._failed_before, *removed_users(self._record, self._listed, failed_before=True)]
        await self._execute_all(removed_users(self._record, self._listed, failed_before=False))
        if not self._can_go_on:
            return
        if former := former_users(self._record, self._listed):
            retries = [*(order for order, _ in self._taken), *retries]
            retries = [replace(order, former=former) if isinstance(order, Put) else order for order in retries]
            self._taken = []
        before, self._retrying = self._handled, True
        await self._execute_all(retries)
        if self._out_of_time:
            self._out_of_time = False
            left = len(retries) - (self._handled - before)
            self._errors += [ScimUnavailable("there was no time to try again", kind="no time to try again")] * left

    @property
    def _handled(self) -> int:
        return self._synced + self._deactivated + len(self._errors)

    async def _execute_pending(self, least: int) -> None:
        while len(self._pending) >= least and self._can_go_on:
            batch, self._pending = self._pending[: self._batch], self._pending[self._batch :]
            await self._execute(batch)

    async def _execute_all(self, orders: Iterable[Order]) -> None:
        rest = iter(orders)
        while self._can_go_on and (batch := tuple(islice(rest, self._batch))):
            await self._execute(batch)

    async def _execute(self, orders: Iterable[Order]) -> None:
        batch = tuple(orders)
        if self._service is None or self._record is None:
            return
        if not self._budget.left:
            self._out_of_time = True
            return
        for order in batch:
            self._record.put(order.external_id, record_before(order, self._record.get(order.external_id)))
        await self._save()
        with self._budget.spending():
            results, error = await self._scim.execute(self._service, batch, within=self._budget.left)
            for order, result in zip(batch, results, strict=True):
                self._apply_result(self._record, order, result)
            await self._save()
        if error is not None:
            self._failure = scim_failure(error)
        elif any(isinstance(result, NotStarted) for result in results):
            self._out_of_time = True

    def _apply_result(self, record: UserRecord, order: Order, result: Result) -> None:
        before = record.get(order.external_id) or RecordedUser(None)
        match order, result:
            case Put(person=person), Done(ref=ref):
                self._synced += 1
                sent = fingerprint(person, record.salt)
                record.put(person.external_id, record_after(person, replace(order, ref=ref), sent))
            case Deactivate(), Done(ref=ref):
                self._deactivated += 1
                record.put(order.external_id, replace(before, ref=ref, active=False, failed_before=False))
            case Put(), Failed(error=ScimTaken() as error) if not self._retrying:
                self._taken.append((order, error))
                record.put(order.external_id, replace(before, failed_before=True))
            case _, Failed(error=error):
                self._fail(order, error)
                record.put(order.external_id, replace(before, failed_before=True))
            case _:
                pass

    def _fail(self, order: Order, error: ScimError) -> None:
        self._errors.append(error)
        if len(self._errors) <= _LOGGED:
            self._log.warning("user.sync_failed", user=order.external_id, error=error.message)


@asynccontextmanager
async def _closing(pages: AsyncIterator[tuple[User, ...]]) -> AsyncIterator[None]:
    """Close a list that is not read to its end, because it may keep a connection open."""
    try:
        yield
    finally:
        close = getattr(pages, "aclose", None)
        if close is not None:
            await close()
