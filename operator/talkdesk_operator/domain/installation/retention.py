"""What follows an end: retention, erasure, the end of the record itself; and a deletion of our object by hand.

Deleting our object is not an uninstall: with `deletionPolicy: Retain` the finalizer is removed and the tenant stays.

Belongs here: the next step after an end or a deletion. Does not belong here: the end itself (`uninstall`, `answer`),
when a retention ends (`domain.tenant.desired`).
"""

from datetime import datetime

from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import DeletionPolicy, Ending, EndingReason, InstallationPhase
from talkdesk_crds.names import FINALIZER, tenant_name
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.installation.erasure import holds_personal_data
from talkdesk_operator.domain.reconcile.deadlines import grace_period_end
from talkdesk_operator.domain.reconcile.scope import Scope, TenantOutcome, TenantResult, UsersOutcome
from talkdesk_operator.domain.reconcile.steps import (
    CheckNamespace,
    DeleteCredentials,
    DeleteHistory,
    Erase,
    Finish,
    Offboard,
    Purge,
    RemoveFinalizer,
    Step,
)
from talkdesk_operator.domain.tenant.desired import (
    is_protected,
    is_purge_due,
    next_poll,
    offboard_timed_out,
    purge_at,
)
from talkdesk_operator.domain.tenant.edit_grace import held_until
from talkdesk_operator.domain.tenant.history import forgotten_at, history_since, tenant_was_purged
from talkdesk_operator.domain.tenant.marks import tenant_selector
from talkdesk_operator.domain.users.decide import deprovision

__all__ = ["abandon", "decide_deletion", "decide_ended", "decide_without_app", "ending_message"]


def decide_ended(scope: Scope, ending: Ending) -> Step:
    """Return the next step for an installation that has ended."""
    return _in_grace_period(scope, ending) or _credentials(scope) or _tenant(scope, ending) or _retain(scope, ending)


def decide_without_app(scope: Scope, ending: Ending) -> Step:
    """Return the next step for an installation that has ended and whose app and tenant are gone: the erasure."""
    return _credentials(scope) or _retain(scope, ending)


def _in_grace_period(scope: Scope, ending: Ending) -> Step | None:
    """Keep everything for a while, because a customer who was not answered in time may repeat the installation."""
    app = scope.required_app.resource
    held, until = held_until(app, scope.now), grace_period_end(ending, app)
    if held is not None:
        until = max(held, until)
    if ending.reason is not EndingReason.TIMED_OUT or scope.now >= until:
        return None
    message = "the request was not answered in time; the tenant is kept for now, in case the customer installs again"
    phase = InstallationPhase.TIMED_OUT
    return Finish(phase=phase, reason=Reason.TIMED_OUT, message=message, terminal=True, requeue_at=until)


def _credentials(scope: Scope) -> Step | None:
    valid = find(scope.installation.status.conditions, ConditionType.CREDENTIALS_VALID)
    deleted = valid is not None and valid.reason == Reason.CREDENTIALS_DELETED
    # A late event changes the spec and may have stored another version; our own erasure changes only the spec.
    observed = valid is not None and valid.observed_generation == scope.installation.metadata.generation
    # A replayed event may have stored a version without changing the object, so a resync deletes again.
    finished = deleted and (scope.erased or observed)
    if scope.credentials_deleted or (finished and not scope.resync):
        return None
    return DeleteCredentials(sweep=finished and scope.background)


def _tenant(scope: Scope, ending: Ending) -> Step | None:
    if not scope.owns_tenant:
        return None
    if scope.tenant_outcome is None:
        return Purge() if is_purge_due(scope) and not is_protected(scope) else Offboard()
    if scope.tenant_outcome.result is TenantResult.PURGED:
        return None
    if scope.tenant_outcome.result is TenantResult.OFFBOARDED:
        return _users(scope, ending)
    return _deleting(scope, scope.tenant_outcome, InstallationPhase(ending.reason.value))


def _users(scope: Scope, ending: Ending) -> Step | None:
    match deprovision(scope):
        case UsersOutcome(failure=failure, message=message):
            reason = failure.reason if failure is not None else Reason.USERS_SYNCING
            requeue_at = scope.now if failure is None else None
            phase = InstallationPhase(ending.reason.value)
            return Finish(phase=phase, reason=reason, message=message, failure=failure, requeue_at=requeue_at)
        case step:
            return step


def _deleting(scope: Scope, outcome: TenantOutcome, phase: InstallationPhase) -> Finish:
    failure = outcome.failure
    if failure is not None:
        return Finish(phase=phase, reason=failure.reason, message=outcome.message, failure=failure)
    if phase is InstallationPhase.DELETING or is_purge_due(scope):
        reason = Reason.PURGING
    else:
        reason = Reason.DELETION_BLOCKED if offboard_timed_out(scope) else Reason.OFFBOARDING
    return Finish(phase=phase, reason=reason, message=outcome.message, requeue_at=next_poll(outcome, scope.now))


def _retain(scope: Scope, ending: Ending) -> Step:
    """Wait for the end of the retention; then erase personal data, and in the end delete the record."""
    if scope.tenant is not None and not _purged(scope) and not _was_purged(scope):
        return _retained(scope, scope.tenant, ending)
    if holds_personal_data(scope.installation) and not scope.erased:
        return Erase()
    had_tenant = scope.installation.status.tenant_ref is not None
    phase = InstallationPhase.PURGED if had_tenant else InstallationPhase(ending.reason.value)
    reason = Reason.PURGED if had_tenant else Reason(ending.reason.value)
    message, recorded = _ENDS[ending.reason], scope.installation.status.phase is phase
    ends = _forgotten_at(scope, history_since(scope.installation) if recorded else scope.now)
    # What was found out in this reconcile is written down first.
    if ends is not None and ends <= scope.now and recorded and not scope.erased:
        return DeleteHistory(f"{message}, and retention.historyTTL of the app is over: nothing else was left")
    return Finish(phase=phase, reason=reason, message=message, terminal=True, erased=True, requeue_at=ends)


def _forgotten_at(scope: Scope, since: datetime | None) -> datetime | None:
    """Return when the record is to be deleted; None for never: without the app nobody knows how long to keep it."""
    if since is None or scope.app is None or is_protected(scope):
        return None
    return forgotten_at(since, scope.app.resource, scope.now)


def _retained(scope: Scope, tenant: TalkdeskTenant, ending: Ending) -> Finish:
    phase = InstallationPhase(ending.reason.value)
    message = ending_message(scope, ending.reason)
    if not scope.owns_tenant:
        return Finish(phase=phase, reason=Reason(ending.reason.value), message=message, terminal=True)
    if is_purge_due(scope) and is_protected(scope):
        protected = f"spec.deletionProtection of the TalkdeskTenant {tenant.metadata.name} forbids the purge"
        message = f"{_ENDS[ending.reason]}; the retention is over, but {protected}"
        return Finish(phase=phase, reason=Reason.PROTECTED, message=message, terminal=True)
    ends = purge_at(scope.app, tenant, scope.now)
    if ends != tenant.status.purge_time and ends is not None:
        message = f"{_ENDS[ending.reason]}; the tenant is purged at {to_wire_time(ends)}, because the app was edited"
    return Finish(phase=phase, reason=Reason(ending.reason.value), message=message, terminal=True, requeue_at=ends)


_ENDS = {
    EndingReason.UNINSTALLED: "the customer uninstalled the app",
    EndingReason.TIMED_OUT: "the request was not answered in time",
    EndingReason.REJECTED: "the request was rejected",
    EndingReason.GONE: "Talkdesk no longer has the installation",
}


def ending_message(scope: Scope, kind: EndingReason) -> str:
    """Return how an installation ended, and what happens to the tenant while there is one."""
    if scope.tenant is None:
        return _ENDS[kind]
    if not scope.owns_tenant:
        return f"{_ENDS[kind]}; another installation of the same account owns the tenant"
    return f"{_ENDS[kind]}; the tenant's retained objects stay until the retention ends"


def _purged(scope: Scope) -> bool:
    return scope.tenant_outcome is not None and scope.tenant_outcome.result is TenantResult.PURGED


def _was_purged(scope: Scope) -> bool:
    """Return whether everything of this installation was purged before, so that the tenant there is a later one."""
    return not scope.owns_tenant and tenant_was_purged(scope.installation)


def abandon(scope: Scope) -> Step | None:
    """Return the way out of a deletion that can never end, because the namespace goes and took our rights with it.

    Nobody can give a right in a namespace that is being deleted. None while anything else than rights is missing.
    """
    metadata = scope.installation.metadata
    outcome = scope.tenant_outcome.failure if scope.tenant_outcome is not None else None
    failure = scope.failure or outcome
    denied = failure is not None and failure.reason is Reason.ACCESS_MISSING
    if not denied or metadata.deletion_timestamp is None or FINALIZER not in metadata.finalizers:
        return None
    if scope.namespace_terminating is None:
        return CheckNamespace()
    if not scope.namespace_terminating:
        return None
    app, account = scope.installation.spec.app_ref.name, scope.installation.spec.account_id
    selector = tenant_selector(metadata.namespace, tenant_name(app, account))
    message = (
        f"the namespace is being deleted with the TalkdeskInstallation {metadata.name} in it, whose deletionPolicy is "
        "Delete, and the operator's rights went first; whatever of the tenant is in other namespaces or in none stays: "
        f"find it by the labels {selector}, and delete it by hand"
    )
    return RemoveFinalizer(left_behind=message)


def decide_deletion(scope: Scope) -> Step:
    """Return the next step for an object that a person deleted."""
    finalizers = scope.installation.metadata.finalizers
    if FINALIZER not in finalizers:
        message = f"the object is being deleted and waits for other controllers' finalizers: {', '.join(finalizers)}"
        return Finish(phase=InstallationPhase.DELETING, reason=Reason.DELETING, message=message, terminal=True)
    if scope.installation.spec.deletion_policy is DeletionPolicy.RETAIN:
        return RemoveFinalizer()
    if scope.owns_tenant and scope.app is not None and not is_protected(scope):
        if scope.tenant_outcome is None:
            return Purge()
        if scope.tenant_outcome.result is not TenantResult.PURGED:
            return _deleting(scope, scope.tenant_outcome, InstallationPhase.DELETING)
    return RemoveFinalizer() if scope.credentials_deleted else DeleteCredentials()
