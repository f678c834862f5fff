"""Take a tenant away: offboard it at an uninstall, purge it after the retention; each may end anywhere and run again.

Deletion goes by the record (`spec.objects`, `status.inventory`) and never renders the template. It acts on no old view:
the customer may have installed again while a watch lagged. So before the first deletion of each run the account's
installations are read anew, and the record is written on condition that nobody has changed it. A reinstall begins with
such a write, too (`tenant`): one of both loses, and observes anew. Before each further deletion the cache is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol, TypeAlias

from talkdesk_crds.conditions import ConditionType, EventReason, Reason, find
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.ownership import is_unchanged
from talkdesk_operator.domain.reconcile.scope import (
    CompiledApp,
    Failure,
    RetryClass,
    Scope,
    TenantOutcome,
    TenantResult,
    UsersOutcome,
)
from talkdesk_operator.domain.tenant.desired import purge_time
from talkdesk_operator.reconcilers import rendering, tenant_status
from talkdesk_operator.reconcilers.hooks.services import OpenedServices, Services
from talkdesk_operator.reconcilers.objects import Deleted, TenantObjects
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.reconcilers.template_variables import left_variables
from talkdesk_operator.reconcilers.tenant_deletion import delete_in_order
from talkdesk_operator.reconcilers.tenant_record import inventory_item, recorded_objects
from talkdesk_operator.reconcilers.tenant_status import Leaving
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.outputs import OUTPUTS
from talkdesk_runtime.kube_errors import KubeConflict

__all__ = ["OVERTAKEN", "CachedInstallations", "TenantRemoval", "TenantUsers"]

OVERTAKEN = Failure(
    Reason.PROGRESSING, "the account has changed since this was decided; it is observed anew", RetryClass.TRANSIENT
)
"""What was decided does not fit any more: nothing was deleted."""
CachedInstallations: TypeAlias = Callable[[AccountKey], Sequence[TalkdeskInstallation]]
"""Returns the account's installations as they are known without a request."""
_Judge: TypeAlias = Callable[[Sequence[TalkdeskInstallation]], bool]
"""Returns whether a deletion is still right with these installations."""
_OFFBOARDING = Leaving(Reason.OFFBOARDING, Reason.RETAINED, "offboarded; what remains is kept until the retention ends")
_PURGING = Leaving(Reason.PURGING, Reason.PURGING, "the tenant's objects are being deleted")

_USERS_LEFT = Leaving(Reason.USERS_SYNCING, Reason.USERS_SYNCING, "users are being deactivated at the SCIM service")


class TenantUsers(Protocol):
    """What is done about a tenant's users before the tenant goes."""

    async def release(self, app: CompiledApp, tenant: TalkdeskTenant, scope: Scope | None) -> UsersOutcome | None:
        """Deactivate all users; None when nobody is left who may be active."""
        ...

    async def forget(self, tenant: TalkdeskTenant) -> None:
        """Delete what is stored about the users."""
        ...


class TenantRemoval:
    """Carries out the steps that delete. Raises KubeError when the record can't be written."""

    def __init__(
        self,
        cluster: Cluster,
        objects: TenantObjects,
        now: Callable[[], datetime],
        *,
        users: TenantUsers,
        cached: CachedInstallations,
        services: Services,
    ) -> None:
        """Take ports, and what is done about a tenant's users before it goes, and about partners' services."""
        self._cluster = cluster
        self._objects = objects
        self._now = now
        self._users = users
        self._cached = cached
        self._services = services

    async def is_overtaken(self, scope: Scope) -> bool:
        """Return whether the installations that the API server has now are others than those in the scope."""
        present = await self._cluster.reread_installations(_key_of(scope.installation))
        return present is None or not is_unchanged(scope, present)

    async def offboard(self, scope: Scope, app: CompiledApp, tenant: TalkdeskTenant) -> Scope:
        """Delete the objects of steps with `onOffboard: Delete`, and start the retention."""
        begins = tenant.spec.state is not TenantState.OFFBOARDED
        services = await self._services.opened_for_offboarding(app, tenant)
        ends = bool(_doomed(tenant)) or bool(services.known)
        if (begins or ends) and await self.is_overtaken(scope):
            return replace(scope, failure=OVERTAKEN)
        try:
            if begins:
                tenant = await self._begin_retention(tenant)
            elif ends:
                tenant = await self._confirm(tenant)
        except KubeConflict:
            return replace(scope, failure=await self._overtaken(tenant))
        scope = replace(scope, tenant=tenant)
        doomed, entries, deleted = _doomed(tenant), recorded_objects(tenant), Deleted(())
        if doomed or services.doomed():
            # An older version may have recorded an object twice, once under another group or with a namespace.
            spared = frozenset(entry.uid for entry in entries if entry.on_offboard != "Delete") - {""}
            judge = partial(is_unchanged, scope)
            deleted = await self._delete(doomed, app, tenant, judge, (services, services.doomed()), spared)
        if deleted.failure is None and not deleted.blocking:
            deleted = await self._lock_out(scope, app, services, deleted)
        remaining = {entry.identity for entry in deleted.remaining}
        kept = tuple(entry for entry in entries if entry not in doomed or entry.identity in remaining)
        status = tenant_status.leaving(tenant, kept, deleted, _OFFBOARDING, self._now(), services.known)
        ended_at = tenant.spec.uninstall_time or self._now()
        status = status.model_copy(update={"purge_time": purge_time(ended_at, app)})
        if status != tenant.status:
            tenant = await self._cluster.write_tenant_status(tenant, status)
        tenant_outcome = tenant_status.deletion_outcome(tenant, deleted, TenantResult.OFFBOARDED, services.wait)
        failure = OVERTAKEN if deleted.failure is OVERTAKEN else scope.failure
        return replace(scope, tenant=tenant, tenant_outcome=tenant_outcome, failure=failure)

    async def purge(self, scope: Scope, app: CompiledApp, tenant: TalkdeskTenant) -> Scope:
        """Delete everything of the tenant, and its record last."""
        tenant, outcome = await self._purge(app, tenant, lambda present: is_unchanged(scope, present), scope)
        failure = OVERTAKEN if outcome.failure is OVERTAKEN else scope.failure
        return replace(scope, tenant=tenant, tenant_outcome=outcome, failure=failure)

    async def purge_unclaimed(self, app: CompiledApp, tenant: TalkdeskTenant) -> TenantOutcome:
        """Delete everything of a tenant of which no installation is left, and its record last."""
        _, outcome = await self._purge(app, tenant, lambda present: not present)
        return outcome

    async def _purge(
        self, app: CompiledApp, tenant: TalkdeskTenant, judge: _Judge, scope: Scope | None = None
    ) -> tuple[TalkdeskTenant, TenantOutcome]:
        present = await self._cluster.reread_installations(_key_of(tenant))
        if present is None or not judge(present):
            return tenant, TenantOutcome(TenantResult.FAILED, OVERTAKEN.message, OVERTAKEN)
        active = await self._users.release(app, tenant, scope)
        if active is not None:
            # The service may be one of the tenant's own objects, and only the record says who is who.
            return await self._held_by_users(tenant, active)
        services = await self._services.opened_for_purge(app, tenant)
        try:
            tenant = await self._begin_purge(tenant, services)
            deleted = await self._delete(recorded_objects(tenant), app, tenant, judge, (services, services.known))
            if not deleted.remaining and not deleted.services and deleted.failure is None:
                await self._users.forget(tenant)
                await services.drop()
                await self._emit_purge_event(tenant)
                left = await self._cluster.release_tenant(tenant)
                if left is not None:
                    await self._cluster.delete_tenant(left)
                return tenant, TenantOutcome(TenantResult.PURGED, "nothing of the tenant is left")
        except KubeConflict:
            overtaken = await self._overtaken(tenant)
            return tenant, TenantOutcome(TenantResult.FAILED, overtaken.message, overtaken)
        status = tenant_status.leaving(tenant, deleted.remaining, deleted, _PURGING, self._now(), services.known)
        if status != tenant.status:
            tenant = await self._cluster.write_tenant_status(tenant, status)
        return tenant, tenant_status.deletion_outcome(tenant, deleted, TenantResult.DELETING, services.wait)

    async def _held_by_users(self, tenant: TalkdeskTenant, left: UsersOutcome) -> tuple[TalkdeskTenant, TenantOutcome]:
        """Say that nothing is deleted while a user may be active at the SCIM service."""
        entries = recorded_objects(tenant)
        held = Deleted(entries, left.message, left.failure)
        status = tenant_status.leaving(tenant, entries, held, _USERS_LEFT, self._now())
        if status != tenant.status:
            tenant = await self._cluster.write_tenant_status(tenant, status)
        if left.failure is not None:
            return tenant, TenantOutcome(TenantResult.FAILED, left.message, left.failure)
        return tenant, TenantOutcome(TenantResult.DELETING, left.message)

    async def _begin_retention(self, tenant: TalkdeskTenant) -> TalkdeskTenant:
        """Write that the tenant is offboarded. Raises KubeConflict when anybody has changed it."""
        inventory = tuple(inventory_item(entry) for entry in recorded_objects(tenant))
        status = tenant.status.model_copy(update={"inventory": inventory})
        if status != tenant.status:
            tenant = await self._cluster.write_tenant_status(tenant, status, unchanged=True)
        moment = to_wire_time(self._now().replace(microsecond=0))
        changes = {"state": TenantState.OFFBOARDED, "uninstallTime": moment, "objects": None}
        return await self._cluster.change_tenant(tenant, changes)

    async def _begin_purge(self, tenant: TalkdeskTenant, services: OpenedServices) -> TalkdeskTenant:
        """Write that everything is being deleted. Raises KubeConflict when anybody has changed the tenant."""
        entries, ready = recorded_objects(tenant), find(tenant.status.conditions, ConditionType.READY)
        if not (entries or services.known) or (ready is not None and ready.reason == Reason.PURGING):
            return await self._confirm(tenant)
        under_way = Deleted(entries, blocking=_PURGING.message, services=services.known)
        status = tenant_status.leaving(tenant, entries, under_way, _PURGING, self._now(), services.known)
        return await self._cluster.write_tenant_status(tenant, status, unchanged=True)

    async def _confirm(self, tenant: TalkdeskTenant) -> TalkdeskTenant:
        """Write the status as it is. Raises KubeConflict when anybody has changed the tenant."""
        if not recorded_objects(tenant):
            return tenant  # the deletion of the record itself is on this condition, too
        return await self._cluster.write_tenant_status(tenant, tenant.status, unchanged=True)

    async def _delete(
        self,
        entries: Sequence[InventoryEntry],
        app: CompiledApp,
        tenant: TalkdeskTenant,
        judge: _Judge,
        called: tuple[OpenedServices, Sequence[str]],
        spared: frozenset[str] = frozenset(),
    ) -> Deleted:
        """Delete objects, and what the services of some steps have."""
        key, (services, steps) = _key_of(tenant), called
        owner = Owner.of(app, tenant)
        return await delete_in_order(
            self._objects,
            services,
            tenant,
            owner,
            entries,
            steps,
            spared=spared,
            stop=lambda: None if judge(self._cached(key)) else OVERTAKEN,
        )

    async def _lock_out(self, scope: Scope, app: CompiledApp, services: OpenedServices, deleted: Deleted) -> Deleted:
        """Tell the services that keep what they have that the customer has left."""
        keeping = services.keeping(app.template) if app.template is not None else None
        if keeping is None:
            return deleted
        context = left_variables(scope, app) | {OUTPUTS: services.outputs}
        name = tenant_name(app.resource.metadata.name, scope.installation.spec.account_id)
        try:
            rendered = await rendering.rendered(app.resource, keeping, context, name)
        except RenderError as error:
            return replace(deleted, failure=Failure(Reason.RENDER_FAILED, str(error), RetryClass.SLOW))
        outcome = await services.lock_out(rendered)
        if isinstance(outcome, Failure):
            return replace(deleted, failure=outcome, services=services.known)
        return replace(deleted, blocking=outcome, services=services.known) if outcome else deleted

    async def _overtaken(self, tenant: TalkdeskTenant) -> Failure:
        """Have the tenant seen as it is now."""
        await self._cluster.reread_tenant(*tenant.key)
        return OVERTAKEN

    async def _emit_purge_event(self, tenant: TalkdeskTenant) -> None:
        """Emit an Event for a purge that a person asked for, with their name."""
        if tenant.spec.purge is not None:
            message = f"everything of the tenant was deleted, because {tenant.spec.purge.requested_by} asked for it"
            event = EventDraft(warning=False, reason=EventReason.PURGE_REQUESTED, message=message, action="Purge")
            await self._cluster.emit_event(tenant, event)


def _key_of(resource: TalkdeskInstallation | TalkdeskTenant) -> AccountKey:
    return AccountKey(resource.metadata.namespace, resource.spec.app_ref.name, resource.spec.account_id)


def _doomed(tenant: TalkdeskTenant) -> tuple[InventoryEntry, ...]:
    return tuple(entry for entry in recorded_objects(tenant) if entry.on_offboard == "Delete")
