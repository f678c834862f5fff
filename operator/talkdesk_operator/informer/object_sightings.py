"""What is seen of tenants' objects, as work for the queue: drift is put right, and a tenant that waits is looked at.

    sighting ──▶ of a tenant that waits? ──▶ look at it now, at most once a second
             └─▶ drift of a planned object? ──▶ ledger ──▶ queue, now or after the back-off of a dispute

Belongs here: which sighting means what, by the cache. Does not belong here: seeing (`adapters.kubernetes.drift`), how
often a drift is put right (`domain.tenant.drift_ledger`).
"""

from collections.abc import Callable
from datetime import datetime

from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Sighting, Target
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.domain.tenant.missed_drift import is_disputed, missed_drift
from talkdesk_operator.domain.tenant.waiting import WaitingTenants
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.workqueue.queue import Cause, Priority, WorkQueue
from talkdesk_runtime.time_slice import TimeSlice

__all__ = ["ObjectSightings"]


class ObjectSightings:
    """Takes what the drift watches see."""

    def __init__(
        self,
        cache: InformerCache,
        queue: WorkQueue,
        ledger: DriftLedger,
        waiting: WaitingTenants,
        *,
        count: Callable[[str], object],
        now: Callable[[], datetime],
    ) -> None:
        """Take what to ask and what to tell; `count` gets the kind of each object that has drifted."""
        self._cache = cache
        self._queue = queue
        self._ledger = ledger
        self._waiting = waiting
        self._count = count
        self._now = now

    def seen(self, sighting: Sighting) -> None:
        """Take one sighting."""
        key = self._cache.key_of_tenant(*sighting.place)
        if key is None:
            return
        look_at = self._waiting.changed(*sighting.place, self._now())
        if look_at is not None:
            self._add(key, look_at, Cause.WATCH)
        if sighting.change is Change.DRIFTED or (sighting.change is Change.DELETED and self._is_planned(key, sighting)):
            self._drifted(key, sighting)

    async def audit(self, target: Target, listed: DriftDetector) -> None:
        """Compare the first listing of a target with what the tenants of its app have on record."""
        turn = TimeSlice()
        for key, tenant in self._cache.tenants_of_app(target.namespace, target.app):
            for sighting in missed_drift(tenant, target, listed):
                self._drifted(key, sighting)
            if is_disputed(tenant):
                name = str(tenant["metadata"]["name"])
                self._add(key, self._ledger.disputed_before(target.namespace, name, self._now()), Cause.DRIFT)
            await turn.pause()

    def _drifted(self, key: AccountKey, sighting: Sighting) -> None:
        self._count(sighting.target.kind)
        self._add(key, self._ledger.seen(sighting, self._now()), Cause.DRIFT)

    def _is_planned(self, key: AccountKey, sighting: Sighting) -> bool:
        """Return whether an object that is gone should be there: we delete some ourselves, but none that is planned.

        A Job that has completed may go.
        """
        tenant = self._cache.tenant(key)
        if not isinstance(tenant, TalkdeskTenant) or tenant.spec.state is TenantState.OFFBOARDED:
            return False
        planned = {(each.group, each.kind, each.namespace, each.name) for each in tenant.spec.objects}
        inventory = tenant.status.inventory
        done = {(each.group, each.kind, each.namespace, each.name) for each in inventory if each.completed_inputs}
        return not sighting.name or sighting.object in planned - done

    def _add(self, key: AccountKey, when: datetime, cause: Cause) -> None:
        delay = (when - self._now()).total_seconds()
        if delay <= 0:
            self._queue.add(key, Priority.CHANGED, cause=cause)
        else:
            self._queue.add_after(key, delay, Priority.CHANGED, cause=cause)
