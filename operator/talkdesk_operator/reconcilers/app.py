"""Reconcile a TalkdeskApp: its status, its end, and how far a change of its template has come.

Belongs here: the order of these. Does not belong here: what each says (`apps`, `app_lifetime`, `rollouts`).
"""

from collections.abc import Callable
from datetime import datetime

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import ConditionType, find
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.reconcilers.app_lifetime import AppLifetime
from talkdesk_operator.reconcilers.apps import CompiledApps
from talkdesk_operator.reconcilers.results import together, unrecorded
from talkdesk_operator.reconcilers.rollouts import RolloutReport, Rollouts
from talkdesk_operator.reconcilers.share import Share
from talkdesk_operator.workqueue.contract import Requeue, Result
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["AppReconciler"]


class AppReconciler:
    """What accounts need of their app, and the app's own reconcile."""

    def __init__(
        self,
        cache: Cache,
        cluster: Cluster,
        apps: CompiledApps,
        *,
        now: Callable[[], datetime],
        share: Share,
        rollouts: Rollouts | None = None,
    ) -> None:
        """Take ports. Without `rollouts` there are no revisions: each tenant has the app's template as it is."""
        self._cache = cache
        self._apps = apps
        self._rollouts = rollouts
        self._lifetime = AppLifetime(cache, cluster, now, survey=share.survey)

    async def prepare_all(self) -> None:
        """Compile all apps, each beside the event loop if it is large."""
        for each in tuple(self._cache.apps()):
            await self._apps.prepare(each)

    async def view(self, app: TalkdeskApp, tenant: TalkdeskTenant | None) -> CompiledApp:
        """Return the app with the template that the account's tenant is held to. Raises KubeError."""
        if self._rollouts is not None:
            return await self._rollouts.view(app, tenant)
        await self._apps.prepare(app)
        return self._apps.view(app)

    async def hold(self, app: TalkdeskApp) -> None:
        """Keep the app, which has a customer."""
        await self._lifetime.hold(app)

    async def reconcile(self, app: TalkdeskApp) -> Result:
        """Write the app's status, or let it go when it is being deleted and no customer is left. Raises KubeError."""
        conditions = await self._lifetime.release(self._apps.view(app))
        if conditions is None:
            return Result()
        rollout, failed = await self._look_at_rollout(app)
        before = find(app.status.conditions, ConditionType.ROLLED_OUT)
        said = rollout.conditions if rollout is not None else () if before is None else (before,)
        members = rollout.members if rollout is not None else None
        review = await self._apps.write_status(app, (*conditions, *said), members)
        await self._lifetime.report(app, conditions)
        if rollout is not None and self._rollouts is not None:
            await self._rollouts.report(app, rollout)
        polls = (self._lifetime.poll(app), review, rollout.poll if rollout is not None else None)
        poll = min((each for each in polls if each is not None), default=None)
        return together((Result(() if poll is None else (Requeue(poll, Priority.RETRY),)), failed))

    async def _look_at_rollout(self, app: TalkdeskApp) -> tuple[RolloutReport | None, Result]:
        """Return how far a rollout is; an error of the API server there keeps nothing else from being said."""
        if self._rollouts is None:
            return None, Result()
        try:
            return await self._rollouts.look(app), Result()
        except KubeError as error:
            return None, unrecorded(error)
