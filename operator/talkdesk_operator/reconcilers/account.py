"""Reconcile all installations of one account and its tenant together: the unit of work of the queue."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.installation import EndingReason, InstallationPhase, TalkdeskInstallation
from talkdesk_crds.names import FINALIZER
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.installation.status import reconcile_requested_at
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.deadlines import is_ended, next_warning
from talkdesk_operator.domain.reconcile.duplicates import duplicates, report
from talkdesk_operator.domain.reconcile.error_policy import cluster_failure
from talkdesk_operator.domain.reconcile.ownership import is_alive, roles
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, Role, Scope
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.reconcilers.app import AppReconciler
from talkdesk_operator.reconcilers.held_records import HeldRecords
from talkdesk_operator.reconcilers.installation import InstallationReconciler, Outcome
from talkdesk_operator.reconcilers.orphans import OrphanedTenants
from talkdesk_operator.reconcilers.results import together, unrecorded
from talkdesk_operator.reconcilers.share import Share
from talkdesk_operator.reconcilers.slot_labels import put_labels_right
from talkdesk_operator.reconcilers.tenant import TenantReconciler
from talkdesk_operator.reconcilers.unclaimed import UnclaimedTenants
from talkdesk_operator.workqueue.contract import Cause, Requeue, Result
from talkdesk_runtime.durations import parse_duration
from talkdesk_runtime.kube_errors import KubeConflict, KubeError, KubeNotFound
from talkdesk_runtime.shorten import shorten

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
_MESSAGE_LENGTH = 1024
_RESYNC_AFTER_END = timedelta(hours=1)


class AccountReconciler:
    """Reconciles each installation of an account, the tenant's owner first."""

    def __init__(
        self,
        cache: Cache,
        cluster: Cluster,
        apps: AppReconciler,
        installations: InstallationReconciler,
        tenants: TenantReconciler,
        *,
        now: Callable[[], datetime],
        share: Share,
        ledger: DriftLedger | None = None,
    ) -> None:
        """Take ports; `share` says which accounts are worked on, `ledger` knows what has drifted."""
        self._cache = cache
        self._cluster = cluster
        self._apps = apps
        self._installations = installations
        self._orphans = OrphanedTenants(cluster, now)
        self._held = HeldRecords(cluster, now)
        self._unclaimed = UnclaimedTenants(cluster, tenants, self._orphans, self._held, now)
        self._share = share
        self._now = now
        self._ledger = ledger or DriftLedger()
        self._notifier = installations.notifier

    async def reconcile(self, key: AccountKey, causes: frozenset[Cause]) -> Result:
        """Reconcile an account, or an app's status."""
        async with self._notifier.turns.of(key):
            try:
                return await self._reconcile(key, causes)
            except KubeError as error:
                return unrecorded(error)

    async def _reconcile(self, key: AccountKey, causes: frozenset[Cause]) -> Result:
        app = self._cache.app(key.namespace, key.app)
        if key.is_app:
            await self._apps.prepare_all()
            self._share.follow()
        labeled = together([unrecorded(error) for error in await put_labels_right(self._cache, self._cluster, key)])
        if not self._share.shard.owns(key):
            return labeled
        if not key.is_app:
            return together((labeled, await self._reconcile_account(key, app, causes)))
        if app is None:
            return Result(failed=await self._report_unreadable(key) is not None)
        self._notifier.follow(app)
        return await self._apps.reconcile(app)

    async def _reconcile_account(
        self, key: AccountKey, resource: TalkdeskApp | None, causes: frozenset[Cause]
    ) -> Result:
        if Cause.FAULT in causes:
            await self._report_fault(self._cache.installations(key))
        installations = self._cache.installations(key)
        app = await self._apps.view(resource, self._cache.tenant(key)) if resource is not None else None
        problem = await self._report_unreadable(key)
        if not installations and problem is None:
            return await self._unclaimed.reconcile(app, self._cache.tenant(key))
        duplicated = duplicates(installations)
        by_name = roles(installations, self._cache.tenant(key))
        order = sorted(installations, key=lambda i: (by_name[i.metadata.name] is not Role.OWNER, i.metadata.name))
        results = [
            await self._isolated(key, i, app, by_name[i.metadata.name], causes, problem or report(i, duplicated))
            for i in order
        ]
        if problem is None and all(role is Role.NON_OWNER for role in by_name.values()):
            results.append(await self._recorded(self._orphans.report(self._cache.tenant(key))))
        if problem is None:
            in_use = any(map(is_alive, self._cache.installations(key)))
            results.append(await self._recorded(self._held.report(self._cache.tenant(key), in_use=in_use)))
        results.append(Result(tuple(self._drift_requeue(key))))
        return together(results, failed=problem is not None)

    async def _recorded(self, report: Awaitable[None]) -> Result:
        """Make a report; an error of the API server there keeps nothing else from being done."""
        try:
            await report
        except KubeError as error:
            return unrecorded(error)
        return Result()

    async def _isolated(
        self,
        key: AccountKey,
        installation: TalkdeskInstallation,
        app: CompiledApp | None,
        role: Role,
        causes: frozenset[Cause],
        problem: Failure | None,
    ) -> Result:
        """Reconcile one; an error of the API server there keeps no other installation from being reconciled."""
        try:
            return await self._reconcile_one(key, installation, app, role, causes, problem)
        except KubeError as error:
            gone = isinstance(error, KubeNotFound) and self._cache.current(installation) is None
            return Result() if gone else unrecorded(error)

    async def _reconcile_one(
        self,
        key: AccountKey,
        installation: TalkdeskInstallation,
        app: CompiledApp | None,
        role: Role,
        causes: frozenset[Cause],
        problem: Failure | None,
    ) -> Result:
        self._notifier.offer(installation)
        wait = _backing_off(installation, causes, self._now())
        if wait is not None:
            return Result((Requeue(wait, Priority.RETRY),))
        if app is not None and not is_ended(installation):
            await self._apps.hold(app.resource)
        tenant = self._cache.tenant(key)
        installation, blocked = await self._with_finalizer(installation)
        scope = Scope(
            now=self._now(),
            app=app,
            installation=installation,
            role=role,
            tenant=tenant,
            resync=Cause.RESYNC in causes or _is_requested(installation, tenant),
            background=causes == {Cause.RESYNC},
            drifted=self._has_drifted(tenant, causes),
            failure=problem or blocked,
        )
        outcome = await self._installations.reconcile(scope)
        return Result(tuple(self._requeues(outcome, app)), failed=outcome.status.retry is not None)

    async def _report_unreadable(self, key: AccountKey) -> Failure | None:
        """Report objects that can't be read in their status; the Failure keeps the whole account as it is."""
        problems = self._cache.unreadable(key)
        for problem in problems:
            message = shorten(f"this version of the operator can't read it: {problem.reason}", _MESSAGE_LENGTH)
            if message != problem.reported:
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
                with suppress(KubeError):  # the reconcile that follows is what matters
                    await self._cluster.write_stalled(place, Reason.INTERNAL_ERROR, _FAULT)

    async def _with_finalizer(self, installation: TalkdeskInstallation) -> tuple[TalkdeskInstallation, Failure | None]:
        """Add our finalizer to an object that a person made without it, before anything is made for it.

        Return the failure that keeps us from that. Raises KubeConflict and KubeNotFound: another look is needed.
        """
        metadata = installation.metadata
        if FINALIZER in metadata.finalizers or metadata.deletion_timestamp is not None:
            return installation, None
        try:
            await self._cluster.add_finalizer(installation)
        except (KubeConflict, KubeNotFound):
            raise
        except KubeError as error:
            return installation, cluster_failure(error)
        return self._cache.current(installation) or installation, None

    def _has_drifted(self, tenant: TalkdeskTenant | None, causes: frozenset[Cause]) -> bool:
        """Return whether a drift is to be put right now; one that waits for its back-off is not, whatever the cause."""
        known = tenant.metadata if tenant is not None else None
        when = self._ledger.next_time(known.namespace, known.name) if known is not None else None
        return when <= self._now() if when is not None else Cause.DRIFT in causes

    def _drift_requeue(self, key: AccountKey) -> Iterator[Requeue]:
        """Yield when a drift is to be put right that waits for its back-off; what is overdue waits for the retry."""
        tenant, now = self._cache.tenant(key), self._now()
        when = self._ledger.next_time(key.namespace, tenant.metadata.name) if tenant is not None else None
        if when is not None and when > now:
            yield Requeue(when - now, Priority.CHANGED)

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
    ready = find(status.conditions, ConditionType.READY)
    if ready is not None and ready.reason == Reason.INTERNAL_ERROR:
        return None  # the fault may be mended, and its report ends with the next reconcile
    if causes != {Cause.STARTUP} or retry is None or status.observed_generation != installation.metadata.generation:
        return None
    return retry.next_attempt_time - now if retry.next_attempt_time > now else None
