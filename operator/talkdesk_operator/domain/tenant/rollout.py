"""Which tenants are moved to another revision of the template next: a few at a time, and no further while they fail.

All of it is computed anew from the tenants as they are: nothing has to be remembered, so another process goes on where
one ended. Tenants have an order that never changes, by a hash of their names; whom a revision broke comes first.

Belongs here: what counts of one tenant, and the next wave. Does not belong here: words about it (`rollout_words`),
which revision one tenant is held to (`revision`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_rollout import MAX_WAVE, Canary, TenantCounts
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, is_true
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import digest
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.ownership import is_alive

__all__ = ["Follower", "Progress", "RolloutState", "follower_of", "progress"]

_OVERDUE: Final = timedelta(minutes=10)
"""A tenant that was not ready for so long counts as failing."""
_UNDER_WAY: Final = frozenset(
    {Reason.NOT_READY, Reason.PENDING, Reason.PROGRESSING, Reason.CLUSTER_UNAVAILABLE, Reason.APPLIED}
)
"""Reasons of a tenant that is not ready which prove nothing against the template."""


@dataclass(frozen=True, slots=True)
class Follower:
    """One tenant in use."""

    name: str
    revision: str = ""
    """The one that it is held to; empty while nothing was applied."""
    ready: bool = True
    failing: bool = False
    reason: str = ""
    """Why it is not ready."""
    blamed: bool = False
    """Whether it is not ready, and was so before it got its revision."""
    held: bool = False
    """Whether no rollout moves it."""
    blocked: bool = False
    """Whether it is ready but its installation is not, so that it may not be moved although it is its turn."""
    canary: bool = False
    """Whether it has the labels of the canaries."""

    @property
    def rank(self) -> tuple[bool, bool, str]:
        """Its place in the order: what already fails first, what can't be moved last."""
        return self.blocked, not self.failing, digest(self.name)


class RolloutState(Enum):
    """How a rollout stands."""

    COMPLETE = auto()
    GOING_ON = auto()
    PAUSED = auto()
    """By a person."""
    FAILING = auto()
    """Tenants fail with the new revision."""
    NO_CANARY = auto()
    """No tenant has the labels of the canaries."""
    UNUSABLE = auto()
    """The revision can't be used for any tenant."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is, and who is next."""

    state: RolloutState
    counts: TenantCounts
    wave: tuple[str, ...] = ()
    """Names of the tenants that are to be moved now."""
    failing: tuple[Follower, ...] = ()
    """Those that fail since they have the revision."""
    waiting: tuple[Follower, ...] = ()
    """Those that are not ready since they have the revision, and don't fail."""


def follower_of(
    app: TalkdeskApp, tenant: TalkdeskTenant | None, installations: Sequence[TalkdeskInstallation], now: datetime
) -> Follower | None:
    """Return what counts of an account's tenant; None unless it is in use."""
    if tenant is None or tenant.spec.state is TenantState.OFFBOARDED:
        return None
    alive = [each for each in installations if is_alive(each)]
    spec, status = tenant.spec, tenant.status
    ready = find(status.conditions, ConditionType.READY)
    since = ready.last_transition_time if ready is not None else None
    is_ready = ready is not None and ready.status == "True"
    got = status.revision_time
    canary = app.spec.template_rollout.canary
    return Follower(
        name=tenant.metadata.name,
        revision=status.revision or "",
        ready=is_ready,
        failing=not is_ready and _fails(ready, now),
        reason="" if ready is None or is_ready else ready.reason,
        blamed=not is_ready and since is not None and got is not None and since >= got.replace(microsecond=0),
        held=spec.paused or spec.revision is not None or all(each.spec.paused for each in alive),
        blocked=is_ready and not any(is_true(each.status.conditions, ConditionType.READY) for each in alive),
        canary=_has_labels(tenant, canary),
    )


def _fails(ready: Condition | None, now: datetime) -> bool:
    if ready is None:
        return False
    return ready.reason not in _UNDER_WAY or now >= ready.last_transition_time + _OVERDUE


def _has_labels(tenant: TalkdeskTenant, canary: Canary | None) -> bool:
    if canary is None or canary.selector is None:
        return False
    return canary.selector.match_labels.items() <= tenant.metadata.labels.items()


def progress(app: TalkdeskApp, wanted: str, followers: Iterable[Follower], *, usable: bool = True) -> Progress:
    """Return how far the rollout of the revision `wanted` is, and who is next.

    `usable` says whether it can be used at all. New tenants, to which nothing was applied yet, wait for no turn.
    """
    found = tuple(followers)
    rollout = app.spec.template_rollout
    movable = [each for each in found if not each.held and each.revision]
    pending = sorted((each for each in movable if each.revision != wanted), key=lambda each: each.rank)
    troubled = [each for each in movable if each.revision == wanted and each.blamed]
    failing = tuple(each for each in troubled if each.failing)
    waiting = tuple(each for each in troubled if not each.failing)
    canaries, limit = _canaries(rollout.canary, movable), _at_once(rollout.max_unavailable, len(movable))
    state = RolloutState.GOING_ON
    if not usable:
        state = RolloutState.UNUSABLE
    elif not pending and not troubled:
        state = RolloutState.COMPLETE
    elif 0 < min(rollout.pause_after_failures, limit) <= len(failing):
        state = RolloutState.FAILING
    elif rollout.paused and pending:
        state = RolloutState.PAUSED
    elif canaries is not None and not canaries and pending:
        state = RolloutState.NO_CANARY
    going = state is RolloutState.GOING_ON
    free = limit - len(troubled if rollout.pause_after_failures else waiting)
    wave = _stage(canaries, pending, wanted)[: max(free, 0)] if going else ()
    return Progress(state, _counts(found, wanted), tuple(each.name for each in wave), failing, waiting)


def _canaries(canary: Canary | None, movable: Sequence[Follower]) -> Sequence[Follower] | None:
    """Return the tenants that come first; None where none do."""
    if canary is None:
        return None
    if canary.selector is not None:
        return [each for each in movable if each.canary]
    return sorted(movable, key=lambda each: digest(each.name))[: canary.count]


def _stage(canaries: Sequence[Follower] | None, pending: Sequence[Follower], wanted: str) -> Sequence[Follower]:
    """Return those whose turn may be now: canaries, until all of these are ready."""
    first = [each for each in canaries or () if each.revision != wanted or each.blamed]
    if not first:
        return pending
    names = {each.name for each in first}
    return [each for each in pending if each.name in names]


def _at_once(limit: int | str, total: int) -> int:
    """Return how many tenants may be unavailable at once."""
    count = int(limit.removesuffix("%")) * total // 100 if isinstance(limit, str) else limit
    return min(max(count, 1), MAX_WAVE)


def _counts(followers: Sequence[Follower], wanted: str) -> TenantCounts:
    return TenantCounts(
        total=len(followers),
        updated=sum(each.revision == wanted for each in followers),
        failing=sum(each.failing for each in followers),
        unavailable=sum(not each.ready for each in followers),
        held=sum(each.held for each in followers),
    )
