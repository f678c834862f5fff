"""What to do next for an uninstall: see the tenant off, acknowledge, make sure of it.

The credentials die with the acknowledgement, so its outcome can't always be read back. It is put on record before the
call that it is about to be made: a 401, 403 or 404 means "done" with that record, and "try again" without. Our copy of
the credentials is deleted after the end is on record (`aftermath`): without it, a lost Secret would be a mystery.
"""

from datetime import datetime

from talkdesk_crds.app import ApprovalTiming
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Ending, EndingReason, InstallationPhase
from talkdesk_operator.domain.installation.retention import sentence
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.observation import overdue, read, read_before_deadline, second_read
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RemoteMissing,
    RemoteRefused,
    RetryClass,
    Scope,
    SendState,
    TenancyState,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import Finish, Offboard, RecordAnswer, Send, Step
from talkdesk_operator.domain.tenant.desired import held_up, next_read
from talkdesk_operator.domain.users.decide import deprovision

__all__ = ["decide"]


def decide(scope: Scope) -> Step:
    """Name the next step of an uninstall that has not come to its end."""
    if scope.policy.resource.spec.uninstall.approval_timing is ApprovalTiming.AFTER_OFFBOARD:
        return _offboard(scope) or _acknowledge(scope)
    return _acknowledge(scope)


def _offboard(scope: Scope) -> Step | None:
    """See the tenant off, if it is ours; None when that is done, or has held up the answer for long enough."""
    if not scope.owned:
        return None
    if scope.tenancy is None:
        return Offboard()
    tenancy = scope.tenancy
    if tenancy.state in {TenancyState.FAILED, TenancyState.DELETING} and not held_up(scope):
        return _offboarding(tenancy.failure, Reason.OFFBOARDING, tenancy.message, next_read(tenancy, scope.now))
    return _users(scope)


def _users(scope: Scope) -> Step | None:
    """Deactivate the users where the app wants that; None when it is done, or has held up the answer for long."""
    match deprovision(scope):
        case UsersOutcome(failure=failure, message=message):
            waiting = _offboarding(failure, Reason.USERS_SYNCING, message, scope.now)
            return None if held_up(scope) else waiting
        case step:
            return step


def _offboarding(failure: Failure | None, reason: Reason, message: str, requeue_at: datetime) -> Finish:
    return Finish(
        phase=InstallationPhase.OFFBOARDING,
        reason=failure.reason if failure is not None else reason,
        message=failure.message if failure is not None else message,
        failure=failure,
        requeue_at=None if failure is not None else requeue_at,
    )


def _acknowledge(scope: Scope) -> Step:
    if _sure(scope) or _is_over(scope):
        return _done(scope)
    reading = read(scope, facts=False, otherwise=_unanswered)
    if reading is not None:
        return reading
    told = scope.answer is not None and scope.answer.delivery_time is not None
    match scope.remote:
        case RemoteMissing() as missing:
            return second_read(scope, missing) or _done(scope)
        case _ if scope.send_failure is not None:
            return _unanswered(scope) or _try_again(scope, scope.send_failure)
        case _ if told:
            return _unanswered(scope) or _verify(scope)
        case _ if scope.sent is SendState.OUTDATED:
            message = "the request changed before it was answered"
            phase = InstallationPhase.OFFBOARDING
            return Finish(phase=phase, reason=Reason.PROGRESSING, message=message, requeue_at=scope.now)
        case _ if scope.answer is None or scope.answer.send_time is None:
            return RecordAnswer(Decision.APPROVE)
        case _:
            return Send(Decision.APPROVE)


def _sure(scope: Scope) -> bool:
    """Return whether a refusal proves the answer: one was sent, and the credentials or the installation are gone."""
    if not _was_sent(scope):
        return False
    match scope.remote:
        case RemoteMissing():
            return True
        case RemoteRefused(failure=failure):
            return failure.reason in {Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN}
        case _:
            return False


def _was_sent(scope: Scope) -> bool:
    """Return whether an answer went out since the customer uninstalled.

    The call answers whatever is pending. So an approval of the install that was sent while the news of the uninstall
    was still on its way has answered the uninstall.
    """
    if scope.answer is not None:
        return scope.answer.send_time is not None
    last = scope.installation.status.answer
    # Answers are recorded in whole seconds.
    return (
        last is not None
        and last.delivery_time is not None
        and last.delivery_time >= scope.request.event_time.replace(microsecond=0)
    )


def _is_over(scope: Scope) -> bool:
    """Return whether Talkdesk's state says that the uninstall is through."""
    if not isinstance(scope.remote, RemoteInstallation):
        return False
    if scope.remote.entitlement is RemoteState.REVOKED:
        return True
    told = scope.answer is not None and scope.answer.delivery_time is not None
    return told and scope.remote.entitlement is not RemoteState.PENDING


def _unanswered(scope: Scope) -> Finish | None:
    """Talkdesk removes an unacknowledged installation by itself after the deadline; then nobody waits for us."""
    if not overdue(scope):
        return None
    ending = Ending(reason=EndingReason.UNINSTALLED, event_id=scope.request.event_id, time=scope.now)
    message = "could not be acknowledged in time; Talkdesk removes it by itself"
    phase = InstallationPhase.UNINSTALLED
    return Finish(phase=phase, reason=Reason.DEPROVISIONED, message=message, ending=ending, requeue_at=scope.now)


def _verify(scope: Scope) -> Finish:
    """Look again, but not past the deadline: the call worked, and Talkdesk still shows it as pending."""
    return _try_again(
        scope, Failure(Reason.VERIFYING, "Talkdesk was told and does not show it yet", RetryClass.TRANSIENT)
    )


def _try_again(scope: Scope, failure: Failure) -> Finish:
    phase, requeue_at = InstallationPhase.OFFBOARDING, read_before_deadline(scope)
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure, requeue_at=requeue_at)


def _done(scope: Scope) -> Finish:
    ending = Ending(reason=EndingReason.UNINSTALLED, event_id=scope.request.event_id, time=scope.now)
    return Finish(
        phase=InstallationPhase.UNINSTALLED,
        reason=Reason.UNINSTALLED,
        message=sentence(scope, EndingReason.UNINSTALLED),
        verified=True,
        ending=ending,
        requeue_at=scope.now,
    )
