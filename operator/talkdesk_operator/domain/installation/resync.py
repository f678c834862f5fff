"""What an answered installation needs now and then: its tenant converges, and Talkdesk's own state is read.

Belongs here: when something is read again, and in which order. Does not belong here: how the tenant converges
(`prerequisites`), whether Talkdesk's state agrees (`divergence`).
"""

from dataclasses import replace

from talkdesk_crds.installation import InstallationPhase, RequestType
from talkdesk_operator.domain.installation.answer import end_at_talkdesk
from talkdesk_operator.domain.installation.divergence import SETTLED_AFTER, missed_request
from talkdesk_operator.domain.installation.prerequisites import converge
from talkdesk_operator.domain.installation.reachability import is_unproven
from talkdesk_operator.domain.installation.rotation import needs_acknowledgement
from talkdesk_operator.domain.installation.steady_state import in_steady_state
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.deadlines import is_answered, saturating_add
from talkdesk_operator.domain.reconcile.observation import wait_for_credentials
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Role,
    Scope,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    ReadCredentials,
    ReadTalkdesk,
    RecordMissedRequest,
    Step,
)
from talkdesk_operator.domain.tenant.desired import is_current
from talkdesk_operator.domain.tenant.entitlement import trial_is_open

__all__ = ["decide_answered"]


def decide_answered(scope: Scope) -> Step:
    """Return the next step for an answered installation: keep its tenant converged, and compare with Talkdesk.

    Where nothing makes `recheck` true, Talkdesk is not read, and nothing follows that needs its state. So a step that
    was postponed or must be repeated (an acknowledgement, say) has to make it true until it is done.
    """
    status, metadata = scope.installation.status, scope.installation.metadata
    # A failure stays until a reconcile has retried what failed; a spec that changed may have been paused until now.
    changed = status.observed_generation != metadata.generation
    unfinished = status.retry is not None or (status.users is not None and not status.users.complete)
    open_question = _is_unconfirmed(scope) or _uses_another_version(scope) or is_unproven(scope)
    due = changed or unfinished or open_question or needs_acknowledgement(scope) or _is_requested(scope)
    recheck = scope.resync or due
    owner = scope.role is Role.OWNER
    if not (recheck or (owner and (scope.drifted or not is_current(scope)))):
        return in_steady_state(scope)
    step = _observe(scope, recheck=recheck, owner=owner) or converge(scope) or _in_steady_state(scope)
    return _stay_due(scope, step) if due else step


def _is_requested(scope: Scope) -> bool:
    """Return whether anything else than the periodic resync asks for a look at Talkdesk."""
    return scope.resync and not scope.background


def _stay_due(scope: Scope, step: Step) -> Step:
    """Retry what needs Talkdesk's state, which could not be read: only a periodic look may wait for the next one."""
    if not isinstance(step, Finish) or not isinstance(scope.remote, RemoteFailed):
        return step
    failure = scope.remote.failure
    if step.failure is not None and step.failure.retry_class is not RetryClass.TERMINAL:
        return step
    if not step.ready:
        return replace(step, failure=failure)
    return replace(
        step, failure=failure, reason=failure.reason, message=f"{step.message}; still due: {failure.message}"
    )


def _in_steady_state(scope: Scope) -> Finish:
    """End the reconcile; an update that Talkdesk still shows as pending is looked at once more in a minute."""
    finish = in_steady_state(scope, verified=_confirms(scope))
    answer = scope.installation.status.answer
    if not _is_unconfirmed(scope) or answer is None or answer.delivery_time is None:
        return finish
    settled = saturating_add(answer.delivery_time, SETTLED_AFTER)
    return replace(finish, requeue_at=settled) if scope.now < settled and not finish.verified else finish


def _is_unconfirmed(scope: Scope) -> bool:
    """Return whether an Update was approved and Talkdesk's state was not read since."""
    answer = scope.installation.status.answer
    approved = is_answered(scope.installation) and answer is not None and answer.verification_time is None
    return approved and scope.request.type is RequestType.UPDATE


def _confirms(scope: Scope) -> bool:
    """Return whether Talkdesk's own state shows an approved Update as done."""
    done = isinstance(scope.remote, RemoteInstallation) and scope.remote.classified_state is RemoteState.DONE
    return done and _is_unconfirmed(scope)


def _uses_another_version(scope: Scope) -> bool:
    """Return whether a previous version is in use or still stored: only a call shows which one Talkdesk accepts now."""
    register, used = scope.installation.spec.credentials, scope.installation.status.credentials
    if register is None or used is None:
        return False
    return used.secret_name not in {None, register.secret_name} or used.replacement_time is not None


def _observe(scope: Scope, *, recheck: bool, owner: bool) -> Step | None:
    """Return the next read of what the tenant is made from and, on a recheck, of Talkdesk's state."""
    if scope.credentials is None:
        return ReadCredentials()
    if isinstance(scope.credentials, CredentialsMissing):
        phase = InstallationPhase.ACTIVE if owner else InstallationPhase.SUPERSEDED
        return wait_for_credentials(scope, scope.credentials, phase)
    needs_facts = owner and scope.facts is None and scope.installation.status.account is None
    if scope.remote is None and (recheck or needs_facts):
        return ReadTalkdesk(facts=owner, trial=owner and trial_is_open(scope))
    if isinstance(scope.remote, RemoteFailed) and needs_facts:
        failure = scope.remote.failure
        return Finish(phase=scope.current_phase, reason=failure.reason, message=failure.message, failure=failure)
    if isinstance(scope.remote, RemoteMissing):
        return end_at_talkdesk(scope) or in_steady_state(scope)
    missed = missed_request(scope)
    return RecordMissedRequest(missed) if missed is not None else None
