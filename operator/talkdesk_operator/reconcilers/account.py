"""All of one account's installations and its tenant, in one pass: the unit of work of the queue."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.installation import EndingKind, InstallationPhase, TalkdeskInstallation
from talkdesk_crds.names import FINALIZER
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.installation.status import handled_request
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.deadlines import next_mark
from talkdesk_operator.domain.reconcile.ownership import roles
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, Role, Scope, TenancyState
from talkdesk_operator.domain.tenant.desired import next_read, unclaimed_until
from talkdesk_operator.reconcilers.apps import CompiledApps
from talkdesk_operator.reconcilers.installation import InstallationReconciler, Outcome
from talkdesk_operator.reconcilers.tenant import TenantReconciler
from talkdesk_operator.workqueue.contract import Cause, Requeue, Result
from talkdesk_runtime.durations import parse_duration

__all__ = ["AccountReconciler"]


class AccountReconciler:
    """Gives each installation of an account its turn, the tenant's owner first."""

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
        """Take ports; `follow` is called when an app came, changed or went, for whoever watches by apps."""
        self._cache = cache
        self._cluster = cluster
        self._apps = apps
        self._installations = installations
        self._tenants = tenants
        self._now = now
        self._follow = follow

    async def reconcile(self, key: AccountKey, causes: frozenset[Cause]) -> Result:
        """Reconcile an account, or an app's status. Raises KubeError when the API server can't even take a status."""
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
        problem = await self._unreadable(key)
        if not installations and problem is None:
            return await self._unclaimed(app, self._cache.tenant(key))
        by_name = roles(installations, self._cache.tenant(key))
        order = sorted(installations, key=lambda i: (by_name[i.metadata.name] is not Role.OWNER, i.metadata.name))
        results = [await self._installation(key, i, app, by_name[i.metadata.name], causes, problem) for i in order]
        failed = problem is not None or any(result.failed for result in results)
        return Result(tuple(requeue_at for result in results for requeue_at in result.next), failed=failed)

    async def _installation(
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
            resync=Cause.RESYNC in causes or _is_asked_for(installation, tenant),
            background=causes == {Cause.RESYNC},
            drifted=Cause.DRIFT in causes,
            failure=problem,
        )
        outcome = await self._installations.reconcile(scope)
        return Result(tuple(self._wakes(outcome, app)), failed=outcome.status.retry is not None)

    async def _unclaimed(self, app: CompiledApp | None, tenant: TalkdeskTenant | None) -> Result:
        """See a retention to its end though no installation is left: their objects may all have been deleted."""
        ends = unclaimed_until(app, tenant) if app is not None and tenant is not None else None
        if app is None or tenant is None or ends is None:
            return Result()
        if ends > self._now():
            return Result((Requeue(ends - self._now(), Priority.CHANGED),))
        _, tenancy = await self._tenants.purge_tenant(app, tenant)
        if tenancy.state is TenancyState.PURGED:
            return Result()
        again = Requeue(max(next_read(tenancy, self._now()) - self._now(), timedelta()), Priority.RETRY)
        return Result((again,), failed=tenancy.failure is not None)

    async def _unreadable(self, key: AccountKey) -> Failure | None:
        """Say at what can't be understood that it can't be; nothing of such an account is touched."""
        problems = self._cache.unreadable(key)
        for problem in problems:
            message = f"this version of the operator can't read it: {problem.reason}"
            place = (problem.kind, problem.namespace, problem.name)
            await self._cluster.write_stalled(place, Reason.INVALID_SPEC, message)
        if not problems:
            return None
        named = ", ".join(f"{p.kind} {p.name}: {p.reason}" for p in problems)
        return Failure(Reason.INVALID_SPEC, f"this version of the operator can't read {named}", RetryClass.TERMINAL)

    async def _report_fault(self, installations: Sequence[TalkdeskInstallation]) -> None:
        """Say that a fault of ours holds the account up, once; a pass that ends puts the whole status right again."""
        for installation in installations:
            ready = find(installation.status.conditions, ConditionType.READY)
            if ready is None or ready.reason != Reason.INTERNAL_ERROR:
                place = (installation.INFO.kind, *installation.key)
                await self._cluster.write_stalled(place, Reason.INTERNAL_ERROR, _FAULT)

    async def _with_finalizer(self, installation: TalkdeskInstallation) -> TalkdeskInstallation:
        """Put our finalizer on an object that a person made without it, before anything is made for it."""
        metadata = installation.metadata
        if FINALIZER in metadata.finalizers or metadata.deletion_timestamp is not None:
            return installation
        await self._cluster.add_finalizer(installation)
        return self._cache.current(installation) or installation

    def _wakes(self, outcome: Outcome, app: CompiledApp | None) -> Iterator[Requeue]:
        now = self._now()
        if outcome.finish is None:
            return
        if outcome.finish.requeue_at is not None:
            yield Requeue(max(outcome.finish.requeue_at - now, timedelta()), Priority.CHANGED)
        if outcome.status.retry is not None:
            yield Requeue(max(outcome.status.retry.next_attempt_at - now, timedelta()), Priority.RETRY)
        if app is None:
            return
        resync = parse_duration(app.resource.spec.resync)
        if outcome.finish.phase in _WATCHED:
            yield Requeue(resync, Priority.RESYNC)
        elif outcome.finish.phase in _OVER:
            yield Requeue(max(resync, _RESYNC_AFTER_END), Priority.RESYNC)
        request = outcome.scope.installation.spec.request
        if request is not None and outcome.status.deadline is not None:
            mark = next_mark(request, app.resource, now)
            if mark is not None:
                yield Requeue(mark - now, Priority.CHANGED)


def _is_asked_for(installation: TalkdeskInstallation, tenant: TalkdeskTenant | None) -> bool:
    """Return whether a person asked for a look that was not taken yet."""
    if handled_request(installation) != installation.status.last_handled_reconcile_at:
        return True
    return tenant is not None and handled_request(tenant) != tenant.status.last_handled_reconcile_at


_FAULT = "a fault in the operator keeps it from working on this account; it is tried again, and the log has the trace"
_WATCHED = frozenset(
    {
        InstallationPhase.ACTIVE,
        InstallationPhase.AWAITING_DECISION,
        InstallationPhase.SUSPENDED,
        InstallationPhase.SUPERSEDED,
    }
)
"""Phases in which Talkdesk is asked now and then whether it agrees."""
_OVER = frozenset({InstallationPhase(kind.value) for kind in EndingKind} | {InstallationPhase.PURGED})
"""Phases after an end, in which credentials that a late event left behind are looked for."""
_RESYNC_AFTER_END = timedelta(hours=1)


def _backing_off(installation: TalkdeskInstallation, causes: frozenset[Cause], now: datetime) -> timedelta | None:
    """Return how long a back-off from before a restart still lasts; None when it does not hold the work up."""
    retry, status = installation.status.retry, installation.status
    if causes != {Cause.STARTUP} or retry is None or status.observed_generation != installation.metadata.generation:
        return None
    return retry.next_attempt_at - now if retry.next_attempt_at > now else None
