"""kopf's handlers: each event of our three kinds goes into cache and queue; those of the leader's Lease into health.

Belongs here: the handlers, and what a new version of an object queues. Does not belong here: deciding anything, kopf's
settings (`kopf_watch`). There are only `on.event` handlers, because all others make kopf write to the objects.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import kopf

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import KINDS, Change, InformerCache
from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_operator.observability.probes import Health
from talkdesk_operator.workqueue.queue import Cause, Priority, WorkQueue
from talkdesk_runtime.time_slice import TimeSlice

__all__ = ["Handlers", "Prioritize"]

_OURS: Final = frozenset(kind.INFO.kind for kind in KINDS)

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
        queueing: bool = True,
        on_lease: Callable[[Mapping[str, Any]], object] = lambda _: None,
    ) -> None:
        """Queue nothing at first where `queueing` is false; `on_lease` gets each version of the Lease."""
        self._cache = cache
        self._queue = queue
        self._health = health
        self._prioritize = prioritize
        self._now = now
        self._queueing = queueing
        self._on_lease = on_lease

    async def start_queueing(self, cause: Cause) -> None:
        """Queue all that the cache has, and from now on what changes."""
        self._queueing = True
        turn = TimeSlice()
        for key in self._cache.account_keys():
            self.enqueue(key, cause)
            await turn.pause()

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
        change = self._take(event)
        await self.enqueue_all(str(event["object"]["kind"]), change.keys, Cause.WATCH)

    def observe(self, event: Mapping[str, Any]) -> None:
        """Take an event before kopf brings it, while nothing is queued: the cache is as new as the watch then.

        Afterwards it would take from kopf's event what is to be queued.
        """
        if not self._queueing and event["object"].get("kind") in _OURS:
            self._take(event)

    def _take(self, event: Mapping[str, Any]) -> Change:
        raw = dict(event["object"])
        return self._cache.remove(raw) if event["type"] == "DELETED" else self._cache.observe(raw)

    async def changed(self, kind: str, keys: Collection[AccountKey]) -> None:
        """Queue what a listing showed to have changed, once anything is queued."""
        await self.enqueue_all(kind, keys, Cause.WATCH)

    async def enqueue_all(self, kind: str, keys: Collection[AccountKey], cause: Cause) -> None:
        """Queue the accounts that must be reconciled because an object of the kind changed; those of an app are many.

        The accounts of an app come after urgent ones. A tenant makes nothing urgent: what is pending keeps its place.
        """
        turn = TimeSlice()
        for key in keys if self._queueing else ():
            of_app = kind == TalkdeskApp.INFO.kind and not key.is_app
            if of_app or (kind == TalkdeskTenant.INFO.kind and key in self._queue):
                self._queue.add(key, Priority.CHANGED, cause=cause)
            else:
                self.enqueue(key, cause)
            await turn.pause()

    async def on_lease(self, event: kopf.RawEvent, **_: Any) -> None:
        """Take an event of the Lease: it shows that watches work, and to a candidate who has it."""
        self._health.record_event()
        if event["type"] != "DELETED":
            self._on_lease(event["object"])

    def on_own_write(self, raw: Mapping[str, Any]) -> None:
        """Take the answer to a write of ours. Queue the account only if somebody else had changed the object before.

        And, of an app, the accounts whose turn it is by what we wrote.
        """
        change = self._cache.put(raw)
        for key in (change.keys if change.by_others else change.woken) if self._queueing else ():
            self.enqueue(key, Cause.WATCH)

    def enqueue(self, key: AccountKey, cause: Cause) -> None:
        """Queue an account by its urgency; drop it from the queue's records when nothing of it is left."""
        if key.is_app:
            self._queue.note_app(key, exists=self._cache.has_app(key.namespace, key.app))
            self._queue.add(key, Priority.CHANGED, cause=cause)
            return
        if key not in self._cache:
            self._queue.forget(key)
            return
        priority, order = self._prioritize(self._cache.installations(key), self._now())
        self._queue.add(key, priority, order, cause=cause)
