"""The steps of an uninstall: offboard the tenant, acknowledge the uninstall, verify the acknowledgement.

The credentials become invalid with the acknowledgement, so its outcome cannot always be read back. Therefore the status
records that it is about to be sent. That record proves nothing by itself; the uninstall is over when

    Talkdesk accepted the call                    and its state shows the end, or it refuses us since
    the call's outcome is not known               and its state shows the end, it does not know the installation in a
                                                  second look either, or it has refused the credentials for long
    the call was not made, or not accepted        and its state shows the end, or it does not know the installation in a
                                                  second look either; otherwise the call is made again
    the deadline passed                           and Talkdesk can't be asked for its state any more

Our copy of the credentials is deleted only after the end is recorded (`retention`).

Belongs here: the steps up to the end. Does not belong here: what follows the end (`retention`).
"""

from dataclasses import replace
from datetime import datetime

from talkdesk_crds.app import ApprovalTiming
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase
from talkdesk_operator.domain.installation.answer import end_request, request_changed
from talkdesk_operator.domain.installation.answer_record import is_open, needs_record
from talkdesk_operator.domain.installation.pending import hold
from talkdesk_operator.domain.installation.reachability import is_unproven, missing_after_edit
from talkdesk_operator.domain.installation.retention import ending_message
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.deadlines import is_before
from talkdesk_operator.domain.reconcile.observation import (
    confirm_missing,
    is_overdue,
    next_deadline_check,
    observe,
    refusal_lasts,
    refusal_proves_at,
    remote_predates_request,
)
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
        waiting = _offboarding(outcome.failure, Reason.OFFBOARDING, outcome.message, next_poll(outcome, scope.now))
        return (_users(scope) if outcome.done_but_outside else None) or waiting
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
    if _shows_end(scope) or _refusal_proves_answer(scope):
        return _uninstalled(scope)
    step = observe(scope, facts=False, fallback=_give_up)
    if step is not None:
        return _await_proof(scope) or _while_offboarding(step)
    if isinstance(scope.remote, RemoteMissing):
        missing = missing_after_edit(scope, scope.remote) or confirm_missing(scope, scope.remote)
        return _uninstalled(scope) if missing is None else _while_offboarding(missing)
    if scope.send_failure is not None:
        return _retry(scope, scope.send_failure)
    if _is_delivered(scope):
        return _give_up(scope) or _verify(scope)
    if scope.sent is SendState.OUTDATED:
        return request_changed(scope, InstallationPhase.OFFBOARDING)
    if needs_record(scope):
        return hold(scope) or RecordAnswer(Decision.APPROVE)
    return hold(scope) or Send(Decision.APPROVE)


def _while_offboarding(step: Step) -> Step:
    if isinstance(step, Finish) and step.ending is None:
        return replace(step, phase=InstallationPhase.OFFBOARDING)
    return step


def _is_delivered(scope: Scope) -> bool:
    return scope.answer is not None and scope.answer.delivery_time is not None


def _is_refused(scope: Scope) -> bool:
    """Return whether Talkdesk refuses to be asked, as it does after the end of an installation."""
    match scope.remote:
        case RemoteFailed(failure=failure):
            return failure.reason in {Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN}
        case _:
            return False


def _refusal_proves_answer(scope: Scope) -> bool:
    """Return whether the acknowledgement has arrived because credentials or installation are invalid since."""
    if _is_delivered(scope):
        return _is_refused(scope) or isinstance(scope.remote, RemoteMissing)
    return _may_prove(scope) and refusal_lasts(scope)


def _may_prove(scope: Scope) -> bool:
    """Return whether a refusal that lasts proves the acknowledgement: not one at hosts that were edited since."""
    return _was_sent(scope) and _is_refused(scope) and not is_unproven(scope)


def _await_proof(scope: Scope) -> Finish | None:
    """Wait while a refusal would prove the acknowledgement, but has not lasted; None where it proves nothing."""
    if not isinstance(scope.remote, RemoteFailed) or not _may_prove(scope):
        return None
    failure, lasting = scope.remote.failure, scope.required_app.resource.spec.uninstall.confirm_after
    message = (
        "the acknowledgement was sent and its outcome was lost; Talkdesk refuses the credentials, which is taken as its"
        f" end of the installation when it lasts for {lasting}: {failure.message}"
    )
    return Finish(
        phase=InstallationPhase.OFFBOARDING,
        reason=Reason.VERIFYING,
        message=message,
        failure=replace(failure, reason=Reason.VERIFYING),
        requeue_at=refusal_proves_at(scope),
    )


def _was_sent(scope: Scope) -> bool:
    """Return whether an answer may have been sent since the customer uninstalled.

    A call answers whatever request is pending. So an approval of the install, sent before the uninstall event arrived
    here, may have answered the uninstall.
    """
    if is_open(scope):
        return True
    last = scope.installation.status.answer
    if last is None or last.event_id == scope.request.event_id:
        return False
    moment = last.delivery_time or last.send_time
    return moment is not None and not is_before(moment, scope.request.event_time)


def _shows_end(scope: Scope) -> bool:
    """Return whether Talkdesk's state shows that the uninstall is complete.

    A state that is older than the uninstall may be the end of an earlier installation under the same id. It counts only
    after a call.
    """
    if not isinstance(scope.remote, RemoteInstallation):
        return False
    state = scope.remote.classified_state
    if state is RemoteState.REVOKED:
        return not remote_predates_request(scope) or scope.sent is not None
    return _is_delivered(scope) and state is not RemoteState.PENDING


def _give_up(scope: Scope) -> Finish | None:
    """Return the end of an uninstall that could not be acknowledged in time; None before the deadline.

    Talkdesk removes an unacknowledged installation by itself after the deadline. But as long as it can be asked, its
    own state says whether it did; and a refusal counts only when it lasts.
    """
    if not is_overdue(scope) or (isinstance(scope.remote, RemoteFailed) and not refusal_lasts(scope)):
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
