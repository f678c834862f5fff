"""Reconcile the account's tenant: provision it, which may end anywhere and run again; `tenant_removal` takes it away.

`spec.objects` names the objects before the first of them is applied; `status.inventory` says which were applied.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from talkdesk_crds.app import ObjectScope, OnTenantFailure
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant, TenantStatus
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.deadlines import waits_for_answer
from talkdesk_operator.domain.reconcile.scope import (
    CompiledApp,
    Failure,
    FaultOwner,
    RetryClass,
    Scope,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.tenant.desired import settled_name
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.domain.tenant.lost_record import is_record_lost
from talkdesk_operator.domain.tenant.waiting import WaitingTenants
from talkdesk_operator.reconcilers import rendering, tenant_status
from talkdesk_operator.reconcilers.applied_versions import Earlier
from talkdesk_operator.reconcilers.drift_reports import DriftReports
from talkdesk_operator.reconcilers.hooks.services import OpenedServices, Services
from talkdesk_operator.reconcilers.hooks.tenant_hooks import HookParts
from talkdesk_operator.reconcilers.objects import Applied, TenantObjects
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.reconcilers.pruning import Pruner
from talkdesk_operator.reconcilers.record_recovery import RecordRecovery, check_recovered_name
from talkdesk_operator.reconcilers.recreation import Recreator
from talkdesk_operator.reconcilers.rendering import RenderTypical
from talkdesk_operator.reconcilers.step_states import overdue, timed
from talkdesk_operator.reconcilers.template_variables import template_variables
from talkdesk_operator.reconcilers.tenant_plan import TenantPlan, overfull
from talkdesk_operator.reconcilers.tenant_record import (
    applied_objects,
    kinds_of,
    recorded_objects,
    wanted_objects,
)
from talkdesk_operator.reconcilers.tenant_removal import OVERTAKEN, CachedInstallations, TenantRemoval, TenantUsers
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import merge, planned
from talkdesk_operator.templates.outputs import OUTPUTS
from talkdesk_operator.templates.render import RenderedTenant
from talkdesk_operator.templates.scopes import canonical, canonical_entries
from talkdesk_operator.templates.template import CompiledTemplate
from talkdesk_operator.templates.values_schema import ValuesError
from talkdesk_runtime.kube_errors import KubeConflict

__all__ = ["TenantReconciler"]

_MAX_FILLINGS = 21
"""One for each step that may answer something new, and one."""


class TenantReconciler:
    """Carries out the steps that concern the tenant. Raises KubeError when its record can't be written."""

    def __init__(
        self,
        cluster: Cluster,
        now: Callable[[], datetime],
        *,
        users: TenantUsers,
        cached: CachedInstallations,
        ledger: DriftLedger | None = None,
        waiting: WaitingTenants | None = None,
        hooks: HookParts | None = None,
    ) -> None:
        """Take ports; see `TenantRemoval` for `users` and `cached`. Without `hooks` no step can call a service.

        `ledger` knows what has drifted, `waiting` is told which tenants wait for their objects.
        """
        self._cluster = cluster
        self._objects = TenantObjects(cluster)
        self._drift = DriftReports(cluster, ledger or DriftLedger(), waiting or WaitingTenants(), now)
        self._pruner = Pruner(cluster, self._objects, now)
        self._recreator = Recreator(cluster)
        self._now = now
        self._recovery = RecordRecovery(cluster)
        self._plan = TenantPlan(cluster)
        self._services = Services(hooks)
        self._removal = TenantRemoval(cluster, self._objects, now, users=users, cached=cached, services=self._services)

    async def provision(self, scope: Scope) -> Scope:
        """Make the tenant as the template says, and this installation its owner."""
        app = _app(scope)
        if app.template is None:
            return await self._unusable(scope, Failure(Reason.TEMPLATE_INVALID, app.problem, RetryClass.TERMINAL))
        if is_record_lost(scope):
            scope = await self._recovery.recover(scope, app, app.template)
        services = await self._services.opened(scope, app)
        # Somebody who asks for a reconcile may know better than what is remembered.
        earlier = Earlier(again=scope.resync and not scope.background)
        for _ in range(_MAX_FILLINGS):
            services.begin_filling()
            scope = await self._provision(scope, app, app.template, services, earlier)
            if scope.tenant_outcome is None or not scope.tenant_outcome.anew:
                break
        return scope

    async def _provision(
        self, scope: Scope, app: CompiledApp, template: CompiledTemplate, services: OpenedServices, earlier: Earlier
    ) -> Scope:
        """Fill the template in once, and apply it."""
        name = tenant_name(app.resource.metadata.name, scope.installation.spec.account_id)
        context = template_variables(scope, app) | {OUTPUTS: services.outputs}
        try:
            rendered = await self._render(scope, app, template, context)
        except RenderError as error:
            fault = await rendering.fault(error, app.resource, template, context, name)
            return await self._unrenderable(scope, error, fault)
        began = self._drift.begin()
        scopes = await self._cluster.scopes(kinds_of(planned(rendered), scope.tenant))
        try:
            rendered = canonical(rendered, scopes)
        except RenderError as error:
            return await self._unrenderable(scope, error, FaultOwner.OURS)
        confined = app.resource.spec.tenant.object_scope is ObjectScope.TENANT
        wanted = wanted_objects(rendered, scope.tenant, scopes, confined=confined)
        if (failure := overfull(scope, wanted, scopes)) is not None:
            return _failed(scope, failure)
        try:
            tenant = await self._plan.record(scope, name, rendered.name, wanted)
        except KubeConflict:
            # The record may just be purged, by a process that does not know of this installation yet.
            await self._cluster.reread_tenant(app.resource.metadata.namespace, name)
            return replace(scope, failure=OVERTAKEN)
        if isinstance(tenant, Failure):
            return _failed(scope, tenant)
        scope = replace(scope, tenant=tenant)
        owner = Owner.of(app, tenant)
        before = canonical_entries(applied_objects(tenant), scopes)
        applied = await self._objects.apply(
            rendered,
            merge(before, wanted),
            owner,
            app=app.resource,
            typical=_typical(scope, app, context),
            recreate=self._recreator.of(app, tenant, owner),
            earlier=earlier,
            call=services.call,
        )
        applied = await services.settle(applied, rendered, partial(self._pruner.may_prune_service, app, tenant))
        applied = _within_time(applied, rendered, tenant, self._now())
        pruned = None
        if applied.failure is None and not applied.waiting:
            inventory = tuple(applied.inventory.values())
            pruned = await self._pruner.prune(app, tenant, inventory, wanted, scopes, owner)
        disputes = self._drift.disputes(tenant)
        status = tenant_status.provisioned(scope, app, tenant, applied, pruned, disputes, self._now())
        outcome = tenant_status.provision_outcome(tenant, applied, pruned)
        written = await self._write(tenant, status)
        await self._drift.provisioned(tenant, written, outcome, began)
        return replace(scope, tenant=written, tenant_outcome=tenant_status.provision_outcome(written, applied, pruned))

    async def recover(self, scope: Scope) -> Scope:
        """Search for a lost record of the tenant, and make it anew where there are objects. Raises KubeError."""
        app = _app(scope)
        if app.template is None:
            return scope
        return await self._recovery.recover(scope, app, app.template)

    async def is_overtaken(self, scope: Scope) -> bool:
        """Return whether the account's installations have changed since the scope was read; asks the API server."""
        return await self._removal.is_overtaken(scope)

    async def offboard(self, scope: Scope) -> Scope:
        """Delete the objects of steps with `onOffboard: Delete`, and start the retention."""
        scope = await self._removal.offboard(scope, _app(scope), _tenant(scope))
        self._drift.ended(_tenant(scope), scope.tenant_outcome)
        return scope

    async def purge(self, scope: Scope) -> Scope:
        """Delete everything of the tenant, and its record last."""
        tenant = _tenant(scope)
        scope = await self._removal.purge(scope, _app(scope), tenant)
        self._drift.ended(tenant, scope.tenant_outcome)
        return scope

    async def purge_unclaimed(self, app: CompiledApp, tenant: TalkdeskTenant) -> TenantOutcome:
        """Delete everything of a tenant of which no installation is left, and its record last."""
        outcome = await self._removal.purge_unclaimed(app, tenant)
        self._drift.ended(tenant, outcome)
        return outcome

    async def _render(
        self, scope: Scope, app: CompiledApp, template: CompiledTemplate, context: Mapping[str, Any]
    ) -> RenderedTenant:
        """Render the template under the tenant's name. Raises RenderError, and KubeError when the name is in doubt.

        Until something was applied, the name follows the template, which may have been mistaken. The process may have
        ended between the first apply and its record: then the objects themselves show that the name is in use.
        """
        tenant = scope.tenant
        name = tenant_name(app.resource.metadata.name, scope.installation.spec.account_id)
        rendered = await rendering.rendered(app.resource, template, context, name)
        if tenant is None or settled_name(tenant) or tenant.spec.name == rendered.name:
            return rendered
        if not tenant.spec.name:
            check_recovered_name(tenant, rendered)
            return rendered
        if not await self._objects.any_made(recorded_objects(tenant), Owner.of(app, tenant)):
            return rendered
        named = {**context, "tenant": {**context["tenant"], "name": tenant.spec.name}}
        return await rendering.rendered(app.resource, template, named, name)

    async def _unrenderable(self, scope: Scope, error: RenderError, fault: FaultOwner) -> Scope:
        reason = Reason.VALUES_INVALID if isinstance(error, ValuesError) else Reason.RENDER_FAILED
        return await self._unusable(scope, Failure(reason, str(error), RetryClass.SLOW, fault=fault))

    async def _unusable(self, scope: Scope, failure: Failure) -> Scope:
        """Record why nothing is applied at the tenant, too, where there is one."""
        if scope.tenant is not None:
            status = tenant_status.unusable(_app(scope), scope.tenant, failure, self._now())
            scope = replace(scope, tenant=await self._write(scope.tenant, status))
        return _failed(scope, failure)

    async def _write(self, tenant: TalkdeskTenant, status: TenantStatus) -> TalkdeskTenant:
        if status == tenant.status:
            return tenant
        return await self._cluster.write_tenant_status(tenant, status)


def _within_time(applied: Applied, rendered: RenderedTenant, tenant: TalkdeskTenant, now: datetime) -> Applied:
    """Return the outcome with since when a step waits; one that waits longer than it may is a failure."""
    steps = timed(applied.steps, rendered, tenant.status.steps, now.replace(microsecond=0))
    if not (late := overdue(steps)):
        return replace(applied, steps=steps)
    return replace(applied, steps=steps, waiting="", failure=Failure(Reason.NOT_READY, late, RetryClass.SLOW))


def _app(scope: Scope) -> CompiledApp:
    if scope.app is None:
        raise LookupError("no step on a tenant comes without its app")
    return scope.app


def _typical(scope: Scope, app: CompiledApp, context: Mapping[str, Any]) -> RenderTypical:
    """Return what renders the template for a typical customer; nothing where no rejection can follow from it."""
    template, metadata = app.template, app.resource.metadata
    rejects = app.resource.spec.approval.on_tenant_failure is OnTenantFailure.REJECT
    name = tenant_name(metadata.name, scope.installation.spec.account_id)

    async def typical() -> RenderedTenant | None:
        if template is None or not rejects or not waits_for_answer(scope.installation):
            return None
        return await rendering.rendered_typical(app.resource, template, context, name)

    return typical


def _tenant(scope: Scope) -> TalkdeskTenant:
    if scope.tenant is None:
        raise LookupError("the tenant was not made yet")
    return scope.tenant


def _failed(scope: Scope, failure: Failure) -> Scope:
    return replace(scope, tenant_outcome=TenantOutcome(TenantResult.FAILED, failure.message, failure))
