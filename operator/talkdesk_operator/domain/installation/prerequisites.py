"""What a live installation needs before its answer and keeps afterwards: tenant, credentials, users.

Belongs here: the next step towards these three, in their order. Does not belong here: what the tenant should be
(`domain.tenant`), when it is checked again (`resync`).
"""

from dataclasses import replace
from typing import Final

from talkdesk_crds.app import SuspensionPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.installation import approval, rotation
from talkdesk_operator.domain.installation.answer import reject
from talkdesk_operator.domain.reconcile.deadlines import waits_for_answer
from talkdesk_operator.domain.reconcile.observation import next_deadline_check
from talkdesk_operator.domain.reconcile.scope import (
    RemoteFailed,
    RetryClass,
    Role,
    Scope,
    TenantOutcome,
    TenantResult,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import (
    Finish,
    Offboard,
    Provision,
    Purge,
    Step,
    SyncUsers,
)
from talkdesk_operator.domain.tenant.desired import is_protected, is_purge_due, next_poll
from talkdesk_operator.domain.tenant.entitlement import desired_state, suspension
from talkdesk_operator.domain.users.decide import deprovision

__all__ = ["converge"]

_PROVISIONED: Final = frozenset({TenantResult.READY})
_TEMPLATE_AT_FAULT: Final = frozenset(
    {Reason.RENDER_FAILED, Reason.VALUES_INVALID, Reason.TEMPLATE_INVALID, Reason.OUTSIDE_TENANT}
)
_OFFBOARDED: Final = frozenset({TenantResult.OFFBOARDED, TenantResult.PURGED})
"""The results that a tenant's desired state asks for."""


def converge(scope: Scope) -> Step | None:
    """Return the next step for tenant, credentials and users, in this order; None when all have converged."""
    step = _tenant(scope)
    if step is not None and not isinstance(step, Finish):
        return step
    # The acknowledgement does not wait for a tenant that is not ready.
    acknowledged = rotation.decide_rotation(scope)
    if acknowledged is not None or step is None:
        return acknowledged or _users(scope)
    return (_users(scope) if _users_go_on(scope) else None) or _with_acknowledgement(scope, step)


def _users_go_on(scope: Scope) -> bool:
    """Return whether a live customer's users are looked after though the tenant has failed: no retry would help it."""
    outcome = scope.tenant_outcome
    return outcome is not None and outcome.done_but_outside and not waits_for_answer(scope.installation)


def _with_acknowledgement(scope: Scope, step: Finish) -> Finish:
    """Let an acknowledgement that failed be retried, too, where nothing else is."""
    if scope.ack_failure is None:
        return step
    retried = step.failure is not None and step.failure.retry_class is not RetryClass.TERMINAL
    return step if retried else replace(step, failure=scope.ack_failure)


def _tenant(scope: Scope) -> Step | None:
    if scope.role is not Role.OWNER:
        return None
    offboards = desired_state(scope) is TenantState.OFFBOARDED
    if scope.tenant_outcome is None:
        return _offboard_live(scope) if offboards else Provision()
    if scope.tenant_outcome.result in (_OFFBOARDED if offboards else _PROVISIONED):
        return None
    return _tenant_not_ready(scope, scope.tenant_outcome)


def _offboard_live(scope: Scope) -> Step | None:
    """Offboard the tenant of a suspended customer, as an uninstall would."""
    if scope.tenant is None:
        return None
    return Purge() if is_purge_due(scope) and not is_protected(scope) else Offboard()


def _tenant_not_ready(scope: Scope, outcome: TenantOutcome) -> Step:
    waits, failure = waits_for_answer(scope.installation), outcome.failure
    verdict = approval.rejection_for(scope, outcome) if waits else None
    if verdict is not None:
        return reject(scope, verdict)
    return Finish(
        phase=InstallationPhase.PROVISIONING if waits else InstallationPhase.ACTIVE,
        reason=failure.reason if failure is not None else Reason.NOT_READY,
        message=outcome.message,
        stalled=failure is not None and failure.reason in _TEMPLATE_AT_FAULT,
        failure=failure,
        requeue_at=next_poll(outcome, scope.now) if failure is None else next_deadline_check(scope) if waits else None,
    )


def _users(scope: Scope) -> Step | None:
    """Return the next step for the licensed users; users whom the service refuses do not delay the answer."""
    if scope.role is not Role.OWNER or scope.required_app.resource.spec.users is None:
        return None
    found = suspension(scope)
    if found is not None:
        step = deprovision(scope) if found.policy is SuspensionPolicy.OFFBOARD else None
        return _continue_users(scope, step) if isinstance(step, UsersOutcome) else step
    outcome = scope.users
    if outcome is None:
        return None if _users_can_wait(scope) else SyncUsers()
    return None if outcome.finished else _continue_users(scope, outcome)


def _continue_users(scope: Scope, outcome: UsersOutcome) -> Finish:
    """Continue with the users who are left: at once, or with the retry of what failed."""
    waits, failure = waits_for_answer(scope.installation), outcome.failure
    return Finish(
        phase=InstallationPhase.PROVISIONING if waits else InstallationPhase.ACTIVE,
        reason=failure.reason if failure is not None else Reason.USERS_SYNCING,
        message=failure.message if failure is not None else outcome.message,
        failure=failure,
        requeue_at=scope.now if failure is None else next_deadline_check(scope) if waits else None,
    )


def _users_can_wait(scope: Scope) -> bool:
    """Return whether all users were synced before and Talkdesk, which has the list, could not be read just now."""
    recorded = scope.installation.status.users
    complete = recorded is not None and recorded.complete and not waits_for_answer(scope.installation)
    return complete and isinstance(scope.remote, RemoteFailed)
