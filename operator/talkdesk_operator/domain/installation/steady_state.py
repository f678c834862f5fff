"""How a reconcile ends when the installation is answered and nothing is left to do.

Belongs here: phase, reason and message of that end. Does not belong here: whether something is left (`resync`).
"""

from talkdesk_crds.app import SuspensionPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase
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
from talkdesk_operator.domain.tenant.entitlement import Suspension, suspension

__all__ = ["in_steady_state"]


def in_steady_state(scope: Scope, *, verified: bool = False) -> Finish:
    """End the reconcile; `verified` when Talkdesk's own state shows that the request is answered."""
    users_failure = scope.users.partial_failure if scope.users is not None else None
    failure = scope.ack_failure or _lasting_refusal(scope) or users_failure
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
    return Finish(
        phase=InstallationPhase.ACTIVE,
        reason=Reason.SUCCEEDED,
        message=message,
        ready=True,
        verified=verified,
        failure=failure,
    )


def _while_suspended(scope: Scope, found: Suspension, *, verified: bool, failure: Failure | None) -> Finish:
    suspends = found.policy is SuspensionPolicy.SUSPEND
    ends = scope.tenant.status.purge_time if scope.tenant is not None else None
    fate = "is suspended" if suspends else "is offboarded, and its retained objects stay until the retention ends"
    return Finish(
        phase=InstallationPhase.SUSPENDED,
        reason=found.reason,
        message=f"{found.message}; the tenant {fate}",
        ready=suspends,
        terminal=True,
        verified=verified,
        failure=failure,
        # A tenant that outlives its retention is protected; a change of that starts a reconcile by itself.
        requeue_at=None if suspends or ends is None or ends <= scope.now else ends,
    )


def _lasting_refusal(scope: Scope) -> Failure | None:
    """Return why Talkdesk refused to be read, unless that is transient: the next resync reads again anyway."""
    if isinstance(scope.remote, RemoteFailed) and scope.remote.failure.retry_class is not RetryClass.TRANSIENT:
        return scope.remote.failure
    return None
