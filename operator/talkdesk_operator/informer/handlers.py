"""kopf's part: watches of our three kinds and of the leader's own Lease, each event into store and queue.

Belongs here: the handlers. Does not belong here: deciding anything, kopf's settings (`watching`). There are only
`on.event` handlers, because all others make kopf write to the objects.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import kopf

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_operator.observability.probes import Health
from talkdesk_operator.workqueue.queue import Cause, Priority, WorkQueue

__all__ = ["Handlers", "Prioritize"]

Prioritize: TypeAlias = Callable[[Sequence[TalkdeskInstallation], datetime], tuple[Priority, float]]
"""Gives the class of an account's work, and its order in it, from its installations and the present moment."""


class Handlers:
    """Events into store and queue."""

    def __init__(
        self,
        store: InformerCache,
        queue: WorkQueue,
        health: Health,
        *,
        prioritize: Prioritize,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._queue = queue
        self._health = health
        self._prioritize = prioritize
        self._now = now

    def registry(self, *, lease: bool) -> kopf.OperatorRegistry:
        """Return a registry with all handlers; the Lease's only where there is one to watch."""
        registry = kopf.OperatorRegistry()
        for kind in KINDS:
            kopf.on.event(GROUP, VERSION, kind.INFO.plural, id="changed", registry=registry)(self.changed)
        if lease:
            kopf.on.event(*LEASES, id="renewed", registry=registry)(self.renewed)
        return registry

    async def changed(self, event: kopf.RawEvent, **_: Any) -> None:
        """Take an event of one of our kinds."""
        self._health.heard()
        raw = dict(event["object"])
        gone = event["type"] == "DELETED"
        change = self._store.remove(raw) if gone else self._store.observe(raw)
        for key in change.keys:
            if raw["kind"] == TalkdeskApp.INFO.kind:
                self._queue.add(key, Priority.CHANGED, cause=Cause.WATCH, evidence=change.evidence)
            else:
                self.enqueue(key, Cause.WATCH, change.evidence)

    async def renewed(self, **_: Any) -> None:
        """Take an event of the Lease: watches are alive."""
        self._health.heard()

    def enqueue(self, key: AccountKey, cause: Cause, evidence: str = "") -> None:
        """Queue an account by its urgency; forget it when nothing of it is left."""
        if key.is_app:
            self._queue.add(key, Priority.CHANGED, cause=cause, evidence=evidence)
            return
        if key not in self._store:
            self._queue.forget(key)
            return
        priority, order = self._prioritize(self._store.installations(key), self._now())
        self._queue.add(key, priority, order, cause=cause, evidence=evidence)
