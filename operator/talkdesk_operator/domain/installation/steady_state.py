"""An installation that is answered and whose tenant is as it should be: how a pass over it ends."""

from talkdesk_crds.app import StandstillPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.reconcile.deadlines import is_closed
from talkdesk_operator.domain.reconcile.scope import (
    Failure,
    Pace,
    RemoteRefused,
    Role,
    Scope,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
)
from talkdesk_operator.domain.tenant.entitlement import Standstill, standstill

__all__ = ["at_rest"]


def at_rest(scope: Scope, *, verified: bool = False) -> Finish:
    """End the pass; `verified` when Talkdesk's own state shows that the request is answered."""
    trouble = scope.users.trouble if scope.users is not None else None
    failure = scope.ack_failure or _lasting(scope) or trouble
    if scope.role is not Role.OWNER:
        return Finish(
            phase=InstallationPhase.SUPERSEDED,
            reason=Reason.SUPERSEDED,
            message="a newer installation of the account has the tenant",
            settled=True,
            verified=verified,
            failure=failure,
        )
    found = standstill(scope)
    if found is not None:
        return _at_standstill(scope, found, verified=verified, failure=failure)
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


def _at_standstill(scope: Scope, found: Standstill, *, verified: bool, failure: Failure | None) -> Finish:
    suspends = found.policy is StandstillPolicy.SUSPEND
    ends = scope.tenant.status.purge_after if scope.tenant is not None else None
    fate = "is suspended" if suspends else "is offboarded; what it retains is kept for a while"
    return Finish(
        phase=InstallationPhase.SUSPENDED,
        reason=found.reason,
        message=f"{found.message}; the tenant {fate}",
        ready=suspends,
        settled=True,
        verified=verified,
        failure=failure,
        # One that is over and still there is protected, and that is noticed when it changes.
        wake=None if suspends or ends is None or ends <= scope.now else ends,
    )


def _lasting(scope: Scope) -> Failure | None:
    """Give a refusal of Talkdesk's that does not pass by itself; what passes is met again at the next resync."""
    if isinstance(scope.remote, RemoteRefused) and scope.remote.failure.pace is not Pace.SOON:
        return scope.remote.failure
    return None
