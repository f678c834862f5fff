"""What is read before anything is done: credentials, then Talkdesk's own state; and what to do when that fails.

Belongs here: which read comes next, whether Talkdesk's state is up to date, and how to wait for what cannot be read.
Does not belong here: what follows from what was read (`domain.installation`).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.deadlines import (
    LAST_ATTEMPT,
    deadline,
    is_before,
    saturating_add,
    waits_for_answer,
)
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    Failure,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Scope,
)
from talkdesk_operator.domain.reconcile.steps import Finish, ReadCredentials, ReadTalkdesk, Step
from talkdesk_runtime.durations import parse_duration

__all__ = [
    "CONFIRM_MISSING_AFTER",
    "confirm_missing",
    "is_last_attempt",
    "is_overdue",
    "is_urgent",
    "next_deadline_check",
    "observe",
    "refusal_lasts",
    "refusal_proves_at",
    "refused_since",
    "remote_predates_request",
    "wait_for_credentials",
]

CONFIRM_MISSING_AFTER: Final = timedelta(minutes=1)
"""A 404 may come from a replica at Talkdesk that lags behind, so only one that lasts this long is believed."""

_URGENT: Final = timedelta(hours=1)
"""Before the deadline: from then on Talkdesk is called even while its circuit is open."""
_RECHECK_AFTER_DEADLINE: Final = timedelta(minutes=10)


def is_overdue(scope: Scope) -> bool:
    """Return whether Talkdesk has stopped waiting for the answer, by our clock."""
    return scope.now >= deadline(scope.request, scope.required_app.resource)


def is_urgent(scope: Scope) -> bool:
    """Return whether the deadline for the answer is so near that Talkdesk's API is called even if it seems down."""
    if scope.installation.spec.request is None or scope.app is None or not waits_for_answer(scope.installation):
        return False
    return _is_within(_URGENT, scope)


def _is_within(span: timedelta, scope: Scope) -> bool:
    """Return whether no more than so much time is left until the deadline."""
    return scope.now >= saturating_add(deadline(scope.request, scope.required_app.resource), -span)


def is_last_attempt(scope: Scope) -> bool:
    """Return whether this is the attempt shortly before the deadline, which no requested pause holds back."""
    return is_urgent(scope) and not is_overdue(scope) and _is_within(LAST_ATTEMPT, scope)


def remote_predates_request(scope: Scope) -> bool:
    """Return whether Talkdesk's state is older than the request: it may show the end of an earlier installation."""
    match scope.remote:
        case RemoteInstallation(updated_at=datetime() as moment):
            return is_before(moment, scope.request.event_time) and not is_overdue(scope)
        case _:
            return False


def refused_since(scope: Scope) -> datetime:
    """Return since when Talkdesk refuses the credentials that were read: now, where it was not seen before."""
    known = scope.installation.status.credentials
    before = known.refusal_time if known is not None and known.secret_name == scope.secret_name else None
    return before or scope.now


def refusal_proves_at(scope: Scope) -> datetime:
    """Return when a refusal of the credentials will have lasted so long that it is taken as final."""
    return saturating_add(
        refused_since(scope), parse_duration(scope.required_app.resource.spec.uninstall.confirm_after)
    )


def refusal_lasts(scope: Scope) -> bool:
    """Return whether a refusal of the credentials has lasted so long that it is taken as final."""
    return scope.now >= refusal_proves_at(scope)


def next_deadline_check(scope: Scope) -> datetime:
    """Return when to check whether Talkdesk still waits: at the deadline, then repeatedly because clocks differ."""
    limit = deadline(scope.request, scope.required_app.resource)
    return limit if limit > scope.now else scope.now + _RECHECK_AFTER_DEADLINE


def observe(scope: Scope, *, facts: bool, fallback: Callable[[Scope], Finish | None]) -> Step | None:
    """Return the next read; None when everything is read.

    Where reading fails and no retry is likely to help, `fallback` may name an end; otherwise the read is retried.
    """
    if scope.credentials is None:
        return ReadCredentials()
    if isinstance(scope.credentials, CredentialsMissing):
        return fallback(scope) or wait_for_credentials(scope, scope.credentials, InstallationPhase.PENDING)
    if scope.remote is None:
        return ReadTalkdesk(facts=facts and scope.facts is None)
    if isinstance(scope.remote, RemoteFailed):
        failure = scope.remote.failure
        end = fallback(scope) if failure.retry_class is not RetryClass.TRANSIENT else None
        return end or _retry(scope, failure, scope.current_phase)
    return None


def wait_for_credentials(scope: Scope, missing: CredentialsMissing, phase: InstallationPhase) -> Finish:
    """Wait for credentials: Talkdesk cannot be called meanwhile, and the tenant stays as it is.

    Where no attempt of ours can bring them, somebody has to be told: a late event may never come.
    """
    stalled = missing.failure.retry_class is RetryClass.TERMINAL
    return replace(_retry(scope, missing.failure, phase), stalled=stalled)


def _retry(scope: Scope, failure: Failure, phase: InstallationPhase) -> Finish:
    requeue_at = next_deadline_check(scope)
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure, requeue_at=requeue_at)


def confirm_missing(scope: Scope, missing: RemoteMissing) -> Finish | None:
    """Read again an installation that Talkdesk did not find; None when the second read did not find it either."""
    retry = scope.installation.status.retry
    if retry is not None and retry.reason == Reason.NOT_FOUND_ONCE and scope.now >= retry.next_attempt_time:
        return None
    failure = Failure(Reason.NOT_FOUND_ONCE, missing.message, RetryClass.TRANSIENT, fixed_delay=CONFIRM_MISSING_AFTER)
    return Finish(phase=scope.current_phase, reason=failure.reason, message=failure.message, failure=failure)
