"""The steps on the licensed users of an installation: count them, or synchronize them with the partner's SCIM service.

Belongs here: what a step needs, put together from its scope. Does not belong here: how users get to the service
(`sync`).
"""

from dataclasses import replace

from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.talkdesk import TalkdeskApi
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, Role, Scope, UsersOutcome
from talkdesk_operator.domain.tenant.desired import template_context, unclaimed_context
from talkdesk_operator.domain.users.decide import keeps_users, with_way_out
from talkdesk_operator.reconcilers.talkdesk_access import access_of
from talkdesk_operator.reconcilers.users.sync import UserSync

__all__ = ["LicensedUsers"]


class LicensedUsers:
    """Carries out the steps on users. Failures of Talkdesk and of SCIM become values; KubeError is raised."""

    def __init__(self, api: TalkdeskApi, scim: UserSync) -> None:
        self._api = api
        self._scim = scim

    async def sync(self, scope: Scope) -> Scope:
        """Read the users, and synchronize them with the SCIM service where the app has one."""
        access = access_of(scope)
        if isinstance(access, Failure):
            return replace(scope, users=UsersOutcome(_known(scope), failure=access))
        app = scope.required_app
        pages = self._api.users(access, app.resource.spec.app_id, scope.installation.spec.installation_id)
        facts, context = scope.best_known_facts, template_context(scope, app)
        forget = keeps_users(app, scope.tenant)
        outcome = await self._scim.sync(app, _tenant(scope), context, pages, facts.created_by, forget_elsewhere=forget)
        if not outcome.listed:
            # A list that was not read to its end does not say how many there are.
            outcome = replace(outcome, licensed=max(outcome.licensed, _known(scope)))
        return replace(scope, users=outcome)

    async def deactivate(self, scope: Scope) -> Scope:
        """Deactivate all of the tenant's users at the SCIM service."""
        context = template_context(scope, scope.required_app)
        return replace(scope, users=await self._scim.deactivate_all(scope.required_app, _tenant(scope), context))

    async def release(self, app: CompiledApp, tenant: TalkdeskTenant, scope: Scope | None) -> UsersOutcome | None:
        """Deactivate all of a tenant's users before it is deleted; None when nobody is left who may be active.

        Without a scope there is no installation of the tenant any more.
        """
        if keeps_users(app, tenant):
            return None
        context = template_context(scope, app) if scope is not None else unclaimed_context(tenant, app)
        outcome = await self._scim.deactivate_all(app, tenant.metadata.name, context)
        return None if outcome.finished else with_way_out(outcome)

    async def forget(self, tenant: TalkdeskTenant) -> None:
        """Delete the records of a tenant's users."""
        await self._scim.erase(tenant.metadata.namespace, tenant.metadata.name)

    async def forget_orphaned(self, scope: Scope) -> Failure | None:
        """Delete the records of users that outlived their tenant, whose record somebody else deleted.

        Return why that has to wait: somebody may be active.
        """
        app = scope.app
        if scope.tenant is not None or scope.role is Role.NON_OWNER or app is None:
            return None
        if not keeps_users(app, None):
            outcome = await self._scim.deactivate_all(app, _tenant(scope), template_context(scope, app))
            if not outcome.finished:
                later = Failure(Reason.USERS_SYNCING, outcome.message, RetryClass.TRANSIENT)
                return with_way_out(outcome).failure or later
        await self._scim.erase(scope.installation.metadata.namespace, _tenant(scope))
        return None


def _known(scope: Scope) -> int:
    users = scope.installation.status.users
    return users.licensed if users is not None else 0


def _tenant(scope: Scope) -> str:
    return tenant_name(scope.required_app.resource.metadata.name, scope.installation.spec.account_id)
