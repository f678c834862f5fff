"""Bringing a tenant's users to the partner's SCIM service: the one entry point of everything about it.

Belongs here: where the service is and its token; what is read and saved when. Does not belong here: what is to be done
about a user (domain/users.py), the work of one call (user_pass.py), calls (adapters/scim).
"""

import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeAlias

from pydantic import SecretStr

from talkdesk_crds.app import Scim, SecretKeyRef, UsersOffboard
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import digest
from talkdesk_operator.domain.ports.scim import ScimService, Service
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, UsersOutcome
from talkdesk_operator.domain.users.record import UserRecord, UserRecordStore
from talkdesk_operator.reconcilers.users.batches import Budget, UserBatches
from talkdesk_operator.templates.address import compile_address, render_address
from talkdesk_operator.templates.errors import RenderError, TemplateError
from talkdesk_runtime.durations import parse_duration

__all__ = ["ReadSecret", "UserSync"]

ReadSecret: TypeAlias = Callable[[str, str], Awaitable[Mapping[str, SecretStr] | None]]
"""`Cluster.read_credentials`: gives the data of a Secret by namespace and name, None when there is none."""

_URL: Final = "users.scim.url"
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
"""What can stand in a header; servers take 8 to 16 KiB of it."""
_BATCH: Final = 200
"""Users between two saves: what a crash loses, to be found again by the external id."""


class UserSync:
    """Works on the users of one tenant at a time. KubeError passes; every other failure is a value."""

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
        """Read tokens with `read_secret`; spend `budget` with a service at each call; save after `batch` users."""
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
    ) -> UsersOutcome:
        """Bring the users on Talkdesk's list, which `pages` give, to the service; deactivate those who left it.

        `tenant` is the name of the TalkdeskTenant; `context` is what a template sees, without credentials. When the
        time is over, the outcome is not `done`: call again with a list that is read anew. Users who were brought
        already cost nothing then. Without a service, or when it can't be used, users are only counted.
        """
        namespace = app.resource.metadata.namespace
        service = await self._service(app, context)
        roster = await self._roster(namespace, tenant, service) if isinstance(service, Service) else None
        work = self._pass(namespace, tenant, service, roster)
        await work.sync_listed(pages, created_by)
        return work.outcome()

    async def deactivate_all(self, app: CompiledApp, tenant: str, context: Mapping[str, Any]) -> UsersOutcome:
        """Deactivate everybody whom the service has as active, unless the app wants them kept; in bounded time."""
        scim = _scim(app)
        if scim is None or scim.on_offboard is UsersOffboard.KEEP:
            return UsersOutcome(licensed=0, listed=True)
        namespace = app.resource.metadata.namespace
        service = await self._service(app, context)
        roster = await self._roster(namespace, tenant, service) if isinstance(service, Service) else None
        work = self._pass(namespace, tenant, service, roster)
        await work.deactivate_everybody()
        return work.outcome()

    async def erase(self, namespace: str, tenant: str) -> None:
        """Delete the record of who is who; nothing at the service."""
        await self._records.drop(namespace, tenant)

    def _pass(
        self, namespace: str, tenant: str, service: Service | Failure | None, roster: UserRecord | None
    ) -> UserBatches:
        async def save() -> None:
            if roster is not None and (changed := roster.changed()):
                await self._records.save(namespace, tenant, changed)
                roster.saved()

        budget = Budget(self._budget.total_seconds(), self._monotonic)
        return UserBatches(self._scim, service, roster, save=save, budget=budget, batch=self._batch)

    async def _roster(self, namespace: str, tenant: str, service: Service) -> UserRecord:
        pieces = await self._records.load(namespace, tenant)
        return UserRecord(digest(service.url, length=16), self._salt(), pieces)

    async def _service(self, app: CompiledApp, context: Mapping[str, Any]) -> Service | Failure | None:
        """Return where the service is; None when the app has none, a Failure when it can't be told."""
        scim = _scim(app)
        if scim is None:
            return None
        try:
            address = compile_address(scim.url, _URL)
            public = {name: value for name, value in context.items() if name != "credentials"}
            url = render_address(address, _URL, public, insecure=scim.allow_insecure)
        except (TemplateError, RenderError) as error:
            return Failure(Reason.RENDER_FAILED, str(error), RetryClass.TERMINAL)
        token = await self._token(app.resource.metadata.namespace, scim.token_secret_ref)
        if isinstance(token, Failure):
            return token
        return Service(url, token, parse_duration(scim.timeout), scim.concurrency)

    async def _token(self, namespace: str, ref: SecretKeyRef) -> SecretStr | Failure:
        data = await self._read_secret(namespace, ref.name)
        if data is None:
            return _no_token(f"there is no Secret {ref.name}, which should hold the SCIM service's token")
        held = data.get(ref.key)
        # Files and pipes end with a newline, and so do Secrets that were made of them.
        token = held.get_secret_value().strip() if held is not None else ""
        if not token:
            return _no_token(f"the Secret {ref.name} has no {ref.key}, which should be the SCIM service's token")
        if not _TOKEN.fullmatch(token):
            return _no_token(f"{ref.key} in the Secret {ref.name} can't be a token: it can't stand in a header")
        return SecretStr(token)


def _scim(app: CompiledApp) -> Scim | None:
    users = app.resource.spec.users
    return users.scim if users is not None else None


def _no_token(message: str) -> Failure:
    return Failure(Reason.USERS_FAILED, message, RetryClass.SLOW)
