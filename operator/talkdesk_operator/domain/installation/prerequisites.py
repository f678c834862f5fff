"""What a live installation needs before it is answered, and keeps afterwards: tenant, credentials, users."""

from typing import Final

from talkdesk_crds.app import SuspensionPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.installation import approval, rotation
from talkdesk_operator.domain.installation.answer import reject
from talkdesk_operator.domain.reconcile.deadlines import waits_for_answer
from talkdesk_operator.domain.reconcile.observation import read_before_deadline
from talkdesk_operator.domain.reconcile.scope import RemoteRefused, Role, Scope, Tenancy, TenancyState, UsersOutcome
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    Offboard,
    Provision,
    Purge,
    Step,
    SyncUsers,
)
from talkdesk_operator.domain.tenant.desired import is_protected, next_read, purge_due
from talkdesk_operator.domain.tenant.entitlement import suspension, wanted_state
from talkdesk_operator.domain.users.decide import deprovision

__all__ = ["converge"]


def converge(scope: Scope) -> Step | None:
    """See to tenant, credentials and users, in this order; None when all are as they should be."""
    step = _tenant(scope)
    if step is not None and not isinstance(step, Finish):
        return step
    # A tenant that lags behind does not hold up the acknowledgement.
    return rotation.next_step(scope) or step or _users(scope)


def _tenant(scope: Scope) -> Step | None:
    if scope.role is not Role.OWNER:
        return None
    offboards = wanted_state(scope) is TenantState.OFFBOARDED
    if scope.tenancy is None:
        return _offboard_live(scope) if offboards else Provision()
    if scope.tenancy.state in _AS_WANTED[offboards]:
        return None
    return _unready(scope, scope.tenancy)


_AS_WANTED: Final = {
    False: frozenset({TenancyState.READY}),
    True: frozenset({TenancyState.OFFBOARDED, TenancyState.PURGED}),
}


def _offboard_live(scope: Scope) -> Step | None:
    """Take the tenant of a customer who may not use the app for now to where an uninstall would."""
    if scope.tenant is None:
        return None
    return Purge() if purge_due(scope) and not is_protected(scope) else Offboard()


def _unready(scope: Scope, tenancy: Tenancy) -> Step:
    waits, failure = waits_for_answer(scope.installation), tenancy.failure
    verdict = approval.of_failure(scope, tenancy) if waits else None
    if verdict is not None:
        return reject(scope, verdict)
    return Finish(
        phase=InstallationPhase.PROVISIONING if waits else InstallationPhase.ACTIVE,
        reason=failure.reason if failure is not None else Reason.NOT_READY,
        message=tenancy.message,
        stalled=failure is not None and failure.reason in {Reason.RENDER_FAILED, Reason.TEMPLATE_INVALID},
        failure=failure,
        requeue_at=next_read(tenancy, scope.now) if failure is None else read_before_deadline(scope) if waits else None,
    )


def _users(scope: Scope) -> Step | None:
    """Have the licensed users where the app wants them; some that are refused for good hold up nobody."""
    if scope.role is not Role.OWNER or scope.policy.resource.spec.users is None:
        return None
    found = suspension(scope)
    if found is not None:
        step = deprovision(scope) if found.policy is SuspensionPolicy.OFFBOARD else None
        return _users_left(scope, step) if isinstance(step, UsersOutcome) else step
    outcome = scope.users
    if outcome is None:
        return None if _can_wait(scope) else SyncUsers()
    return None if outcome.finished else _users_left(scope, outcome)


def _users_left(scope: Scope, outcome: UsersOutcome) -> Finish:
    """Go on with the users who are left, at once or when what failed is tried again."""
    waits, failure = waits_for_answer(scope.installation), outcome.failure
    return Finish(
        phase=InstallationPhase.PROVISIONING if waits else InstallationPhase.ACTIVE,
        reason=failure.reason if failure is not None else Reason.USERS_SYNCING,
        message=failure.message if failure is not None else outcome.message,
        failure=failure,
        requeue_at=scope.now if failure is None else read_before_deadline(scope) if waits else None,
    )


def _can_wait(scope: Scope) -> bool:
    """Return whether all users were synced before and Talkdesk, who would be asked for them, has just not answered."""
    known = scope.installation.status.users
    complete = known is not None and known.complete and not waits_for_answer(scope.installation)
    return complete and isinstance(scope.remote, RemoteRefused)
