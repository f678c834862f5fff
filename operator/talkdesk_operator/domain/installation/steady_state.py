"""An installation that is answered and whose tenant is as it should be: how a pass over it ends."""

from talkdesk_crds.app import SuspensionPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.reconcile.deadlines import is_closed
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    RemoteRefused,
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
    """End the pass; `verified` when Talkdesk's own state shows that the request is answered."""
    trouble = scope.users.trouble if scope.users is not None else None
    failure = scope.ack_failure or _lasting(scope) or trouble
    if scope.role is not Role.OWNER:
        return Finish(
            phase=InstallationPhase.SUPERSEDED,
            reason=Reason.SUPERSEDED,
            message="a newer installation of the account has the tenant",
            terminal=True,
            verified=verified,
            failure=failure,
        )
    found = suspension(scope)
    if found is not None:
        return _while_suspended(scope, found, verified=verified, failure=failure)
    message = "the tenant is ready and Talkdesk was told"
    if is_closed(scope.installation):
        message = "the tenant is ready; Talkdesk no longer waits for an answer to the update"
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
    fate = "is suspended" if suspends else "is offboarded; what it retains is kept for a while"
    return Finish(
        phase=InstallationPhase.SUSPENDED,
        reason=found.reason,
        message=f"{found.message}; the tenant {fate}",
        ready=suspends,
        terminal=True,
        verified=verified,
        failure=failure,
        # One that is over and still there is protected, and that is noticed when it changes.
        requeue_at=None if suspends or ends is None or ends <= scope.now else ends,
    )


def _lasting(scope: Scope) -> Failure | None:
    """Return a refusal of Talkdesk's that does not pass by itself; what passes is met again at the next resync."""
    if isinstance(scope.remote, RemoteRefused) and scope.remote.failure.retry_class is not RetryClass.TRANSIENT:
        return scope.remote.failure
    return None
