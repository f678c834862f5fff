"""What an answered installation needs now and then: its tenant converges, and Talkdesk's own state is read.

Belongs here: when something is read again, and in which order. Does not belong here: how the tenant converges
(`prerequisites`), whether Talkdesk's state agrees (`divergence`).
"""

from talkdesk_crds.installation import InstallationPhase, RequestType
from talkdesk_operator.domain.installation.answer import end_at_talkdesk
from talkdesk_operator.domain.installation.divergence import missed_request
from talkdesk_operator.domain.installation.prerequisites import converge
from talkdesk_operator.domain.installation.steady_state import in_steady_state
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.deadlines import is_answered
from talkdesk_operator.domain.reconcile.observation import wait_for_credentials
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    RemoteFailed,
    RemoteMissing,
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
    recheck = scope.resync or changed or unfinished or _is_unconfirmed(scope) or _uses_another_version(scope)
    owner = scope.role is Role.OWNER
    if not (recheck or (owner and (scope.drifted or not is_current(scope)))):
        return in_steady_state(scope)
    return (
        _observe(scope, recheck=recheck, owner=owner)
        or converge(scope)
        or in_steady_state(scope, verified=_confirms(scope))
    )


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
    """Return whether a previous credential version is in use: only a call shows which one Talkdesk accepts now."""
    register, used = scope.installation.spec.credentials, scope.installation.status.credentials
    return register is not None and used is not None and used.secret_name not in {None, register.secret_name}


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
