"""What an app lacks in the cluster: rights, kinds, Secrets. It is said at the app before the first customer meets it.

Belongs here: looking, and when to look again. Does not belong here: the app's status (`apps`), which rights an app
needs (`domain.reconcile.access`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.names import APP_FINALIZER
from talkdesk_crds.secret_hosts import host_of, host_of_template, hosts_problem
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.access import AccessReport, AccessReviews
from talkdesk_operator.domain.reconcile.access_words import access_condition, missing_in_words
from talkdesk_operator.domain.reconcile.failure import Failure, RetryClass
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.reconcilers.hooks.targets import target_of
from talkdesk_operator.reconcilers.template_trial import template_problem
from talkdesk_operator.reconcilers.users.token import read_token
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.lru import LruMap

__all__ = ["AppReview", "AppReviews"]

_MAX_REVIEWS: Final = 256
_AGAIN: Final = timedelta(seconds=20)
"""A right that is granted, a kind, or a Secret changes no object of ours, so nothing else tells that it is there."""
_NO_HOST: Final = "has no host that can be read, where something like https://app.example.com is needed"
_VALID: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class AppReview:
    """What is missing in the cluster, and when that was looked at."""

    time: datetime
    missing: Failure | None = None
    """Why the app can't be used; None where nothing is known that keeps it from being used."""
    access: AccessReport | None = None
    """None where nobody asked."""
    failed: bool = False
    """Whether the last look failed, so that this is what was known before it."""

    @property
    def again(self) -> timedelta | None:
        """After what time to look again; None where nothing can be missing."""
        if self.missing is not None or self.failed or (self.access is not None and self.access.is_waited_for):
            return _AGAIN
        return _VALID if self.access is not None else None

    def conditions(self, app: TalkdeskApp, now: datetime) -> Iterator[Condition]:
        """Yield the condition AccessReady; after a look that failed the one that is there."""
        if self.access is not None:
            yield access_condition(self.access, app.metadata.generation, now)
        elif self.failed and (known := find(app.status.conditions, ConditionType.ACCESS_READY)) is not None:
            yield known


class AppReviews:
    """Looks, and remembers for each generation of an app what it saw."""

    def __init__(self, cluster: Cluster, now: Callable[[], datetime], access: AccessReviews | None = None) -> None:
        """Take ports; without `access` nothing is said of rights."""
        self._cluster = cluster
        self._now = now
        self._access = access
        self._reviewed: LruMap[tuple[str, int], AppReview] = LruMap(_MAX_REVIEWS)

    async def look(self, view: CompiledApp) -> AppReview:
        """Return what is missing, as far as that is known: a look that fails is taken again later."""
        metadata, now = view.resource.metadata, self._now()
        goes = metadata.deletion_timestamp is not None and APP_FINALIZER not in metadata.finalizers
        if view.problem or goes:
            return AppReview(now)
        known = self._reviewed.get((metadata.uid, metadata.generation))
        if known is not None and now < known.time + (known.again or _VALID) / 2:
            return known
        found = known or AppReview(now)
        try:
            trial = await template_problem(view, self._cluster)
            found = replace(found, missing=trial or found.missing)
            access = await self._access.review(view) if self._access is not None else None
            missing = trial or _missing_rights(access) or await self._missing_secret(view.resource)
            missing = missing or _wrong_endpoint(view)
        except KubeError:
            return replace(found, failed=True)
        found = AppReview(now, missing, access)
        self._reviewed.put((metadata.uid, metadata.generation), found)
        return found

    async def _missing_secret(self, app: TalkdeskApp) -> Failure | None:
        for look in (self._missing_token, self._missing_key, self._missing_hook, self._missing_signature):
            if (missing := await look(app)) is not None:
                return missing
        return None

    async def _missing_signature(self, app: TalkdeskApp) -> Failure | None:
        """Return what is wrong with the Secrets of endpoints that are told what happens."""
        for each in app.spec.notifications:
            place = f"notifications {each.name}"
            if not host_of(each.url):
                return Failure(Reason.INVALID_SPEC, f"{place}: url {_NO_HOST}", RetryClass.SLOW)
            found = await target_of(self._cluster.read_secret, app.metadata.namespace, place, each, each.url, {})
            if isinstance(found, Failure):
                return replace(found, reason=Reason.NOTIFICATION_KEY_MISSING, message=f"{place}: {found.message}")
        return None

    async def _missing_hook(self, app: TalkdeskApp) -> Failure | None:
        """Return what is wrong with the Secrets of steps that call a service, as far as their hosts are known."""
        for step in app.spec.tenant.steps:
            if step.http is None or (host := host_of_template(step.http.url)) == "":
                continue
            url = None if host is None else step.http.url
            found = await target_of(self._cluster.read_secret, app.metadata.namespace, step.name, step.http, url, {})
            if isinstance(found, Failure):
                return replace(found, message=f"step {step.name}: {found.message}")
        return None

    async def _missing_token(self, app: TalkdeskApp) -> Failure | None:
        """Return what is wrong with the Secret of the SCIM service: otherwise the first customer meets it."""
        scim = app.spec.users.scim if app.spec.users is not None else None
        if scim is None:
            return None
        host, ref = host_of_template(scim.url), scim.token_secret_ref
        if host == "":
            return Failure(Reason.USERS_FAILED, f"users.scim.url {_NO_HOST}", RetryClass.SLOW)
        token = await read_token(self._cluster.read_secret, app.metadata.namespace, ref, host)
        return token if isinstance(token, Failure) else None

    async def _missing_key(self, app: TalkdeskApp) -> Failure | None:
        """Return why the webhook can sign no logout, as far as that is seen without the key."""
        logout, namespace = app.spec.logout, app.metadata.namespace
        if logout is None:
            return None
        name = logout.secret_ref.name
        if not host_of(logout.url):
            return _no_logout(f"logout.url {_NO_HOST}")
        secret = await self._cluster.read_secret(namespace, name)
        if secret is None:
            return _no_logout(f"there is no Secret {name}, which should hold the key that logouts are signed with")
        problem = hosts_problem(namespace, name, secret.metadata, host_of(logout.url))
        return _no_logout(problem) if problem else None


def _no_logout(message: str) -> Failure:
    return Failure(Reason.LOGOUT_KEY_MISSING, message, RetryClass.SLOW)


def _wrong_endpoint(view: CompiledApp) -> Failure | None:
    """Return what is wrong with an endpoint that is told what happens; it keeps no customer from being set up."""
    problem = next((each.problem for each in view.endpoints if each.problem), "")
    return Failure(Reason.INVALID_SPEC, problem, RetryClass.SLOW) if problem else None


def _missing_rights(access: AccessReport | None) -> Failure | None:
    if access is None or not access.missing:
        return None
    words = f"{missing_in_words(access.missing)}. The condition AccessReady has YAML that grants them"
    return Failure(Reason.ACCESS_MISSING, words, RetryClass.SLOW)
