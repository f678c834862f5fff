"""How a reconcile ends when the installation is answered and nothing is left to do.

Belongs here: phase, reason and message of that end. Does not belong here: whether something is left (`resync`).
"""

from talkdesk_crds.app import SuspensionPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.installation.reachability import access_failure, is_unproven
from talkdesk_operator.domain.reconcile.deadlines import is_closed
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RemoteFailed,
    RetryClass,
    Role,
    Scope,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
)
from talkdesk_operator.domain.tenant.desired import purge_at
from talkdesk_operator.domain.tenant.entitlement import Suspension, suspension

__all__ = ["in_steady_state"]


def in_steady_state(scope: Scope, *, verified: bool = False) -> Finish:
    """End the reconcile; `verified` when Talkdesk's own state shows that the request is answered."""
    cut_off = access_failure(scope)
    if cut_off is not None:
        return _cut_off(scope, cut_off)
    users_failure = scope.users.partial_failure if scope.users is not None else None
    failure = scope.ack_failure or _lasting_refusal(scope) or users_failure or scope.deletion_failure
    if scope.role is not Role.OWNER:
        return Finish(
            phase=InstallationPhase.SUPERSEDED,
            reason=Reason.SUPERSEDED,
            message="a newer installation of the same account owns the tenant",
            terminal=True,
            verified=verified,
            failure=failure,
        )
    found = suspension(scope)
    if found is not None:
        return _while_suspended(scope, found, verified=verified, failure=failure)
    message = "the tenant is ready, and Talkdesk has the answer"
    if is_closed(scope.installation):
        message = "the tenant is ready; Talkdesk no longer waits for an answer to the last update"
    due = scope.ack_failure or _lasting_refusal(scope)
    return Finish(
        phase=InstallationPhase.ACTIVE,
        reason=Reason.SUCCEEDED if due is None else due.reason,
        message=message if due is None else f"{message}; still due: {due.message}",
        ready=True,
        verified=verified,
        failure=failure,
    )


def _cut_off(scope: Scope, failure: Failure) -> Finish:
    """End the reconcile of an installation that an edit has cut off from Talkdesk; its tenant goes on."""
    edited = "after an edit of the TalkdeskApp: " if is_unproven(scope) else ""
    return Finish(
        phase=scope.current_phase,
        reason=failure.reason,
        message=f"{edited}{failure.message}",
        stalled=failure.retry_class is RetryClass.TERMINAL,
        failure=failure,
    )


def _while_suspended(scope: Scope, found: Suspension, *, verified: bool, failure: Failure | None) -> Finish:
    suspends = found.policy is not SuspensionPolicy.OFFBOARD
    ends = purge_at(scope.app, scope.tenant, scope.now) if scope.tenant is not None else None
    fate = "is suspended" if suspends else "is offboarded, and its retained objects stay until the retention ends"
    if found.until is not None:
        fate = f"stays as it is until {to_wire_time(found.until)} and is offboarded then, because the app was edited"
    return Finish(
        phase=InstallationPhase.SUSPENDED,
        reason=found.reason,
        message=f"{found.message}; the tenant {fate}",
        ready=suspends,
        terminal=True,
        verified=verified,
        failure=failure,
        # A tenant that outlives its retention is protected; a change of that starts a reconcile by itself.
        requeue_at=found.until if suspends else None if ends is None or ends <= scope.now else ends,
    )


def _lasting_refusal(scope: Scope) -> Failure | None:
    """Return why Talkdesk refused to be read, unless that is transient: the next resync reads again anyway."""
    if isinstance(scope.remote, RemoteFailed) and scope.remote.failure.retry_class is not RetryClass.TRANSIENT:
        return scope.remote.failure
    return None
