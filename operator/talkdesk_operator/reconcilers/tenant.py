"""Reconcile the account's tenant: provision, offboard, purge; each may end anywhere and run again.

`spec.objects` names the objects before the first of them is applied; `status.inventory` says which were applied.
Deletion goes by both of them and never renders the template again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from talkdesk_crds.conditions import EventReason, Reason
from talkdesk_crds.fields import LocalRef, to_wire_time
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantState, TenantStatus
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.scope import (
    CompiledApp,
    Failure,
    RetryClass,
    Scope,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.tenant.desired import purge_time
from talkdesk_operator.domain.tenant.entitlement import desired_state
from talkdesk_operator.reconcilers import tenant_status
from talkdesk_operator.reconcilers.objects import Deleted, Owner, TenantObjects
from talkdesk_operator.reconcilers.template_variables import template_variables
from talkdesk_operator.reconcilers.tenant_record import (
    applied_objects,
    inventory_item,
    planned_object,
    recorded_objects,
    spec_changes,
)
from talkdesk_operator.reconcilers.tenant_status import Leaving
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import merge, planned, pruned
from talkdesk_operator.templates.render import RenderedTenant, render

__all__ = ["TenantReconciler"]

_OFFBOARDING = Leaving(Reason.OFFBOARDING, Reason.RETAINED, "offboarded; what remains is kept until the retention ends")
_PURGING = Leaving(Reason.PURGING, Reason.PURGING, "the tenant's objects are being deleted")


class TenantReconciler:
    """Carries out the steps that concern the tenant. Raises KubeError when its record can't be written."""

    def __init__(
        self,
        cluster: Cluster,
        now: Callable[[], datetime],
        *,
        forget: Callable[[TalkdeskTenant], Awaitable[None]],
    ) -> None:
        """Take ports; `forget` deletes what is stored about a tenant beside its objects, before its record goes."""
        self._cluster = cluster
        self._forget = forget
        self._objects = TenantObjects(cluster)
        self._now = now

    async def provision(self, scope: Scope) -> Scope:
        """Make the tenant as the template says, and this installation its owner."""
        app = _app(scope)
        if app.template is None:
            return _failed(scope, Failure(Reason.TEMPLATE_INVALID, app.problem, RetryClass.TERMINAL))
        name = tenant_name(app.resource.metadata.name, scope.installation.spec.account_id)
        context = template_variables(scope, app)
        try:
            rendered = render(app.template, context, app_name=app.resource.metadata.name, tenant_name=name)
        except RenderError as error:
            return await self._unrenderable(scope, str(error))
        tenant = await self._record_plan(scope, name, rendered)
        scope = replace(scope, tenant=tenant)
        wanted, owner = planned(rendered), _owner(app, name)
        applied = await self._objects.apply(rendered, merge(applied_objects(tenant), wanted), owner)
        deleted = Deleted(())
        if applied.failure is None and not applied.waiting:
            deleted = await self._objects.delete(pruned(tuple(applied.inventory.values()), wanted), owner)
        status = tenant_status.provisioned(scope, app, tenant, applied, deleted, self._now())
        tenant = await self._write(tenant, status)
        return replace(scope, tenant=tenant, tenant_outcome=tenant_status.provision_outcome(tenant, applied, deleted))

    async def offboard(self, scope: Scope) -> Scope:
        """Delete the objects of steps with `onOffboard: Delete`, and start the retention."""
        app, tenant = _app(scope), _tenant(scope)
        if tenant.spec.state is not TenantState.OFFBOARDED:
            tenant = await self._record_unconfirmed(tenant)
            moment = to_wire_time(self._now().replace(microsecond=0))
            changes = {"state": TenantState.OFFBOARDED, "uninstallTime": moment, "objects": None}
            tenant = await self._cluster.change_tenant(tenant, changes)
        entries = recorded_objects(tenant)
        doomed = tuple(entry for entry in entries if entry.on_offboard == "Delete")
        deleted = Deleted(())
        if doomed:
            deleted = await self._objects.delete(doomed, _owner(app, tenant.metadata.name))
        remaining = {entry.identity for entry in deleted.remaining}
        kept = tuple(entry for entry in entries if entry not in doomed or entry.identity in remaining)
        status = tenant_status.leaving(tenant, kept, deleted, _OFFBOARDING, self._now())
        ended_at = tenant.spec.uninstall_time or self._now()
        status = status.model_copy(update={"purge_time": purge_time(ended_at, app)})
        tenant = await self._write(tenant, status)
        tenant_outcome = tenant_status.deletion_outcome(tenant, deleted, TenantResult.OFFBOARDED)
        return replace(scope, tenant=tenant, tenant_outcome=tenant_outcome)

    async def purge(self, scope: Scope) -> Scope:
        """Delete everything of the tenant, and its record last."""
        tenant, tenant_outcome = await self.purge_tenant(_app(scope), _tenant(scope))
        return replace(scope, tenant=tenant, tenant_outcome=tenant_outcome)

    async def purge_tenant(self, app: CompiledApp, tenant: TalkdeskTenant) -> tuple[TalkdeskTenant, TenantOutcome]:
        """Delete everything of a tenant, whether or not an installation is left of it, and its record last."""
        deleted = await self._objects.delete(recorded_objects(tenant), _owner(app, tenant.metadata.name))
        if not deleted.remaining and deleted.failure is None:
            await self._forget(tenant)
            await self._emit_purge_event(tenant)
            await self._cluster.delete_tenant(tenant)
            return tenant, TenantOutcome(TenantResult.PURGED, "nothing of the tenant is left")
        status = tenant_status.leaving(tenant, deleted.remaining, deleted, _PURGING, self._now())
        tenant = await self._write(tenant, status)
        return tenant, tenant_status.deletion_outcome(tenant, deleted, TenantResult.DELETING)

    async def _emit_purge_event(self, tenant: TalkdeskTenant) -> None:
        """Emit an Event for a purge that a person asked for, with their name."""
        if tenant.spec.purge is not None:
            message = f"everything of the tenant was deleted, because {tenant.spec.purge.requested_by} asked for it"
            event = EventDraft(warning=False, reason=EventReason.PURGE_REQUESTED, message=message, action="Purge")
            await self._cluster.emit_event(tenant, event)

    async def _unrenderable(self, scope: Scope, message: str) -> Scope:
        """Record the failure at the tenant, too, where there is one."""
        failure = Failure(Reason.RENDER_FAILED, message, RetryClass.SLOW)
        if scope.tenant is not None:
            status = tenant_status.unrenderable(scope.tenant, message, self._now())
            scope = replace(scope, tenant=await self._write(scope.tenant, status))
        return _failed(scope, failure)

    async def _record_plan(self, scope: Scope, name: str, rendered: RenderedTenant) -> TalkdeskTenant:
        """Write into the record what is about to be applied, and for which installation, before anything is."""
        installation = scope.installation
        spec = TenantSpec(
            app_ref=LocalRef(name=installation.spec.app_ref.name),
            account_id=installation.spec.account_id,
            installation_ref=LocalRef(name=installation.metadata.name),
            state=desired_state(scope),
            name=rendered.name,
            objects=tuple(planned_object(entry) for entry in planned(rendered)),
        )
        tenant = scope.tenant
        if tenant is None:
            tenant = await self._cluster.create_tenant(installation.metadata.namespace, name, spec)
        changes = spec_changes(tenant.spec, spec)
        if not changes:
            return tenant
        if "objects" in changes:
            tenant = await self._record_unconfirmed(tenant)
        return await self._cluster.change_tenant(tenant, changes)

    async def _record_unconfirmed(self, tenant: TalkdeskTenant) -> TalkdeskTenant:
        """Put the planned objects into the inventory before another plan replaces theirs: some may exist."""
        inventory = tuple(inventory_item(entry) for entry in recorded_objects(tenant))
        return await self._write(tenant, tenant.status.model_copy(update={"inventory": inventory}))

    async def _write(self, tenant: TalkdeskTenant, status: TenantStatus) -> TalkdeskTenant:
        if status == tenant.status:
            return tenant
        return await self._cluster.write_tenant_status(tenant, status)


def _app(scope: Scope) -> CompiledApp:
    if scope.app is None:
        raise LookupError("no step on a tenant comes without its app")
    return scope.app


def _tenant(scope: Scope) -> TalkdeskTenant:
    if scope.tenant is None:
        raise LookupError("the tenant was not made yet")
    return scope.tenant


def _failed(scope: Scope, failure: Failure) -> Scope:
    return replace(scope, tenant_outcome=TenantOutcome(TenantResult.FAILED, failure.message, failure))


def _owner(app: CompiledApp, tenant: str) -> Owner:
    return Owner(app.resource.metadata.name, tenant, app.identity)
