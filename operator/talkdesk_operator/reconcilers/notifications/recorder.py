"""Recording what came of deliveries, between the reconciles of an account.

Belongs here: one conditional write of the status. Does not belong here: what it says (`domain.notifications.outbox`).
"""

from collections.abc import Callable

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.installation.kube_events import events_for
from talkdesk_operator.domain.notifications.outbox import settled
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.deadlines import is_ended
from talkdesk_operator.reconcilers.account_turns import AccountTurns
from talkdesk_operator.reconcilers.notifications.notifier import Notifier
from talkdesk_operator.reconcilers.transitions import Transitions
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeConflict, KubeNotFound

__all__ = ["Recorder"]

_TRIES = 5


class Recorder:
    """Writes statuses; `wake` is told of an account whose objects may go once everything was told."""

    def __init__(
        self,
        cache: Cache,
        cluster: Cluster,
        *,
        clock: Clock,
        chance: Callable[[], float],
        wake: Callable[[AccountKey], None],
    ) -> None:
        """Take ports; `chance` returns a random number from 0 to 1, which spreads attempts."""
        self._cache = cache
        self._cluster = cluster
        self.turns = AccountTurns()
        self._clock = clock
        self._chance = chance
        self._wake = wake
        self._transitions = Transitions(cluster)

    async def record(self, installation: TalkdeskInstallation, notifier: Notifier) -> None:
        """Write what there is to write, if anything. Raises KubeError."""
        async with self.turns.of(_account(installation)):
            for attempt in range(_TRIES):
                try:
                    written = await self._write(installation, notifier)
                except KubeNotFound:
                    return
                except KubeConflict:  # the cache has seen the newer version
                    if attempt == _TRIES - 1:
                        raise
                else:
                    break
        if written:
            self.wake_if_told(installation)

    def wake_if_told(self, installation: TalkdeskInstallation) -> None:
        """Have an object looked at that waited for its notifications to be told, and that may go now."""
        known = self._cache.current(installation)
        outbox = known.status.notifications if known is not None else None
        if known is not None and (outbox is None or not outbox.pending) and _may_go(known):
            self._wake(_account(known))

    async def _write(self, installation: TalkdeskInstallation, notifier: Notifier) -> bool:
        """Return whether something was written beside what came of deliveries."""
        known = self._cache.current(installation)
        app = self._cache.app(installation.metadata.namespace, installation.app)
        if known is None or app is None:
            return False
        made, now = notifier.deliveries(known), self._clock.now()
        generation, before = known.metadata.generation, known.status
        status = settled(before, app, made, now, jitter=self._chance(), generation=generation)
        if status != before:
            await self._cluster.write_installation_status(known, status)
        notifier.recorded(known, made)
        if status == before:
            return False
        await self._transitions.report(known, events_for(before, status))
        return not made


def _account(installation: TalkdeskInstallation) -> AccountKey:
    return AccountKey(installation.metadata.namespace, installation.app, installation.spec.account_id)


def _may_go(installation: TalkdeskInstallation) -> bool:
    return installation.metadata.deletion_timestamp is not None or is_ended(installation)
