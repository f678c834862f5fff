"""What to do next for one installation: the only entry of all decisions.

    decide(scope) ──▶ Step

    a request that waits for its answer     approval (the verdict), prerequisites, answer
    a request that was answered             resync, prerequisites, steady_state
    what both need                          prerequisites: the tenant, then rotation (the credentials), then the users
    an uninstall                            uninstall
    after an end, or a deletion by hand     retention, farewell

Each rule is a small function that returns a step, or None when it has nothing to do; rules are called in order.

Belongs here: which of these modules decides. Does not belong here: what they decide.
"""

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, DeletionPolicy, EndingReason, InstallationPhase, RequestType
from talkdesk_crds.names import APP_FINALIZER
from talkdesk_operator.domain.installation import approval, retention, rotation
from talkdesk_operator.domain.installation.answer import approve, end_at_talkdesk, end_request, reject
from talkdesk_operator.domain.installation.divergence import missed_request
from talkdesk_operator.domain.installation.farewell import last_words
from talkdesk_operator.domain.installation.pending import hold_for_another_request
from talkdesk_operator.domain.installation.prerequisites import converge
from talkdesk_operator.domain.installation.resync import decide_answered
from talkdesk_operator.domain.installation.uninstall import decide_uninstall
from talkdesk_operator.domain.reconcile.deadlines import is_ended, waits_for_answer
from talkdesk_operator.domain.reconcile.observation import is_overdue, next_deadline_check, observe
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RetryClass,
    Scope,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    Purge,
    RecordMissedRequest,
    RecoverRecord,
    Step,
)
from talkdesk_operator.domain.tenant.app_deletion import is_being_deleted
from talkdesk_operator.domain.tenant.lost_record import is_record_lost

__all__ = ["decide"]


def decide(scope: Scope) -> Step:
    """Return the next step; total, and free of side effects."""
    step = _next(scope)
    return last_words(scope, step) or step


def _next(scope: Scope) -> Step:
    abandoned = retention.abandon(scope)
    if abandoned is not None:
        return abandoned
    if scope.failure is not None:
        return _after_failure(scope, scope.failure)
    paused = _paused(scope)
    if scope.installation.metadata.deletion_timestamp is not None:
        step = _recover(scope) or retention.decide_deletion(scope)
        if not paused or not isinstance(step, Purge):
            return step
        return Finish(phase=InstallationPhase.DELETING, reason=Reason.PAUSED, message=paused, terminal=True)
    if paused:
        return Finish(phase=InstallationPhase.PAUSED, reason=Reason.PAUSED, message=paused, terminal=True)
    if scope.installation.spec.request is None:
        message = "there is no request yet: waiting for Talkdesk's app.installed event, or for spec.request to be set"
        return Finish(phase=InstallationPhase.PENDING, reason=Reason.NO_REQUEST, message=message)
    ending = scope.installation.status.ending
    if scope.app is None:
        if scope.tenant is None and ending is not None and is_ended(scope.installation):
            return retention.decide_without_app(scope, ending)
        name = scope.installation.spec.app_ref.name
        message = f"the TalkdeskApp {name} is missing or invalid; create or correct it in this namespace"
        return Finish(phase=scope.current_phase, reason=Reason.APP_NOT_FOUND, message=message, stalled=True)
    if scope.missed_request_recorded:
        # The request may change which installation owns the tenant, which only a new reconcile knows.
        message = "a request whose event never arrived was taken from Talkdesk's state and recorded in spec.request"
        return Finish(phase=scope.current_phase, reason=Reason.PROGRESSING, message=message, requeue_at=scope.now)
    if ending is not None and is_ended(scope.installation):
        return _recover(scope) or retention.decide_ended(scope, ending)
    if scope.request.type is RequestType.UNINSTALL:
        return _recover(scope) or decide_uninstall(scope)
    return _pending(scope) if waits_for_answer(scope.installation) else decide_answered(scope)


def _recover(scope: Scope) -> RecoverRecord | None:
    """Search for a lost record before anybody says that nothing is left of the tenant."""
    spec, metadata = scope.installation.spec, scope.installation.metadata
    keeps = metadata.deletion_timestamp is not None and spec.deletion_policy is DeletionPolicy.RETAIN
    return RecoverRecord() if is_record_lost(scope) and not keeps else None


def _paused(scope: Scope) -> str:
    """Return which object pauses the work; empty when none does."""
    if scope.installation.spec.paused:
        return "paused: spec.paused is true"
    if scope.tenant is not None and scope.tenant.spec.paused:
        return f"paused: spec.paused of the TalkdeskTenant {scope.tenant.metadata.name} is true"
    if scope.app is not None and scope.app.resource.spec.paused:
        return f"paused: spec.paused of the TalkdeskApp {scope.app.resource.metadata.name} is true"
    return ""


def _after_failure(scope: Scope, failure: Failure) -> Finish:
    stalled = failure.retry_class is RetryClass.TERMINAL
    return Finish(
        phase=scope.current_phase, reason=failure.reason, message=failure.message, failure=failure, stalled=stalled
    )


def _pending(scope: Scope) -> Step:
    """Work towards the answer to an Install or Update."""
    step = observe(scope, facts=True, fallback=_timed_out) or end_at_talkdesk(scope) or _app_is_leaving(scope)
    if step is not None:
        return step
    missed = missed_request(scope)
    step = RecordMissedRequest(missed) if missed is not None else hold_for_another_request(scope)
    if step is not None:
        return step
    verdict = approval.judge(scope)
    if isinstance(verdict, Finish):
        # Nothing is provisioned for an Install without a verdict; before an Update, what is installed converges.
        installed = scope.request.type is RequestType.UPDATE
        return (converge(scope) if installed else rotation.decide_rotation(scope)) or verdict
    if verdict.decision is Decision.REJECT:
        return reject(scope, verdict)
    return converge(scope) or approve(scope)


def _app_is_leaving(scope: Scope) -> Finish | None:
    """Provision nothing new for an app that is being deleted; who has a tenant already is answered."""
    app = scope.required_app.resource
    if not is_being_deleted(app) or scope.tenant is not None or scope.request.type is not RequestType.INSTALL:
        return None
    message = (
        f"the TalkdeskApp {app.metadata.name} is being deleted, so nothing is provisioned; to serve this customer, "
        f"remove its finalizer {APP_FINALIZER} and apply the app again"
    )
    return Finish(
        phase=InstallationPhase.PENDING,
        reason=Reason.APP_DELETING,
        message=message,
        stalled=True,
        requeue_at=next_deadline_check(scope),
    )


def _timed_out(scope: Scope) -> Finish | None:
    """Return the end of a request that cannot be answered because Talkdesk cannot be called; None before the deadline.

    Talkdesk's own state would show the end, but cannot be read either.
    """
    if not is_overdue(scope):
        return None
    message = "the deadline passed without an answer, because Talkdesk could not be called"
    return end_request(scope, EndingReason.TIMED_OUT, Reason.TIMED_OUT, message)
