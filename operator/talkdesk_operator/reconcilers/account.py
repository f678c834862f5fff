"""Reconcile all installations of one account and its tenant together: the unit of work of the queue."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.installation import EndingReason, InstallationPhase, TalkdeskInstallation
from talkdesk_crds.names import FINALIZER
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.installation.status import reconcile_requested_at
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.deadlines import next_warning
from talkdesk_operator.domain.reconcile.ownership import roles
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, Role, Scope, TenantResult
from talkdesk_operator.domain.tenant.desired import next_poll, orphan_purge_at
from talkdesk_operator.reconcilers.apps import CompiledApps
from talkdesk_operator.reconcilers.installation import InstallationReconciler, Outcome
from talkdesk_operator.reconcilers.tenant import TenantReconciler
from talkdesk_operator.workqueue.contract import Cause, Requeue, Result
from talkdesk_runtime.durations import parse_duration

__all__ = ["AccountReconciler"]

_FAULT = "a fault in the operator blocks this account; it is tried again, and the operator's log has the traceback"
_RESYNCED = frozenset(
    {
        InstallationPhase.ACTIVE,
        InstallationPhase.AWAITING_DECISION,
        InstallationPhase.SUSPENDED,
        InstallationPhase.SUPERSEDED,
    }
)
"""Phases in which Talkdesk's state is compared with ours at each resync."""
_ENDED = frozenset({InstallationPhase(kind.value) for kind in EndingReason} | {InstallationPhase.PURGED})
"""Phases after an end, in which a resync deletes the credentials of late events."""
_RESYNC_AFTER_END = timedelta(hours=1)


class AccountReconciler:
    """Reconciles each installation of an account, the tenant's owner first."""

    def __init__(
        self,
        cache: Cache,
        cluster: Cluster,
        apps: CompiledApps,
        installations: InstallationReconciler,
        tenants: TenantReconciler,
        *,
        now: Callable[[], datetime],
        follow: Callable[[], None],
    ) -> None:
        """Take ports; `follow` is called when an app was added, changed or deleted, for watches that depend on apps."""
        self._cache = cache
        self._cluster = cluster
        self._apps = apps
        self._installations = installations
        self._tenants = tenants
        self._now = now
        self._follow = follow

    async def reconcile(self, key: AccountKey, causes: frozenset[Cause]) -> Result:
        """Reconcile an account, or an app's status. Raises KubeError when not even a status can be written."""
        resource = self._cache.app(key.namespace, key.app)
        if key.is_app:
            self._follow()
            if resource is not None:
                await self._apps.write_status(resource)
            return Result()
        installations = self._cache.installations(key)
        if Cause.FAULT in causes:
            await self._report_fault(installations)
        app = self._apps.view(resource) if resource is not None else None
        problem = await self._report_unreadable(key)
        if not installations and problem is None:
            return await self._reconcile_unclaimed(app, self._cache.tenant(key))
        by_name = roles(installations, self._cache.tenant(key))
        order = sorted(installations, key=lambda i: (by_name[i.metadata.name] is not Role.OWNER, i.metadata.name))
        results = [await self._reconcile_one(key, i, app, by_name[i.metadata.name], causes, problem) for i in order]
        failed = problem is not None or any(result.failed for result in results)
        return Result(tuple(requeue for result in results for requeue in result.next), failed=failed)

    async def _reconcile_one(
        self,
        key: AccountKey,
        installation: TalkdeskInstallation,
        app: CompiledApp | None,
        role: Role,
        causes: frozenset[Cause],
        problem: Failure | None,
    ) -> Result:
        wait = _backing_off(installation, causes, self._now())
        if wait is not None:
            return Result((Requeue(wait, Priority.RETRY),))
        tenant = self._cache.tenant(key)
        scope = Scope(
            now=self._now(),
            app=app,
            installation=await self._with_finalizer(installation),
            role=role,
            tenant=tenant,
            resync=Cause.RESYNC in causes or _is_requested(installation, tenant),
            background=causes == {Cause.RESYNC},
            drifted=Cause.DRIFT in causes,
            failure=problem,
        )
        outcome = await self._installations.reconcile(scope)
        return Result(tuple(self._requeues(outcome, app)), failed=outcome.status.retry is not None)

    async def _reconcile_unclaimed(self, app: CompiledApp | None, tenant: TalkdeskTenant | None) -> Result:
        """End the retention of a tenant whose installations are all gone: a person may have deleted their objects."""
        ends = orphan_purge_at(app, tenant) if app is not None and tenant is not None else None
        if app is None or tenant is None or ends is None:
            return Result()
        if ends > self._now():
            return Result((Requeue(ends - self._now(), Priority.CHANGED),))
        _, tenant_outcome = await self._tenants.purge_tenant(app, tenant)
        if tenant_outcome.result is TenantResult.PURGED:
            return Result()
        requeue = Requeue(max(next_poll(tenant_outcome, self._now()) - self._now(), timedelta()), Priority.RETRY)
        return Result((requeue,), failed=tenant_outcome.failure is not None)

    async def _report_unreadable(self, key: AccountKey) -> Failure | None:
        """Report objects that can't be read in their status; the Failure keeps the whole account as it is."""
        problems = self._cache.unreadable(key)
        for problem in problems:
            message = f"this version of the operator can't read it: {problem.reason}"
            if not problem.reported or not message.startswith(problem.reported):
                place = (problem.kind, problem.namespace, problem.name)
                await self._cluster.write_stalled(place, Reason.INVALID_SPEC, message)
        if not problems:
            return None
        named = ", ".join(f"{p.kind} {p.name}: {p.reason}" for p in problems)
        return Failure(Reason.INVALID_SPEC, f"this version of the operator can't read {named}", RetryClass.TERMINAL)

    async def _report_fault(self, installations: Sequence[TalkdeskInstallation]) -> None:
        """Report once that a fault of ours blocks the account; a reconcile that ends replaces the whole status."""
        for installation in installations:
            ready = find(installation.status.conditions, ConditionType.READY)
            if ready is None or ready.reason != Reason.INTERNAL_ERROR:
                place = (installation.INFO.kind, *installation.key)
                await self._cluster.write_stalled(place, Reason.INTERNAL_ERROR, _FAULT)

    async def _with_finalizer(self, installation: TalkdeskInstallation) -> TalkdeskInstallation:
        """Add our finalizer to an object that a person made without it, before anything is made for it."""
        metadata = installation.metadata
        if FINALIZER in metadata.finalizers or metadata.deletion_timestamp is not None:
            return installation
        await self._cluster.add_finalizer(installation)
        return self._cache.current(installation) or installation

    def _requeues(self, outcome: Outcome, app: CompiledApp | None) -> Iterator[Requeue]:
        now = self._now()
        if outcome.finish is None:
            return
        if outcome.finish.requeue_at is not None:
            yield Requeue(max(outcome.finish.requeue_at - now, timedelta()), Priority.CHANGED)
        if outcome.status.retry is not None:
            yield Requeue(max(outcome.status.retry.next_attempt_time - now, timedelta()), Priority.RETRY)
        if app is None:
            return
        resync = parse_duration(app.resource.spec.resync_period)
        if outcome.finish.phase in _RESYNCED:
            yield Requeue(resync, Priority.RESYNC)
        elif outcome.finish.phase in _ENDED:
            yield Requeue(max(resync, _RESYNC_AFTER_END), Priority.RESYNC)
        request = outcome.scope.installation.spec.request
        if request is not None and outcome.status.deadline is not None:
            mark = next_warning(request, app.resource, now)
            if mark is not None:
                yield Requeue(mark - now, Priority.CHANGED)


def _is_requested(installation: TalkdeskInstallation, tenant: TalkdeskTenant | None) -> bool:
    """Return whether a resync was requested that was not made yet."""
    if reconcile_requested_at(installation) != installation.status.last_handled_reconcile_at:
        return True
    return tenant is not None and reconcile_requested_at(tenant) != tenant.status.last_handled_reconcile_at


def _backing_off(installation: TalkdeskInstallation, causes: frozenset[Cause], now: datetime) -> timedelta | None:
    """Return how long a back-off from before a restart still lasts; None when there is none to respect."""
    retry, status = installation.status.retry, installation.status
    if causes != {Cause.STARTUP} or retry is None or status.observed_generation != installation.metadata.generation:
        return None
    return retry.next_attempt_time - now if retry.next_attempt_time > now else None
