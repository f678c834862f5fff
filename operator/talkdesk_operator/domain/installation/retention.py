"""What follows an end: the tenant's retention, the erasure of personal data, and a deletion of our object by hand.

Deleting our object is not an uninstall: with `deletionPolicy: Retain` the finalizer goes and the tenant stays.
"""

from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.installation import DeletionPolicy, Ending, EndingReason, InstallationPhase
from talkdesk_crds.names import FINALIZER
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.reconcile.deadlines import end_of_grace
from talkdesk_operator.domain.reconcile.scope import Scope, Tenancy, TenancyState, UsersOutcome
from talkdesk_operator.domain.reconcile.steps import DeleteCredentials, Erase, Finish, Offboard, Purge, Release, Step
from talkdesk_operator.domain.tenant.desired import held_up, is_protected, next_read, purge_due
from talkdesk_operator.domain.users.decide import deprovision

__all__ = ["decide_deletion", "decide_ended", "sentence"]


def decide_ended(scope: Scope, ending: Ending) -> Step:
    """Name the next step for an installation that has ended."""
    return _after_grace(scope, ending) or _credentials(scope) or _tenant(scope, ending) or _record(scope, ending)


def _after_grace(scope: Scope, ending: Ending) -> Step | None:
    """Keep everything for a while, as a customer who was not answered in time may simply try again."""
    until = end_of_grace(ending, scope.policy.resource)
    if ending.reason is not EndingReason.TIMED_OUT or scope.now >= until:
        return None
    message = "not answered in time; a repeated installation finds the tenant as it is"
    phase = InstallationPhase.TIMED_OUT
    return Finish(phase=phase, reason=Reason.TIMED_OUT, message=message, terminal=True, requeue_at=until)


def _credentials(scope: Scope) -> Step | None:
    known = find(scope.installation.status.conditions, ConditionType.CREDENTIALS_VALID)
    deleted = known is not None and known.reason == Reason.CREDENTIALS_DELETED
    # A late event may have brought another set since; our own erasure has not.
    seen = scope.erased or (known is not None and known.observed_generation == scope.installation.metadata.generation)
    # A replayed event may have left a set behind without changing the object, so now and then it is looked for.
    return None if scope.credentials_deleted or (deleted and seen and not scope.resync) else DeleteCredentials()


def _tenant(scope: Scope, ending: Ending) -> Step | None:
    if not scope.owned:
        return None
    if scope.tenancy is None:
        return Purge() if purge_due(scope) and not is_protected(scope) else Offboard()
    if scope.tenancy.state is TenancyState.PURGED:
        return None
    if scope.tenancy.state is TenancyState.OFFBOARDED:
        return _users(scope, ending)
    return _going(scope, scope.tenancy, InstallationPhase(ending.reason.value))


def _users(scope: Scope, ending: Ending) -> Step | None:
    match deprovision(scope):
        case UsersOutcome(failure=failure, message=message):
            reason = failure.reason if failure is not None else Reason.USERS_SYNCING
            requeue_at = scope.now if failure is None else None
            phase = InstallationPhase(ending.reason.value)
            return Finish(phase=phase, reason=reason, message=message, failure=failure, requeue_at=requeue_at)
        case step:
            return step


def _going(scope: Scope, tenancy: Tenancy, phase: InstallationPhase) -> Finish:
    failure = tenancy.failure
    if failure is not None:
        return Finish(phase=phase, reason=failure.reason, message=tenancy.message, failure=failure)
    if phase is InstallationPhase.DELETING or purge_due(scope):
        reason = Reason.PURGING
    else:
        reason = Reason.DELETION_BLOCKED if held_up(scope) else Reason.OFFBOARDING
    return Finish(phase=phase, reason=reason, message=tenancy.message, requeue_at=next_read(tenancy, scope.now))


def _record(scope: Scope, ending: Ending) -> Step:
    """Nothing is left to do before the retention ends; once nothing is kept, the record loses what is personal."""
    if scope.tenant is not None and not _purged(scope):
        return _kept(scope, scope.tenant, ending)
    if _has_personal_data(scope) and not scope.erased:
        return Erase()
    had_tenant = scope.installation.status.tenant_ref is not None
    phase = InstallationPhase.PURGED if had_tenant else InstallationPhase(ending.reason.value)
    reason = Reason.PURGED if had_tenant else Reason(ending.reason.value)
    return Finish(phase=phase, reason=reason, message=_SENTENCES[ending.reason], terminal=True)


def _kept(scope: Scope, tenant: TalkdeskTenant, ending: Ending) -> Finish:
    phase = InstallationPhase(ending.reason.value)
    message = sentence(scope, ending.reason)
    if not scope.owned:
        return Finish(phase=phase, reason=Reason(ending.reason.value), message=message, terminal=True)
    if purge_due(scope) and is_protected(scope):
        message = (
            f"{_SENTENCES[ending.reason]}; the retention is over, but the tenant's spec.deletionProtection is true"
        )
        return Finish(phase=phase, reason=Reason.PROTECTED, message=message, terminal=True)
    requeue_at = tenant.status.purge_time
    return Finish(
        phase=phase, reason=Reason(ending.reason.value), message=message, terminal=True, requeue_at=requeue_at
    )


_SENTENCES = {
    EndingReason.UNINSTALLED: "uninstalled",
    EndingReason.TIMED_OUT: "not answered in time",
    EndingReason.REJECTED: "rejected at Talkdesk",
    EndingReason.GONE: "no longer known to Talkdesk",
}


def sentence(scope: Scope, kind: EndingReason) -> str:
    """Return how an installation ended, and what becomes of the tenant while there is one."""
    if scope.tenant is None:
        return _SENTENCES[kind]
    fate = "what the tenant retains is kept for a while" if scope.owned else "the tenant is another installation's"
    return f"{_SENTENCES[kind]}; {fate}"


def _purged(scope: Scope) -> bool:
    return scope.tenancy is not None and scope.tenancy.state is TenancyState.PURGED


def _has_personal_data(scope: Scope) -> bool:
    spec = scope.installation.spec
    said = spec.request is not None and spec.request.reason is not None
    return said or spec.account_name is not None or spec.endpoints is not None


def decide_deletion(scope: Scope) -> Step:
    """Name the next step for an object that a person deleted."""
    if FINALIZER not in scope.installation.metadata.finalizers:
        message = "waits for finalizers of others"
        return Finish(phase=InstallationPhase.DELETING, reason=Reason.DELETING, message=message, terminal=True)
    if scope.installation.spec.deletion_policy is DeletionPolicy.RETAIN:
        return Release()
    if scope.owned and scope.app is not None and not is_protected(scope):
        if scope.tenancy is None:
            return Purge()
        if scope.tenancy.state is not TenancyState.PURGED:
            return _going(scope, scope.tenancy, InstallationPhase.DELETING)
    return Release() if scope.credentials_deleted else DeleteCredentials()
