"""What to do next for one installation: the one entry of all decisions.

    decide(scope) ──▶ Step


    a request that waits        policy (the verdict), prerequisites (tenant, credentials, users), answering
    one that was answered       upkeep, rest
    an uninstall                uninstall
    what follows an end         retention

Each rule is a small function that gives a step, or None when it has nothing to say; they are asked in order.
"""

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase, RequestType
from talkdesk_operator.domain.installation import approval, retention, rotation, uninstall
from talkdesk_operator.domain.installation.answer import approve, end, end_at_talkdesk, reject
from talkdesk_operator.domain.installation.prerequisites import converge
from talkdesk_operator.domain.installation.resync import steady
from talkdesk_operator.domain.reconcile.deadlines import is_ended, waits_for_answer
from talkdesk_operator.domain.reconcile.observation import overdue, read
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RetryClass,
    Scope,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    Purge,
    Step,
)

__all__ = ["decide"]


def decide(scope: Scope) -> Step:
    """Name the next step; total, and free of side effects."""
    if scope.failure is not None:
        return _stopped(scope, scope.failure)
    paused = _paused(scope)
    if scope.installation.metadata.deletion_timestamp is not None:
        step = retention.decide_deletion(scope)
        if not paused or not isinstance(step, Purge):
            return step
        return Finish(phase=InstallationPhase.DELETING, reason=Reason.PAUSED, message=paused, terminal=True)
    if paused:
        return Finish(phase=InstallationPhase.PAUSED, reason=Reason.PAUSED, message=paused, terminal=True)
    if scope.installation.spec.request is None:
        message = "waits for an app.installed event, or for spec.request"
        return Finish(phase=InstallationPhase.PENDING, reason=Reason.NO_REQUEST, message=message)
    if scope.app is None:
        message = f"there is no TalkdeskApp {scope.installation.spec.app_ref.name} in this namespace"
        return Finish(phase=scope.kept_phase, reason=Reason.APP_NOT_FOUND, message=message, stalled=True)
    if scope.missed_request_recorded:
        # It may change whose the tenant is, which only a new pass knows.
        message = "noted what Talkdesk says was asked for, as no event of it has come"
        return Finish(phase=scope.kept_phase, reason=Reason.PROGRESSING, message=message, requeue_at=scope.now)
    ending = scope.installation.status.ending
    if ending is not None and is_ended(scope.installation):
        return retention.decide_ended(scope, ending)
    if scope.request.type is RequestType.UNINSTALL:
        return uninstall.decide(scope)
    return _pending(scope) if waits_for_answer(scope.installation) else steady(scope)


def _paused(scope: Scope) -> str:
    """Return where somebody paused it; nothing when nobody did."""
    if scope.installation.spec.paused:
        return "spec.paused is true"
    if scope.tenant is not None and scope.tenant.spec.paused:
        return f"spec.paused of the TalkdeskTenant {scope.tenant.metadata.name} is true"
    if scope.app is not None and scope.app.resource.spec.paused:
        return f"spec.paused of the TalkdeskApp {scope.app.resource.metadata.name} is true"
    return ""


def _stopped(scope: Scope, failure: Failure) -> Finish:
    stuck = failure.retry_class is RetryClass.TERMINAL
    return Finish(
        phase=scope.kept_phase, reason=failure.reason, message=failure.message, failure=failure, stalled=stuck
    )


def _pending(scope: Scope) -> Step:
    """Work towards the answer to an Install or Update."""
    reading = read(scope, facts=True, otherwise=_unanswerable) or end_at_talkdesk(scope)
    if reading is not None:
        return reading
    verdict = approval.judge(scope)
    if isinstance(verdict, Finish):
        # Nothing is made for an install that nobody decided; what there is already is kept up meanwhile.
        installed = scope.request.type is RequestType.UPDATE
        return (converge(scope) if installed else rotation.next_step(scope)) or verdict
    if verdict.decision is Decision.REJECT:
        return reject(scope, verdict)
    return converge(scope) or approve(scope)


def _unanswerable(scope: Scope) -> Finish | None:
    """Without credentials nobody can be answered; when the time for it is over, that is the end."""
    if not overdue(scope):
        return None
    return end(scope, EndingReason.TIMED_OUT, Reason.TIMED_OUT, "the deadline passed, and Talkdesk can't be asked")
