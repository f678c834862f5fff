"""Synchronize a tenant's users with the partner's SCIM service: the one entry point for users.

Belongs here: the service's address and token; what is read and saved when. Does not belong here: what is to be done
about a user (domain/users), the order of the work (`batches`), requests (adapters/scim).
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from talkdesk_crds.app import Scim
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import digest
from talkdesk_crds.secret_hosts import host_of
from talkdesk_operator.domain.ports.scim import ScimService, Service
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, UsersOutcome
from talkdesk_operator.domain.users.presets import traits_of
from talkdesk_operator.domain.users.record import Piece, UserRecord, UserRecordStore
from talkdesk_operator.reconcilers.aside import aside, here_or_aside
from talkdesk_operator.reconcilers.users.batches import Budget, UserBatches
from talkdesk_operator.reconcilers.users.token import ReadSecret, read_token
from talkdesk_operator.templates.address import compile_address, render_address
from talkdesk_operator.templates.errors import RenderError, TemplateError
from talkdesk_operator.templates.leaves import expressions
from talkdesk_runtime.durations import parse_duration

__all__ = ["UserSync"]

_URL: Final = "users.scim.url"
_BATCH: Final = 200
"""Users between two saves. A crash loses so many; they are found again by their external id."""


class UserSync:
    """Synchronizes the users of one tenant at a time. KubeError is raised; every other failure is a value."""

    def __init__(
        self,
        read_secret: ReadSecret,
        records: UserRecordStore,
        scim: ScimService,
        *,
        budget: timedelta = timedelta(seconds=20),
        batch: int = _BATCH,
        monotonic: Callable[[], float] = time.monotonic,
        salt: Callable[[], str] = secrets.token_hex,
    ) -> None:
        """Read tokens by `read_secret`; spend at most `budget` with a service in a call; save after `batch` users."""
        self._read_secret = read_secret
        self._records = records
        self._scim = scim
        self._budget = budget
        self._batch = batch
        self._monotonic = monotonic
        self._salt = salt

    async def sync(
        self,
        app: CompiledApp,
        tenant: str,
        context: Mapping[str, Any],
        pages: AsyncIterator[tuple[User, ...]],
        created_by: str | None,
        *,
        forget_elsewhere: bool = False,
    ) -> UsersOutcome:
        """Synchronize the users on Talkdesk's list, which `pages` yield; deactivate those who left it.

        `tenant` is the name of the TalkdeskTenant; `context` are the variables of a template, without credentials. When
        the time is used up, the outcome is not `done`: call again with a list that is read anew. Users who are up to
        date cost nothing then. Without a service, or when it can't be used, users are only counted. Who may be active
        at an earlier address of the service stays on record and is told, unless `forget_elsewhere`.
        """
        namespace = app.resource.metadata.namespace
        service = await self._service(app, context)
        record = None
        if isinstance(service, Service):
            pieces = await self._records.load(namespace, tenant)
            record = self._record(service, pieces, forget_elsewhere=forget_elsewhere)
        batches = self._batches(namespace, tenant, service, record)
        await batches.sync_listed(pages, created_by)
        return batches.outcome()

    async def deactivate_all(self, app: CompiledApp, tenant: str, context: Mapping[str, Any]) -> UsersOutcome:
        """Deactivate all users who may be active at the service, within the budget; the outcome says if any are left.

        A tenant of whom nobody may be active needs no service.
        """
        namespace = app.resource.metadata.namespace
        pieces = await self._records.load(namespace, tenant)
        if not any(known.active for piece in pieces for known in piece.users.values()):
            return UsersOutcome(licensed=0, listed=True)
        service = await self._service(app, context)
        record = self._record(service, pieces) if isinstance(service, Service) else None
        batches = self._batches(namespace, tenant, service, record)
        await batches.deactivate_everybody()
        return batches.outcome()

    async def erase(self, namespace: str, tenant: str) -> None:
        """Delete the records of users; nothing is changed at the service."""
        await self._records.drop(namespace, tenant)

    def _batches(
        self, namespace: str, tenant: str, service: Service | Failure | None, record: UserRecord | None
    ) -> UserBatches:
        async def save() -> None:
            if record is not None and (changed := record.changed()):
                await self._records.save(namespace, tenant, changed)
                record.mark_saved()

        budget = Budget(self._budget.total_seconds(), self._monotonic)
        return UserBatches(self._scim, service, record, save=save, budget=budget, batch=self._batch)

    def _record(self, service: Service, pieces: Sequence[Piece], *, forget_elsewhere: bool = False) -> UserRecord:
        return UserRecord(digest(service.url, length=16), self._salt(), pieces, forget_elsewhere=forget_elsewhere)

    async def _service(self, app: CompiledApp, context: Mapping[str, Any]) -> Service | Failure | None:
        """Return the service; None when the app has none, a Failure when its address or token is missing."""
        scim = _scim(app)
        if scim is None:
            return None
        try:
            address = compile_address(scim.url, _URL)
            public = {name: value for name, value in context.items() if name != "credentials"}
            render = partial(render_address, address, _URL, public, insecure=scim.allow_insecure and app.allow_insecure)
            long = any(expression.may_be_long for _, expression in expressions(address))
            url = await (aside if long else here_or_aside)(app.resource, render)
        except TemplateError as error:
            return Failure(Reason.RENDER_FAILED, str(error), RetryClass.TERMINAL)
        except RenderError as error:
            again = RetryClass.SLOW if error.exhausted else RetryClass.TERMINAL
            return Failure(Reason.RENDER_FAILED, str(error), again)
        namespace, ref = app.resource.metadata.namespace, scim.token_secret_ref
        token = await read_token(self._read_secret, namespace, ref, host_of(url))
        if isinstance(token, Failure):
            return token
        traits = traits_of(scim)
        return Service(url, token, parse_duration(scim.timeout), scim.concurrency, traits.attributes, traits.avoid)


def _scim(app: CompiledApp) -> Scim | None:
    users = app.resource.spec.users
    return users.scim if users is not None else None
