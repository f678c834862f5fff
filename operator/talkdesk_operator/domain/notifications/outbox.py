"""The outbox in an installation's status: what is put down to be told, and what came of it.

    with_news      what happened is put down for the endpoints that want to know
    with_request   the same of a request alone, whose answer is about to be sent
    settled        what was delivered goes, failures count, what is too old is given up

Belongs here: these changes of a status. Does not belong here: when they are written (`reconcilers`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import NAMESPACE_DNS, uuid5

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_notifications import NotificationEndpoint
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, transitioned
from talkdesk_crds.installation import InstallationPhase, InstallationStatus, Request, TalkdeskInstallation
from talkdesk_crds.names import GROUP
from talkdesk_crds.notifications import MAX_PENDING, EndpointStatus, Notification, NotificationsStatus, Told
from talkdesk_operator.domain.notifications.endpoints import FILTER_VARIABLES, is_told
from talkdesk_operator.domain.notifications.happenings import Happening, baseline, happened, requested
from talkdesk_operator.domain.reconcile.deadlines import deadline, saturating_add
from talkdesk_operator.domain.reconcile.scope import Scope
from talkdesk_operator.domain.tenant.desired import template_context
from talkdesk_operator.templates.limits import Spent
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.durations import parse_duration
from talkdesk_runtime.shorten import shorten

__all__ = [
    "LONGEST_WAIT",
    "Deliveries",
    "DeliveryFailure",
    "next_look",
    "settled",
    "state_of",
    "waiting_for",
    "with_news",
    "with_request",
]

_OVERDUE: Final = timedelta(days=1)
_BACKOFF: Final = Backoff(timedelta(seconds=5), timedelta(minutes=30))
LONGEST_WAIT: Final = timedelta(hours=1)
"""Between two attempts: for what an endpoint asks in Retry-After."""
_IDS: Final = uuid5(NAMESPACE_DNS, GROUP)
_MESSAGE_LENGTH: Final = 512
_CONDITION_LENGTH: Final = 2048
_TYPES: Final = frozenset(kind.value for kind in ConditionType)
_FindOut: TypeAlias = Callable[[Request | None, InstallationStatus, Told, datetime], tuple[tuple[Happening, ...], Told]]


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why an attempt failed."""

    reason: Reason
    message: str
    """Holds no secret, and no figure that changes with each attempt."""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What became of deliveries to one endpoint since the status was written."""

    delivered: frozenset[str] = frozenset()
    """Ids of notifications."""
    failure: DeliveryFailure | None = None
    """Of the last attempt."""


def with_news(scope: Scope, status: InstallationStatus, *, erased: bool) -> InstallationStatus:
    """Return the status with everything put down that happened since the last one.

    `erased` says that nothing personal may be in it.
    """
    return _with(scope, status, happened, erased=erased)


def with_request(scope: Scope, status: InstallationStatus, *, erased: bool) -> InstallationStatus:
    """Return the status with the request put down, whose answer is about to be sent.

    All else in the status is of what was before the request, and says nothing of it.
    """
    limit = deadline(scope.request, scope.required_app.resource)
    before = scope.installation.status.answer
    now = {"phase": InstallationPhase.ANSWERING, "conditions": (), "deadline": limit, "answer": before}
    found = _with(scope, status.model_copy(update=now), requested, erased=erased)
    return status.model_copy(update={"notifications": found.notifications})


def _with(scope: Scope, status: InstallationStatus, find_out: _FindOut, *, erased: bool) -> InstallationStatus:
    if scope.app is not None and not scope.app.resource.spec.notifications:
        return status.model_copy(update={"notifications": None})
    if scope.app is None or not scope.app.endpoints:
        return status
    installation, before = scope.installation, scope.installation.status
    outbox = status.notifications
    if outbox is None:
        generation = installation.metadata.generation
        told = baseline(installation.spec.request, before, generation, scope.now)
        # Later than the places of a status that was lost: whoever orders by them must take what comes now for newer.
        outbox = NotificationsStatus(sequence=int(scope.now.timestamp()), told=told)
    found, told = find_out(installation.spec.request, status, outbox.told, scope.now)
    outbox = outbox.model_copy(update={"told": told})
    spent = Spent()
    for each in found:
        outbox = _put(scope, status, outbox, each, spent, erased=erased)
    return status.model_copy(update={"notifications": outbox})


def _put(
    scope: Scope,
    status: InstallationStatus,
    outbox: NotificationsStatus,
    event: Happening,
    spent: Spent,
    *,
    erased: bool,
) -> NotificationsStatus:
    app, phase, ready = scope.required_app, status.phase, find(status.conditions, ConditionType.READY)
    reason, words = (ready.reason, ready.message) if ready is not None else ("", "")

    def variables() -> Mapping[str, Any]:
        context = template_context(scope, app)
        return {name: context[name] for name in FILTER_VARIABLES - {"event"}}

    told = [each for each in app.endpoints if is_told(each, event, reason, phase or "", variables, spent)]
    if not told:
        return outbox
    sequence, spec, account = outbox.sequence + 1, scope.installation.spec, status.account
    known = Notification(
        id=str(uuid5(_IDS, f"{spec.installation_id}/{event.type}/{event.cause}")),
        sequence=sequence,
        type=event.type,
        time=event.time,
        queue_time=scope.now,
        endpoints=tuple(each.config.name for each in told),
        phase=phase,
        reason=reason or None,
        request_type=event.request_type,
        request_id=event.request_id,
        deadline=status.deadline,
    )
    if not erased:
        facts = {
            "message": shorten(words, _MESSAGE_LENGTH) or None,
            "account_name": spec.account_name or (account.name if account is not None else None),
            "company_name": account.company_name if account is not None else None,
            "plan": status.subscription.name if status.subscription is not None else None,
        }
        known = known.model_copy(update=facts)
    # The same again: a status that was lost is computed anew from what is still so.
    others = tuple(each for each in outbox.pending if each.id != known.id)
    return outbox.model_copy(update={"sequence": sequence, "pending": (*others, known)})


def settled(
    status: InstallationStatus,
    app: TalkdeskApp,
    deliveries: Mapping[str, Deliveries],
    now: datetime,
    *,
    jitter: float,
    generation: int,
) -> InstallationStatus:
    """Return the status after deliveries, by names of endpoints; equal to it when nothing changed.

    `jitter` (0 to 1) spreads the next attempts; `generation` is that of the installation.
    """
    outbox = status.notifications
    if outbox is None:
        return status
    configured = {each.name: each for each in app.spec.notifications}
    left, lost = _left(outbox.pending, configured, deliveries, now)
    states = {each.name: each for each in outbox.endpoints}
    endpoints = (
        _endpoint(states.get(name, EndpointStatus(name=name)), deliveries.get(name), lost[name], now, jitter=jitter)
        for name in configured
    )
    blank = {EndpointStatus(name=name) for name in configured}
    outbox = outbox.model_copy(
        update={"pending": left, "endpoints": tuple(each for each in endpoints if each not in blank)}
    )
    after = status.model_copy(update={"notifications": outbox})
    return after.model_copy(update={"conditions": _conditions(after, now, generation)})


def _left(
    pending: Sequence[Notification],
    configured: Mapping[str, NotificationEndpoint],
    deliveries: Mapping[str, Deliveries],
    now: datetime,
) -> tuple[tuple[Notification, ...], Counter[str]]:
    """Return what is still to be told, and how much of it was given up, by endpoints."""
    lost: Counter[str] = Counter()
    left: list[Notification] = []
    for each in pending:
        names = [n for n in each.endpoints if n in configured and each.id not in deliveries.get(n, _NOTHING).delivered]
        old = [n for n in names if saturating_add(each.queue_time, parse_duration(configured[n].give_up_after)) <= now]
        lost.update(old)
        if kept := tuple(name for name in names if name not in old):
            left.append(each if kept == each.endpoints else each.model_copy(update={"endpoints": kept}))
    for each in left[:-MAX_PENDING]:
        lost.update(each.endpoints)
    return tuple(left[-MAX_PENDING:]), lost


_NOTHING: Final = Deliveries()


def _endpoint(
    before: EndpointStatus, made: Deliveries | None, lost: int, now: datetime, *, jitter: float
) -> EndpointStatus:
    after = before.model_copy(update={"given_up": before.given_up + lost})
    if made is None or (made.failure is None and not made.delivered):
        return after
    if made.failure is None:
        return after.model_copy(update={"attempts": 0, "next_attempt_time": None, "reason": None, "message": ""})
    attempts = 1 if made.delivered else before.attempts + 1
    delay = _BACKOFF.delay(attempts, jitter)
    if made.failure.retry_after is not None:
        delay = max(delay, min(made.failure.retry_after, LONGEST_WAIT))
    return after.model_copy(
        update={
            "attempts": attempts,
            "next_attempt_time": now + delay,
            "reason": made.failure.reason.value,
            "message": shorten(made.failure.message, _MESSAGE_LENGTH),
        }
    )


def _conditions(status: InstallationStatus, now: datetime, generation: int) -> tuple[Condition, ...]:
    others = tuple(each for each in status.conditions if each.type != ConditionType.NOTIFICATIONS_OVERDUE)
    trouble = _troubled(status, now)
    if not trouble:
        return others if len(others) < len(status.conditions) else status.conditions
    words = (f"endpoint {each.name}: {each.message or 'not delivered for a day'}" for each in trouble)
    condition = Condition(
        type=ConditionType.NOTIFICATIONS_OVERDUE,
        status="True",
        reason=trouble[0].reason or Reason.NOTIFICATION_REFUSED,
        message=shorten("; ".join(words), _CONDITION_LENGTH),
        last_transition_time=now,
        observed_generation=generation,
    )
    ours = (each for each in others if each.type in _TYPES)
    return transitioned(status.conditions, (*ours, condition), now)


def _troubled(status: InstallationStatus, now: datetime) -> Sequence[EndpointStatus]:
    """Return the endpoints to which nothing could be delivered for a day, or where something was given up."""
    outbox = status.notifications or NotificationsStatus()
    known = {each.name: each for each in outbox.endpoints}
    late = {name for each in outbox.pending if each.queue_time + _OVERDUE <= now for name in each.endpoints}
    given_up = {each.name for each in outbox.endpoints if each.given_up and each.attempts}
    return [known.get(name, EndpointStatus(name=name)) for name in sorted(late | given_up)]


def state_of(installation: TalkdeskInstallation, endpoint: str) -> EndpointStatus:
    """Return how deliveries to an endpoint go."""
    outbox = installation.status.notifications or NotificationsStatus()
    return next((each for each in outbox.endpoints if each.name == endpoint), EndpointStatus(name=endpoint))


def waiting_for(installation: TalkdeskInstallation, endpoint: str) -> tuple[Notification, ...]:
    """Return what an endpoint is still to be told, in order."""
    outbox = installation.status.notifications
    return tuple(each for each in outbox.pending if endpoint in each.endpoints) if outbox is not None else ()


def next_look(installation: TalkdeskInstallation, endpoint: NotificationEndpoint, now: datetime) -> datetime | None:
    """Return when the status is to be settled although nothing was sent: what waits gets overdue, or too old."""
    times = [each.queue_time for each in waiting_for(installation, endpoint.name)]
    marks = (_OVERDUE, parse_duration(endpoint.give_up_after))
    return min((m for time in times for mark in marks if (m := saturating_add(time, mark)) > now), default=None)
