"""How a verdict on an Install or Update reaches Talkdesk, and the end of an installation that Talkdesk's state shows.

Belongs here: sending the answer and making sure that it arrived. Does not belong here: the verdict (`approval`), what
must be done before an approval (`prerequisites`), uninstalls (`uninstall`).
"""

from dataclasses import replace

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Ending, EndingReason, InstallationPhase, RequestType
from talkdesk_operator.domain.installation import approval
from talkdesk_operator.domain.installation.answer_record import needs_record
from talkdesk_operator.domain.installation.approval import Verdict
from talkdesk_operator.domain.installation.pending import hold, shows_answer
from talkdesk_operator.domain.installation.reachability import missing_after_edit
from talkdesk_operator.domain.installation.steady_state import in_steady_state
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.observation import confirm_missing, next_deadline_check, remote_predates_request
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RemoteMissing,
    Scope,
    SendState,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    RecordAnswer,
    Send,
    Step,
)

__all__ = ["approve", "end_at_talkdesk", "end_request", "reject", "request_changed"]


def approve(scope: Scope) -> Step:
    """Approve the request, unless Talkdesk's state shows it as approved already. The prerequisites must be met."""
    if scope.request.type is RequestType.INSTALL and approval.is_installed(scope):
        return in_steady_state(scope, verified=True)
    if shows_answer(scope):
        return _shown_as_answered(scope, Verdict(Decision.APPROVE))
    if scope.sent is not SendState.DELIVERED:
        return _send(scope, Send(Decision.APPROVE))
    finish = in_steady_state(scope)
    # What an update asked for is in Talkdesk's lists only after the approval, so they are read once more.
    return replace(finish, requeue_at=scope.now) if scope.request.type is RequestType.UPDATE else finish


def reject(scope: Scope, verdict: Verdict) -> Step:
    """Reject the request, unless Talkdesk's state shows it as answered; ends an installation, or only the Update."""
    if scope.sent is SendState.DELIVERED:
        return _rejected(scope, verdict)
    if shows_answer(scope):
        return _shown_as_answered(scope, verdict)
    return _send(scope, Send(Decision.REJECT, verdict.explanation))


def _shown_as_answered(scope: Scope, verdict: Verdict) -> Finish:
    """End by the answer that was sent, which may have been another one than the verdict of now."""
    sent = scope.answer.decision if scope.answer is not None else verdict.decision
    if sent is Decision.APPROVE and scope.sent is not None and scope.request.type is RequestType.UPDATE:
        # All facts were read before the answer: what the update asked for is due, until it is read once more.
        return replace(in_steady_state(scope), delivered=True, requeue_at=scope.now)
    if sent is Decision.APPROVE:
        return in_steady_state(scope, verified=True)
    return _rejected(scope, verdict if verdict.decision is sent else Verdict(sent, reason=Reason.REJECTED))


def _rejected(scope: Scope, verdict: Verdict) -> Finish:
    # The phase and the reason say already that it was.
    message = verdict.explanation or "Talkdesk has the rejection"
    return end_request(scope, EndingReason.REJECTED, verdict.reason, message)


def _send(scope: Scope, send: Send) -> Step:
    if scope.send_failure is not None:
        return _send_failed(scope, scope.send_failure)
    if scope.sent is not None:
        return request_changed(scope, InstallationPhase.PROVISIONING)
    return hold(scope) or (RecordAnswer(send.decision) if needs_record(scope) else send)


def request_changed(scope: Scope, phase: InstallationPhase) -> Finish:
    """Reconcile again at once: an answer was not sent because the request had changed."""
    message = "the request changed before its answer was sent; the new request is handled next"
    return Finish(phase=phase, reason=Reason.PROGRESSING, message=message, requeue_at=scope.now)


def _send_failed(scope: Scope, failure: Failure) -> Finish:
    phase, requeue_at = InstallationPhase.ANSWERING, next_deadline_check(scope)
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure, requeue_at=requeue_at)


def end_at_talkdesk(scope: Scope) -> Step | None:
    """Return the end that Talkdesk's state shows; None while it shows none."""
    if remote_predates_request(scope):
        return None
    match scope.remote:
        case RemoteMissing() as missing:
            step = missing_after_edit(scope, missing) or confirm_missing(scope, missing)
            return step or end_request(scope, EndingReason.GONE, Reason.GONE, missing.message)
        case RemoteInstallation(classified_state=RemoteState.TIMED_OUT):
            message = "Talkdesk received no answer in time and ended the request"
            return end_request(scope, EndingReason.TIMED_OUT, Reason.TIMED_OUT, message)
        case RemoteInstallation(classified_state=RemoteState.REJECTED, state=word):
            message = f"Talkdesk shows the request as rejected or failed (its state is {word})"
            return end_request(scope, EndingReason.REJECTED, Reason.REJECTED, message)
        case RemoteInstallation(classified_state=RemoteState.REVOKED, state=word):
            message = f"Talkdesk shows the app as no longer installed (its state is {word})"
            return end_request(scope, EndingReason.GONE, Reason.GONE, message)
        case _:
            return None


def end_request(scope: Scope, kind: EndingReason, reason: Reason, message: str) -> Finish:
    """End the reconcile with the request's end, and reconcile again at once for what follows it."""
    phase = InstallationPhase(kind.value)
    ending = Ending(reason=kind, event_id=scope.request.event_id, time=scope.now)
    return Finish(phase=phase, reason=reason, message=message, ending=ending, requeue_at=scope.now)
