"""Reading before acting: credentials, then Talkdesk's own state; and what to do where they can't be read."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.deadlines import deadline, is_before, later, waits_for_answer
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    Failure,
    RemoteMissing,
    RemoteRefused,
    RetryClass,
    Scope,
)
from talkdesk_operator.domain.reconcile.steps import Finish, ReadCredentials, ReadTalkdesk, Step

__all__ = [
    "SECOND_READ_AFTER",
    "is_of_before",
    "is_urgent",
    "missing_credentials",
    "overdue",
    "read",
    "read_before_deadline",
    "second_read",
]

SECOND_READ_AFTER: Final = timedelta(minutes=1)
"""A 404 may be a replica of Talkdesk's that lags behind; only one that lasts this long is believed."""

_URGENT: Final = timedelta(hours=1)

_AFTER_DEADLINE: Final = timedelta(minutes=10)


def overdue(scope: Scope) -> bool:
    """Return whether Talkdesk has stopped waiting for the answer, by our clock."""
    return scope.now >= deadline(scope.request, scope.policy.resource)


def is_urgent(scope: Scope) -> bool:
    """Return whether Talkdesk will soon stop waiting for the answer, so that its API is called whatever its state."""
    if scope.installation.spec.request is None or scope.app is None or not waits_for_answer(scope.installation):
        return False
    return scope.now >= later(deadline(scope.request, scope.policy.resource), -_URGENT)


def is_of_before(scope: Scope) -> bool:
    """Return whether Talkdesk's state is older than the request: a repeated installation has ended once already."""
    match scope.remote:
        case RemoteInstallation(updated_at=datetime() as moment):
            return is_before(moment, scope.request.event_time) and not overdue(scope)
        case _:
            return False


def read_before_deadline(scope: Scope) -> datetime:
    """Return when to see whether Talkdesk still waits: at the deadline, and now and then after it, as clocks differ."""
    limit = deadline(scope.request, scope.policy.resource)
    return limit if limit > scope.now else scope.now + _AFTER_DEADLINE


def read(scope: Scope, *, facts: bool, otherwise: Callable[[Scope], Finish | None]) -> Step | None:
    """Read what is not read yet. Where that fails for good, `otherwise` may know an end; else it is tried again."""
    if scope.credentials is None:
        return ReadCredentials()
    if isinstance(scope.credentials, CredentialsMissing):
        return otherwise(scope) or missing_credentials(scope, scope.credentials, InstallationPhase.PENDING)
    if scope.remote is None:
        return ReadTalkdesk(facts=facts and scope.facts is None)
    if isinstance(scope.remote, RemoteRefused):
        failure = scope.remote.failure
        end = otherwise(scope) if failure.retry_class is not RetryClass.TRANSIENT else None
        phase = scope.installation.status.phase or InstallationPhase.PENDING
        return end or Finish(
            phase=phase,
            reason=failure.reason,
            message=failure.message,
            failure=failure,
            requeue_at=read_before_deadline(scope),
        )
    return None


def missing_credentials(scope: Scope, missing: CredentialsMissing, phase: InstallationPhase) -> Finish:
    """Wait for credentials; calls stop, the tenant goes on."""
    failure = missing.failure
    requeue_at = read_before_deadline(scope)
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure, requeue_at=requeue_at)


def second_read(scope: Scope, missing: RemoteMissing) -> Finish | None:
    """Ask for a second look at an installation that Talkdesk does not find; None when this is the second one."""
    retry = scope.installation.status.retry
    if retry is not None and retry.reason == Reason.NOT_FOUND_ONCE and scope.now >= retry.next_attempt_time:
        return None
    failure = Failure(Reason.NOT_FOUND_ONCE, missing.message, RetryClass.TRANSIENT, fixed=SECOND_READ_AFTER)
    phase = scope.installation.status.phase or InstallationPhase.PENDING
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure)
