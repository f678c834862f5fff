"""The licensed users of an installation: counted, or brought to the partner's SCIM service.

Belongs here: what a pass needs for that, put together from its scope. Does not belong here: how users get to the
service (`users`).
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.failures import of_talkdesk
from talkdesk_operator.domain.scope import Failure, Scope, UsersOutcome
from talkdesk_operator.domain.talkdesk import TalkdeskApi, TalkdeskError, User
from talkdesk_operator.reconcilers.talkdesk import access_of

__all__ = ["LicensedUsers", "UserSync"]


class UserSync(Protocol):
    """Brings users to a SCIM service. Failures of the service are part of the outcome."""

    async def sync(self, scope: Scope, pages: AsyncIterator[tuple[User, ...]]) -> UsersOutcome:
        """Work for a bounded time; raises TalkdeskError when the pages can't be read."""
        ...

    async def deactivate_all(self, scope: Scope) -> UsersOutcome:
        """Deactivate everybody, for a bounded time."""
        ...

    async def erase(self, tenant: TalkdeskTenant) -> None:
        """Delete what is kept about the tenant's users."""
        ...


class LicensedUsers:
    """Does the domain's steps that concern users. Failures of Talkdesk and of SCIM become values; KubeError passes."""

    def __init__(self, api: TalkdeskApi, scim: UserSync) -> None:
        self._api = api
        self._scim = scim

    async def sync(self, scope: Scope) -> Scope:
        """Read the users, and bring them to the SCIM service where the app has one."""
        access = access_of(scope)
        if isinstance(access, Failure):
            return replace(scope, users=UsersOutcome(0, failure=access))
        spec, users = scope.installation.spec, scope.policy.resource.spec.users
        pages = self._api.users(access, scope.policy.resource.spec.app_id, spec.installation_id)
        try:
            if users is None or users.scim is None:
                outcome = await _count(pages)
            else:
                outcome = await self._scim.sync(scope, pages)
        except TalkdeskError as error:
            outcome = UsersOutcome(_known(scope), failure=of_talkdesk(error))
        return replace(scope, users=outcome)

    async def deactivate(self, scope: Scope) -> Scope:
        """Deactivate all users that the SCIM service has of the tenant."""
        return replace(scope, users=await self._scim.deactivate_all(scope))

    async def forget(self, tenant: TalkdeskTenant) -> None:
        """Delete what is kept about a tenant's users."""
        await self._scim.erase(tenant)


def _known(scope: Scope) -> int:
    users = scope.installation.status.users
    return users.licensed if users is not None else 0


async def _count(pages: AsyncIterator[tuple[User, ...]]) -> UsersOutcome:
    """Count different users: one who comes or goes meanwhile may be on two pages."""
    seen: set[str] = set()
    async for page in pages:
        seen.update(user.id for user in page)
    return UsersOutcome(len(seen))
