"""The steps of an uninstall: offboard the tenant, acknowledge the uninstall, verify the acknowledgement.

The credentials become invalid with the acknowledgement, so its outcome cannot always be read back. Therefore the status
records that it is about to be sent: with that record a 401, 403 or 404 proves the acknowledgement, and without it the
call is retried. Our copy of the credentials is deleted only after the end is recorded (`retention`), because until then
a missing Secret would leave it open whether the acknowledgement was sent.

Belongs here: the steps up to the end. Does not belong here: what follows the end (`retention`).
"""

from dataclasses import replace
from datetime import datetime

from talkdesk_crds.app import ApprovalTiming
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase
from talkdesk_operator.domain.installation.answer import end_request, request_changed
from talkdesk_operator.domain.installation.retention import ending_message
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.observation import confirm_missing, is_overdue, next_deadline_check, observe
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Scope,
    SendState,
    TenantResult,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import Finish, Offboard, RecordAnswer, Send, Step
from talkdesk_operator.domain.tenant.desired import next_poll, offboard_timed_out
from talkdesk_operator.domain.users.decide import deprovision

__all__ = ["decide_uninstall"]


def decide_uninstall(scope: Scope) -> Step:
    """Return the next step of an uninstall that has not ended yet."""
    if scope.required_app.resource.spec.uninstall.approval_timing is ApprovalTiming.AFTER_OFFBOARD:
        return _offboard(scope) or _acknowledge(scope)
    return _acknowledge(scope)


def _offboard(scope: Scope) -> Step | None:
    """Return the next step of offboarding an own tenant; None when it is done, or the answer may wait no longer."""
    if not scope.owns_tenant:
        return None
    if scope.tenant_outcome is None:
        return Offboard()
    outcome = scope.tenant_outcome
    if outcome.result in {TenantResult.FAILED, TenantResult.DELETING} and not offboard_timed_out(scope):
        return _offboarding(outcome.failure, Reason.OFFBOARDING, outcome.message, next_poll(outcome, scope.now))
    return _users(scope)


def _users(scope: Scope) -> Step | None:
    """Return the next step of deactivating users; None when it is done, or the answer may wait no longer."""
    match deprovision(scope):
        case UsersOutcome(failure=failure, message=message):
            waiting = _offboarding(failure, Reason.USERS_SYNCING, message, scope.now)
            return None if offboard_timed_out(scope) else waiting
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
    if _refusal_proves_answer(scope) or _remote_shows_uninstalled(scope):
        return _uninstalled(scope)
    step = observe(scope, facts=False, fallback=_give_up)
    if step is not None:
        return step
    match scope.remote:
        case RemoteMissing() as missing:
            return confirm_missing(scope, missing) or _uninstalled(scope)
        case _ if scope.send_failure is not None:
            return _give_up(scope) or _retry(scope, scope.send_failure)
        case _ if _is_delivered(scope):
            return _give_up(scope) or _verify(scope)
        case _ if scope.sent is SendState.OUTDATED:
            return request_changed(scope, InstallationPhase.OFFBOARDING)
        case _ if scope.answer is None or scope.answer.send_time is None:
            return RecordAnswer(Decision.APPROVE)
        case _:
            return Send(Decision.APPROVE)


def _is_delivered(scope: Scope) -> bool:
    return scope.answer is not None and scope.answer.delivery_time is not None


def _refusal_proves_answer(scope: Scope) -> bool:
    """Return whether an answer was sent and the credentials or the installation are invalid since."""
    if not _was_sent(scope):
        return False
    match scope.remote:
        case RemoteMissing():
            return True
        case RemoteFailed(failure=failure):
            return failure.reason in {Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN}
        case _:
            return False


def _was_sent(scope: Scope) -> bool:
    """Return whether an answer was sent since the customer uninstalled.

    A call answers whatever request is pending. So an approval of the install, sent before the uninstall event arrived
    here, has answered the uninstall.
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


def _remote_shows_uninstalled(scope: Scope) -> bool:
    """Return whether Talkdesk's state shows that the uninstall is complete."""
    if not isinstance(scope.remote, RemoteInstallation):
        return False
    state = scope.remote.classified_state
    return state is RemoteState.REVOKED or (_is_delivered(scope) and state is not RemoteState.PENDING)


def _give_up(scope: Scope) -> Finish | None:
    """Return the end of an uninstall that could not be acknowledged in time; None before the deadline.

    Talkdesk removes an unacknowledged installation by itself after the deadline, so it no longer waits for the answer.
    """
    if not is_overdue(scope):
        return None
    message = "the uninstall could not be acknowledged before the deadline; Talkdesk removes the installation by itself"
    return _end(scope, Reason.DEPROVISIONED, message)


def _verify(scope: Scope) -> Finish:
    """Read again until the deadline: the call succeeded, but Talkdesk still shows the uninstall as pending."""
    message = "the acknowledgement was sent, but Talkdesk still shows the uninstall as pending"
    return _retry(scope, Failure(Reason.VERIFYING, message, RetryClass.TRANSIENT))


def _retry(scope: Scope, failure: Failure) -> Finish:
    phase, requeue_at = InstallationPhase.OFFBOARDING, next_deadline_check(scope)
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure, requeue_at=requeue_at)


def _uninstalled(scope: Scope) -> Finish:
    return _end(scope, Reason.UNINSTALLED, ending_message(scope, EndingReason.UNINSTALLED), verified=True)


def _end(scope: Scope, reason: Reason, message: str, *, verified: bool = False) -> Finish:
    finish = end_request(scope, EndingReason.UNINSTALLED, reason, message)
    return replace(finish, verified=verified)
