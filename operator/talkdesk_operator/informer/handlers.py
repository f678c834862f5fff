"""kopf's handlers: each event of our three kinds goes into cache and queue; those of the leader's Lease into health.

Belongs here: the handlers, and what a new version of an object queues. Does not belong here: deciding anything, kopf's
settings (`kopf_watch`). There are only `on.event` handlers, because all others make kopf write to the objects.
"""

from collections.abc import Callable, Mapping, Sequence
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
    """Events into cache and queue."""

    def __init__(
        self,
        cache: InformerCache,
        queue: WorkQueue,
        health: Health,
        *,
        prioritize: Prioritize,
        now: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._health = health
        self._prioritize = prioritize
        self._now = now

    def registry(self, *, lease: bool) -> kopf.OperatorRegistry:
        """Return a registry with all handlers; the Lease's only where there is one to watch."""
        registry = kopf.OperatorRegistry()
        for kind in KINDS:
            kopf.on.event(GROUP, VERSION, kind.INFO.plural, id="object", registry=registry)(self.on_object)
        if lease:
            kopf.on.event(*LEASES, id="lease", registry=registry)(self.on_lease)
        return registry

    async def on_object(self, event: kopf.RawEvent, **_: Any) -> None:
        """Take an event of one of our kinds."""
        self._health.record_event()
        raw = dict(event["object"])
        change = self._cache.remove(raw) if event["type"] == "DELETED" else self._cache.observe(raw)
        for key in change.keys:
            if raw["kind"] == TalkdeskApp.INFO.kind:
                self._queue.add(key, Priority.CHANGED, cause=Cause.WATCH)  # its accounts come after urgent ones
            else:
                self.enqueue(key, Cause.WATCH)

    async def on_lease(self, **_: Any) -> None:
        """Take an event of the Lease: it shows that watches work."""
        self._health.record_event()

    def on_own_write(self, raw: Mapping[str, Any]) -> None:
        """Take the answer to a write of ours. Queue the account only if somebody else had changed the object before."""
        change = self._cache.put(raw)
        if change.by_others:
            for key in change.keys:
                self.enqueue(key, Cause.WATCH)

    def enqueue(self, key: AccountKey, cause: Cause) -> None:
        """Queue an account by its urgency; drop it from the queue's records when nothing of it is left."""
        if key.is_app:
            self._queue.add(key, Priority.CHANGED, cause=cause)
            return
        if key not in self._cache:
            self._queue.forget(key)
            return
        priority, order = self._prioritize(self._cache.installations(key), self._now())
        self._queue.add(key, priority, order, cause=cause)
