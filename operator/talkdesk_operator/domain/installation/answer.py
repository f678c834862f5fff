"""The answer to an Install or Update, and the end of an installation that Talkdesk's state tells.

Belongs here: telling Talkdesk the verdict and making sure that it arrived. Does not belong here: the verdict
(`approval`), what must be done before an approval (`prerequisites`).
"""

from dataclasses import replace

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Ending, EndingReason, InstallationPhase, RequestType
from talkdesk_operator.domain.installation import approval
from talkdesk_operator.domain.installation.approval import Verdict
from talkdesk_operator.domain.installation.steady_state import in_steady_state
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.observation import is_of_before, read_before_deadline, second_read
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RemoteMissing,
    Scope,
    SendState,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    Send,
    Step,
)

__all__ = ["approve", "end", "end_at_talkdesk", "reject"]


def approve(scope: Scope) -> Step:
    """Tell Talkdesk, unless it turns out to know; the tenant is as it should be."""
    # Of an update nobody knows whether Talkdesk's state shows that it waits; "completed" may be from before it.
    evidence = scope.request.type is RequestType.INSTALL or scope.sent is SendState.UNCLEAR
    if approval.is_installed(scope) and evidence:
        return in_steady_state(scope, verified=True)
    if scope.sent is not SendState.DELIVERED:
        return _send(scope, Send(Decision.APPROVE))
    finish = in_steady_state(scope)
    # What an update asked for is in Talkdesk's lists only after the approval: they are read once more.
    return replace(finish, requeue_at=scope.now) if scope.request.type is RequestType.UPDATE else finish


def reject(scope: Scope, verdict: Verdict) -> Step:
    """Tell Talkdesk, unless it turns out to know; it ends an installation, and of an update only the update."""
    message = f"rejected: {verdict.told}" if verdict.told else "rejected"
    if scope.sent is SendState.DELIVERED:
        return end(scope, EndingReason.REJECTED, verdict.reason, message)
    # Something waited before; what Talkdesk shows now is no longer waiting, so it had our answer.
    if scope.sent is SendState.UNCLEAR and approval.is_installed(scope):
        return end(scope, EndingReason.REJECTED, verdict.reason, message)
    return _send(scope, Send(Decision.REJECT, verdict.told))


def _send(scope: Scope, send: Send) -> Step:
    if scope.send_failure is not None:
        return _unsent(scope, scope.send_failure)
    if scope.sent is None:
        return send
    message = "the request changed before it was answered"
    phase = InstallationPhase.PROVISIONING
    return Finish(phase=phase, reason=Reason.PROGRESSING, message=message, requeue_at=scope.now)


def _unsent(scope: Scope, failure: Failure) -> Finish:
    phase, requeue_at = InstallationPhase.ANSWERING, read_before_deadline(scope)
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure, requeue_at=requeue_at)


def end_at_talkdesk(scope: Scope) -> Step | None:
    """Take the end that Talkdesk's state tells; None while it tells none."""
    if is_of_before(scope):
        return None
    match scope.remote:
        case RemoteMissing() as missing:
            return second_read(scope, missing) or end(scope, EndingReason.GONE, Reason.GONE, missing.message)
        case RemoteInstallation(entitlement=RemoteState.TIMED_OUT):
            return end(scope, EndingReason.TIMED_OUT, Reason.TIMED_OUT, "Talkdesk gave up waiting for an answer")
        case RemoteInstallation(entitlement=RemoteState.REJECTED, state=word):
            return end(scope, EndingReason.REJECTED, Reason.REJECTED, f"Talkdesk has the installation as {word}")
        case RemoteInstallation(entitlement=RemoteState.REVOKED, state=word):
            return end(scope, EndingReason.GONE, Reason.GONE, f"Talkdesk has the installation as {word}")
        case _:
            return None


def end(scope: Scope, kind: EndingReason, reason: Reason, message: str) -> Finish:
    """End the pass with the request at its end."""
    phase = InstallationPhase(kind.value)
    ending = Ending(reason=kind, event_id=scope.request.event_id, time=scope.now)
    # What follows the end is decided by the next pass, which comes at once; until then it is not settled.
    return Finish(phase=phase, reason=reason, message=message, ending=ending, requeue_at=scope.now)
