"""The account's tenant: provisioned, offboarded, purged; each may be broken off anywhere and run again.

What is about to be applied stands in `spec.objects` before the first of it is; `status.inventory` says what was
applied. Deletion goes by both, never by rendering again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, transitioned
from talkdesk_crds.fields import LocalRef, to_wire_time
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import (
    StepState,
    StepStatus,
    TalkdeskTenant,
    TenantSpec,
    TenantState,
    TenantStatus,
)
from talkdesk_operator.domain.installation.status import reconcile_requested_at
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
from talkdesk_operator.domain.tenant.desired import inputs_digest, purge_time
from talkdesk_operator.domain.tenant.entitlement import desired_state
from talkdesk_operator.reconcilers.context import template_variables
from talkdesk_operator.reconcilers.objects import Applied, Deleted, Owner, TenantObjects
from talkdesk_operator.reconcilers.record import (
    everything_of,
    inventory_of,
    item_of,
    planned_object,
    spec_changes,
)
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import InventoryEntry, merge, planned, pruned
from talkdesk_operator.templates.render import RenderedTenant, render

__all__ = ["TenantReconciler"]

_MESSAGE_LENGTH = 2048


class TenantReconciler:
    """Does the domain's steps that concern the tenant. Raises KubeError when our own objects can't be written."""

    def __init__(
        self,
        cluster: Cluster,
        now: Callable[[], datetime],
        *,
        forget: Callable[[TalkdeskTenant], Awaitable[None]],
    ) -> None:
        """Take ports; `forget` deletes what is kept about a tenant beside its objects, before its record goes."""
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
        wanted = planned(rendered)
        owner = _owner(app, name)
        applied = await self._objects.apply(rendered, merge(inventory_of(tenant), wanted), owner)
        gone = Deleted(())
        if applied.failure is None and not applied.waiting:
            gone = await self._objects.delete(pruned(tuple(applied.inventory.values()), wanted), owner)
        return await self._conclude(scope, app, applied, gone)

    async def offboard(self, scope: Scope) -> Scope:
        """Delete the objects of steps with `onOffboard: Delete`, and start the retention."""
        app, tenant = _app(scope), _tenant(scope)
        if tenant.spec.state is not TenantState.OFFBOARDED:
            tenant = await self._confirm(tenant)
            moment = to_wire_time(self._now().replace(microsecond=0))
            changes = {"state": TenantState.OFFBOARDED, "uninstallTime": moment, "objects": None}
            tenant = await self._cluster.change_tenant(tenant, changes)
        entries = everything_of(tenant)
        going = tuple(e for e in entries if e.on_offboard == "Delete")
        deleted = await self._objects.delete(going, _owner(app, tenant.metadata.name)) if going else Deleted(())
        kept = {e.identity for e in deleted.remaining} | {e.identity for e in entries if e not in going}
        status = self._leaving(
            tenant,
            tuple(e for e in entries if e.identity in kept),
            deleted,
            (Reason.OFFBOARDING, Reason.RETAINED, "offboarded; what remains is kept until the retention ends"),
        )
        ended_at = tenant.spec.uninstall_time or self._now()
        status = status.model_copy(update={"purge_time": purge_time(ended_at, app)})
        tenant, tenant_outcome = await self._left(tenant, status, deleted, TenantResult.OFFBOARDED)
        return replace(scope, tenant=tenant, tenant_outcome=tenant_outcome)

    async def purge(self, scope: Scope) -> Scope:
        """Delete everything of the tenant, and its record at last."""
        tenant, tenant_outcome = await self.purge_tenant(_app(scope), _tenant(scope))
        return replace(scope, tenant=tenant, tenant_outcome=tenant_outcome)

    async def purge_tenant(self, app: CompiledApp, tenant: TalkdeskTenant) -> tuple[TalkdeskTenant, TenantOutcome]:
        """Delete everything of a tenant, whether or not an installation is left of it, and its record at last."""
        deleted = await self._objects.delete(everything_of(tenant), _owner(app, tenant.metadata.name))
        if not deleted.remaining and deleted.failure is None:
            await self._forget(tenant)
            await self._emit_purge_event(tenant)
            await self._cluster.delete_tenant(tenant)
            return tenant, TenantOutcome(TenantResult.PURGED, "nothing of the tenant is left")
        sentence = (Reason.PURGING, Reason.PURGING, "the tenant's objects are being deleted")
        status = self._leaving(tenant, deleted.remaining, deleted, sentence)
        return await self._left(tenant, status, deleted, TenantResult.DELETING)

    async def _emit_purge_event(self, tenant: TalkdeskTenant) -> None:
        """Tell of a purge that a person asked for, and who it was."""
        if tenant.spec.purge is not None:
            message = f"everything of the tenant is deleted, as {tenant.spec.purge.requested_by} asked"
            news = EventDraft(warning=False, reason=Reason.PURGE_REQUESTED, message=message, action="Purge")
            await self._cluster.emit_event(tenant, news)

    async def _unrenderable(self, scope: Scope, message: str) -> Scope:
        """Note the failure at the tenant, too, where there is one."""
        failure = Failure(Reason.RENDER_FAILED, message, RetryClass.SLOW)
        if scope.tenant is not None:
            tenant = scope.tenant
            status = tenant.status.model_copy(
                update={
                    "observed_generation": tenant.metadata.generation,
                    "conditions": self._conditions(tenant, failure.reason, message, stalled=True),
                }
            )
            scope = replace(scope, tenant=await self._write(tenant, status))
        return _failed(scope, failure)

    async def _record_plan(self, scope: Scope, name: str, rendered: RenderedTenant) -> TalkdeskTenant:
        """Write down what is about to be applied, and for whom, before anything is."""
        installation = scope.installation
        spec = TenantSpec(
            app_ref=LocalRef(name=installation.spec.app_ref.name),
            account_id=installation.spec.account_id,
            installation_ref=LocalRef(name=installation.metadata.name),
            state=desired_state(scope),
            name=rendered.name,
            objects=tuple(planned_object(e) for e in planned(rendered)),
        )
        tenant = scope.tenant
        if tenant is None:
            tenant = await self._cluster.create_tenant(installation.metadata.namespace, name, spec)
        changes = spec_changes(tenant.spec, spec)
        if not changes:
            return tenant
        if "objects" in changes:
            tenant = await self._confirm(tenant)
        return await self._cluster.change_tenant(tenant, changes)

    async def _confirm(self, tenant: TalkdeskTenant) -> TalkdeskTenant:
        """Keep what a plan names that is about to be replaced and was not seen to be carried out: it may exist."""
        inventory = tuple(item_of(e) for e in everything_of(tenant))
        return await self._write(tenant, tenant.status.model_copy(update={"inventory": inventory}))

    async def _conclude(self, scope: Scope, app: CompiledApp, applied: Applied, gone: Deleted) -> Scope:
        tenant = _tenant(scope)
        failure = applied.failure or gone.failure
        waiting = applied.waiting or gone.blocking
        left = {e.identity for e in gone.remaining}
        wanted = {(o.group, o.kind, o.namespace, o.name) for o in tenant.spec.objects}
        inventory = [e for e in applied.inventory.values() if e.identity in wanted | left or not _concluded(applied)]
        message = failure.message if failure is not None else waiting or "every object is applied and ready"
        reason = failure.reason if failure is not None else (Reason.NOT_READY if waiting else Reason.APPLIED)
        status = TenantStatus(
            observed_generation=tenant.metadata.generation,
            conditions=self._conditions(tenant, reason, message),
            inventory=tuple(item_of(e) for e in inventory),
            steps=applied.steps,
            applied_inputs=inputs_digest(replace(scope, tenant=tenant), app),
            last_handled_reconcile_at=reconcile_requested_at(tenant),
        )
        tenant = await self._write(tenant, status)
        state = TenantResult.FAILED if failure is not None else TenantResult.WAITING if waiting else TenantResult.READY
        tenant_outcome = TenantOutcome(state, message, failure, _since(tenant))
        return replace(scope, tenant=tenant, tenant_outcome=tenant_outcome)

    def _leaving(
        self,
        tenant: TalkdeskTenant,
        kept: Sequence[InventoryEntry],
        deleted: Deleted,
        words: tuple[Reason, Reason, str],
    ) -> TenantStatus:
        """Return the status of a tenant that is going; `words`: the reason while it goes, after it, a sentence."""
        going, done, sentence = words
        moving = deleted.remaining != ()
        reason = deleted.failure.reason if deleted.failure is not None else going if moving else done
        message = deleted.failure.message if deleted.failure is not None else deleted.blocking or sentence
        names = {e.step for e in kept}
        steps = tuple(
            StepStatus(name=s.name, state=s.state if s.name in names else StepState.DELETED)
            for s in tenant.status.steps
        )
        return tenant.status.model_copy(
            update={
                "observed_generation": tenant.metadata.generation,
                "conditions": self._conditions(tenant, reason, message, moving=moving),
                "inventory": tuple(item_of(e) for e in kept),
                "steps": steps,
                "applied_inputs": None,
                "last_handled_reconcile_at": reconcile_requested_at(tenant),
            }
        )

    async def _left(
        self, tenant: TalkdeskTenant, status: TenantStatus, deleted: Deleted, end: TenantResult
    ) -> tuple[TalkdeskTenant, TenantOutcome]:
        tenant = await self._write(tenant, status)
        since = tenant.spec.uninstall_time or _since(tenant)
        if deleted.failure is not None:
            tenant_outcome = TenantOutcome(TenantResult.FAILED, deleted.failure.message, deleted.failure, since)
        elif deleted.remaining:
            tenant_outcome = TenantOutcome(TenantResult.DELETING, deleted.blocking, None, since)
        else:
            tenant_outcome = TenantOutcome(end)
        return tenant, tenant_outcome

    async def _write(self, tenant: TalkdeskTenant, status: TenantStatus) -> TalkdeskTenant:
        if status == tenant.status:
            return tenant
        return await self._cluster.write_tenant_status(tenant, status)

    def _conditions(
        self, tenant: TalkdeskTenant, reason: Reason, message: str, *, stalled: bool = False, moving: bool | None = None
    ) -> tuple[Condition, ...]:
        now, ready = self._now(), reason is Reason.APPLIED
        if moving is None:
            moving = not ready and not stalled

        def condition(kind: ConditionType, *, holds: bool) -> Condition:
            return Condition(
                type=kind,
                status="True" if holds else "False",
                reason=reason,
                message=message[:_MESSAGE_LENGTH] if holds or kind is ConditionType.READY else "",
                last_transition_time=now,
                observed_generation=tenant.metadata.generation,
            )

        new = (
            condition(ConditionType.READY, holds=ready),
            condition(ConditionType.RECONCILING, holds=moving),
            condition(ConditionType.STALLED, holds=stalled),
        )
        return transitioned(tenant.status.conditions, new, now)


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


def _concluded(applied: Applied) -> bool:
    return applied.failure is None and not applied.waiting


def _since(tenant: TalkdeskTenant) -> datetime | None:
    ready = find(tenant.status.conditions, ConditionType.READY)
    return ready.last_transition_time if ready is not None else None
