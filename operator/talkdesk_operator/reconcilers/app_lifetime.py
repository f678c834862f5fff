"""Hold a TalkdeskApp by a finalizer while it has customers; count what is left, and what an edit will delete.

Only an app that has or had a customer carries the finalizer, so that any other goes at once. It is added before
anything is done for the first customer. A failure to add it holds up no customer: it is tried again after the next
change.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, is_true
from talkdesk_crds.names import APP_FINALIZER
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.app_deletion import deletion_blocked, is_being_deleted
from talkdesk_operator.domain.tenant.edit_grace import held_until
from talkdesk_operator.domain.tenant.pending_deletions import deletion_pending
from talkdesk_operator.reconcilers.app_counts import AppCounts
from talkdesk_operator.reconcilers.share import Survey
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.lru import LruMap

__all__ = ["AppLifetime"]

_POLL: Final = timedelta(seconds=5)
_POLL_EDIT: Final = timedelta(minutes=5)
_MAX_APPS: Final = 256


class AppLifetime:
    """Adds and removes the finalizer, and counts what is left."""

    def __init__(
        self, cache: Cache, cluster: Cluster, now: Callable[[], datetime], *, survey: Survey | None = None
    ) -> None:
        """Take ports; `survey` shows all accounts of an app, None where the cache has them all."""
        self._counts = AppCounts(cache, now, survey)
        self._cluster = cluster
        self._now = now
        self._tried: LruMap[str, str] = LruMap(_MAX_APPS)
        """The version of each app at which the finalizer was tried last, by uid."""
        self._log = structlog.get_logger("talkdesk_operator.apps")

    async def hold(self, app: TalkdeskApp) -> None:
        """Add the finalizer where it is missing; whoever else tries at this moment counts as done."""
        metadata = app.metadata
        if APP_FINALIZER in metadata.finalizers or is_being_deleted(app):
            return
        if self._tried.get(metadata.uid) == metadata.resource_version:
            return
        self._tried.put(metadata.uid, metadata.resource_version)
        try:
            await self._cluster.add_finalizer(app, APP_FINALIZER)
        except KubeError as error:
            self._log.warning("app.not_held", namespace=metadata.namespace, app=metadata.name, error=str(error))

    async def release(self, view: CompiledApp) -> tuple[Condition, ...] | None:
        """Remove the finalizer of an app that is being deleted and has no customers left, and return None.

        For any other app return the conditions that say what is left, or what will be deleted by an edit: none unless
        it is being deleted or was edited. Raises KubeError.
        """
        app = view.resource
        until, held = held_until(app, self._now()), _is_held(app)
        if until is None and not held:
            return ()
        counts = await self._counts.look(view, until, deleting=held)
        blocked = (deletion_blocked(app, counts.remaining, self._now()),) if held else ()
        if held and not counts.remaining:
            await self._cluster.remove_finalizer(app, APP_FINALIZER)
            return None
        pending = deletion_pending(app, counts.pending, until, self._now()) if until is not None else None
        return (pending, *blocked) if pending is not None else blocked

    async def report(self, app: TalkdeskApp, conditions: Sequence[Condition]) -> None:
        """Emit an Event for the first of these conditions that the app did not have before."""
        for condition in conditions:
            if not is_true(app.status.conditions, ConditionType(condition.type)):
                event = EventDraft(warning=True, reason=condition.reason, message=condition.message, action="Delete")
                await self._cluster.emit_event(app, event)

    def poll(self, app: TalkdeskApp) -> timedelta | None:
        """Return after how long the app's customers are to be counted again; None for never."""
        if _is_held(app):
            return max(_POLL, self._counts.wait(app))
        until = held_until(app, self._now())
        return None if until is None else max(min(until - self._now(), _POLL_EDIT), _POLL)


def _is_held(app: TalkdeskApp) -> bool:
    """Return whether the app is being deleted, and waits for its customers."""
    return is_being_deleted(app) and APP_FINALIZER in app.metadata.finalizers
