"""Revisions of apps' templates: each tenant gets the app with its own, and the app's reconcile says who is next.

Whose turn it is stands in the app's status, where all shards see it; everything else follows from the tenants. So
whoever reconciles the app next goes on with the rollout, and whoever reconciles an account knows what it has to be.

Belongs here: reading and keeping revisions, counting, when to count again. Does not belong here: deciding
(`domain.tenant.revision`, `domain.tenant.rollout`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_rollout import RolloutStatus
from talkdesk_crds.conditions import Condition, ConditionType, find
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.revisions import Revision, RevisionStore
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.app_deletion import is_being_deleted
from talkdesk_operator.domain.tenant.revision import assigned, content_of, target, with_content
from talkdesk_operator.domain.tenant.rollout import Follower, Progress, RolloutState, follower_of, progress
from talkdesk_operator.domain.tenant.rollout_words import rolled_out, rollout_event
from talkdesk_operator.reconcilers.app_accounts import AppAccounts
from talkdesk_operator.reconcilers.apps import CompiledApps
from talkdesk_operator.reconcilers.share import Survey
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.lru import LruMap

__all__ = ["RolloutReport", "Rollouts"]

_MAX_KNOWN: Final = 256
_POLL: Final = timedelta(seconds=1)
_POLL_EACH: Final = timedelta(milliseconds=5)
"""How much later the next count comes for each tenant: counting takes a tenth of the time."""
_POLL_STOPPED: Final = 10
"""How many times rarer it is while nobody is moved: an edit of the app is seen at once anyway."""
_STEADY: Final = timedelta(minutes=1)
_STEADY_EACH: Final = timedelta(milliseconds=50)
"""While nothing is rolled out, counting takes a hundredth of the time."""
_SURVEY: Final = 10
"""How many times rarer tenants are counted where others have some of them, and all must be listed."""


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """What the app's status says of a rollout, and when to look again."""

    members: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    poll: timedelta


@dataclass(frozen=True, slots=True)
class _Counted:
    """The app's tenants, as far as they can be read."""

    followers: Sequence[Follower]
    named: frozenset[str] = field(repr=False)
    """All revisions that a tenant has, or is to have."""
    complete: bool
    """Whether all could be read."""


class Rollouts:
    """Implements what `AccountReconciler` asks of revisions."""

    def __init__(
        self,
        cache: Cache,
        cluster: Cluster,
        apps: CompiledApps,
        store: RevisionStore,
        *,
        now: Callable[[], datetime],
        survey: Survey | None = None,
    ) -> None:
        """Take ports; `survey` shows all accounts of an app, None where the cache has them all."""
        self._accounts = AppAccounts(cache, survey)
        self._cluster = cluster
        self._apps = apps
        self._store = store
        self._now = now
        self._contents: LruMap[tuple[str, str], Mapping[str, Any]] = LruMap(_MAX_KNOWN)
        """By the app's uid and the name; the content of a revision never changes."""
        self._kept: LruMap[str, str] = LruMap(_MAX_KNOWN)
        """The revision that is known to be kept, by the app's uid."""
        self._counted: LruMap[str, tuple[datetime, str, int]] = LruMap(_MAX_KNOWN)
        """Until when a count is good enough, and for which revision and generation, by the app's uid."""
        self._log = structlog.get_logger("talkdesk_operator.rollouts")

    async def view(self, app: TalkdeskApp, tenant: TalkdeskTenant | None) -> CompiledApp:
        """Return the app with the template that the tenant is held to. Raises KubeError.

        One that can't be found any more is no reason to leave a customer alone: then the app's own template counts,
        unless a person chose the revision.
        """
        await self._apps.prepare(app)
        own = self._apps.view(app)
        name = assigned(app, tenant, own.revision, usable=_is_usable(own))
        if name == own.revision:
            return own
        found = await self._with_revision(app, name)
        if found is not None:
            return found
        self._log.warning("revision.missing", namespace=app.metadata.namespace, app=app.metadata.name, revision=name)
        chosen = name in {app.spec.template_rollout.revision, tenant.spec.revision if tenant is not None else None}
        problem = f"there is no revision {name} of the template: see `kubectl get controllerrevisions`"
        return replace(own, template=None, problem=problem, revision=name) if chosen else own

    async def _with_revision(self, app: TalkdeskApp, name: str) -> CompiledApp | None:
        key = (app.metadata.uid, name)
        content = self._contents.get(key) or await self._store.read(app, name)
        resource = with_content(app, name, content) if content else None
        if content is None or resource is None:
            return None
        self._contents.put(key, content)
        await self._apps.prepare(resource, name)
        return replace(self._apps.view(resource, name), revision=name)

    async def look(self, app: TalkdeskApp) -> RolloutReport | None:
        """Keep the app's template as a revision, count its tenants and say whose turn it is. Raises KubeError.

        None where there is nothing to say: a template that was never understood.
        """
        own = self._apps.view(app)
        if is_being_deleted(app) or (not _is_usable(own) and app.status.updated_revision is None):
            return None
        wanted = target(app, own.revision)
        steady = self._steady(app, wanted)
        if steady is not None:
            return steady
        if _is_usable(own):
            await self._keep(app, own.revision)
        usable = _is_usable(own) if wanted == own.revision else await self._with_revision(app, wanted) is not None
        counted = await self._count(app)
        found = progress(app, wanted, counted.followers, usable=usable)
        until = self._now() + self._wait(found)
        self._counted.put(app.metadata.uid, (until, wanted, app.metadata.generation))
        if found.state is RolloutState.COMPLETE and counted.complete:
            await self._forget(app, {wanted, own.revision, *counted.named})
        return self._report(app, wanted, found)

    def _steady(self, app: TalkdeskApp, wanted: str) -> RolloutReport | None:
        """Return what was said before, while nothing is rolled out and the tenants were counted lately."""
        known, condition = self._counted.get(app.metadata.uid), find(app.status.conditions, ConditionType.ROLLED_OUT)
        if known is None or condition is None or condition.status != "True":
            return None
        until, revision, generation = known
        left = until - self._now()
        if (revision, generation) != (wanted, app.metadata.generation) or left <= timedelta():
            return None
        return RolloutReport({}, (condition,), left)

    def _report(self, app: TalkdeskApp, wanted: str, found: Progress) -> RolloutReport:
        complete = found.state is RolloutState.COMPLETE
        members: dict[str, Any] = {
            "current_revision": wanted if complete else app.status.current_revision,
            "updated_revision": wanted,
            "rollout": RolloutStatus(wave=found.wave) if found.wave else None,
            "tenants": found.counts,
        }
        poll = self._wait(found)
        return RolloutReport(members, (rolled_out(app, wanted, found, self._now()),), poll)

    def _wait(self, found: Progress) -> timedelta:
        """Return after how long it is worth the trouble to count again."""
        total = found.counts.total
        if found.state is RolloutState.COMPLETE:
            wait = max(_STEADY, _STEADY_EACH * total)
        else:
            stopped = found.state is not RolloutState.GOING_ON
            wait = max(_POLL, _POLL_EACH * total) * (_POLL_STOPPED if stopped else 1)
        return wait * _SURVEY if self._accounts.surveyed else wait

    async def report(self, app: TalkdeskApp, found: RolloutReport) -> None:
        """Emit an Event for what is new and worth one."""
        for condition in found.conditions:
            event = rollout_event(app, condition)
            if event is not None:
                await self._cluster.emit_event(app, event)

    async def _keep(self, app: TalkdeskApp, name: str) -> None:
        """Keep the app's template as a revision, once."""
        if self._kept.get(app.metadata.uid) == name:
            return
        known = await self._store.list(app)
        if all(each.name != name for each in known):
            number = 1 + max((each.number for each in known), default=0)
            await self._store.create(app, Revision(name, number, content_of(app)))
            self._log.info(
                "revision.created",
                namespace=app.metadata.namespace,
                app=app.metadata.name,
                revision=name,
                number=number,
            )
        self._kept.put(app.metadata.uid, name)

    async def _forget(self, app: TalkdeskApp, used: set[str]) -> None:
        """Delete the oldest revisions of those that nobody has; a failure leaves them for the next time."""
        if app.status.current_revision == app.status.updated_revision:
            return  # nothing was rolled out
        limit = app.spec.template_rollout.revision_history_limit
        try:
            unused = [each for each in await self._store.list(app) if each.name not in used]
            for each in unused[: max(len(unused) - limit, 0)]:
                await self._store.delete(app, each)
        except KubeError as error:
            self._log.warning(
                "revision.not_deleted", namespace=app.metadata.namespace, app=app.metadata.name, error=str(error)
            )

    async def _count(self, app: TalkdeskApp) -> _Counted:
        now, followers, named, complete = self._now(), [], set[str](), True
        async for key, cache in self._accounts(app):
            tenant = cache.tenant(key)
            complete = complete and not cache.unreadable(key)
            follower = follower_of(app, tenant, cache.installations(key), now)
            if follower is not None and tenant is not None:
                followers.append(follower)
                named |= {each for each in (tenant.status.revision, tenant.spec.revision) if each is not None}
        return _Counted(followers, frozenset(named), complete)


def _is_usable(view: CompiledApp) -> bool:
    return view.template is not None and not view.problem
