"""Whether a customer who has the app installed is entitled to use it now, by trial, license and the app's policies.

Belongs here: the trial, merged from events and Talkdesk's state, and the tenant's desired state that follows.
Does not belong here: how the tenant gets into that state, uninstalls (`installation.uninstall`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.app import SuspensionPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import TalkdeskInstallation, TrialState, TrialStatus
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState, RemoteTrial, classify
from talkdesk_operator.domain.reconcile.deadlines import is_before, saturating_add
from talkdesk_operator.domain.reconcile.observation import remote_predates_request
from talkdesk_operator.domain.reconcile.ownership import install_time
from talkdesk_operator.domain.reconcile.scope import Scope
from talkdesk_operator.domain.tenant.edit_grace import held_until

__all__ = ["Suspension", "desired_state", "suspension", "trial_is_open", "trial_of"]

_NOT_SUSPENDING: Final = frozenset({"plan_upgraded", "app_uninstalled"})
"""Reasons for a trial's end that suspend nobody: the customer pays from now on, or an uninstall event follows."""
_PAID: Final = "paid"
_ON_TRIAL: Final = "trial"
_TICK: Final = timedelta(microseconds=1)
_RANK: Final = {TrialState.STARTED: 0, TrialState.EXTENDED: 1, TrialState.ENDED: 2}


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why the customer is not entitled to use the app now, and the app's policy for that case."""

    policy: SuspensionPolicy
    reason: Reason
    message: str
    until: datetime | None = None
    """Until when the tenant stays as it is, because the app's policies were edited just now; it is offboarded then."""


def suspension(scope: Scope) -> Suspension | None:
    """Return why the customer is suspended; None while entitled, or where the app's policy is Keep."""
    found = (_license(scope), _trial(scope))
    first = next((each for each in found if each is not None and each.policy is not SuspensionPolicy.KEEP), None)
    return None if first is None else _with_grace(scope, first)


def _with_grace(scope: Scope, found: Suspension) -> Suspension:
    """Return the suspension without an offboarding that only an edit of the app brought, for an hour."""
    tenant = scope.tenant
    if found.policy is not SuspensionPolicy.OFFBOARD or tenant is None or tenant.spec.state is TenantState.OFFBOARDED:
        return found
    until = held_until(scope.required_app.resource, scope.now)
    if until is None:
        return found
    suspended = tenant.spec.state is TenantState.SUSPENDED
    return replace(found, policy=SuspensionPolicy.SUSPEND if suspended else SuspensionPolicy.KEEP, until=until)


def desired_state(scope: Scope) -> TenantState:
    """Return the state that the tenant of a live installation should have."""
    found = suspension(scope)
    match found and found.policy:
        case SuspensionPolicy.SUSPEND:
            return TenantState.SUSPENDED
        case SuspensionPolicy.OFFBOARD:
            return TenantState.OFFBOARDED
        case _:
            return TenantState.ACTIVE


def _license(scope: Scope) -> Suspension | None:
    policy = scope.required_app.resource.spec.license
    match _remote_state(scope):
        case RemoteState.SUSPENDED:
            return Suspension(policy.on_suspended, Reason.SUSPENDED, "Talkdesk suspended the installation")
        case RemoteState.REVOKED if not remote_predates_request(scope):
            message = "Talkdesk revoked the installation, but no uninstall event has arrived"
            return Suspension(policy.on_revoked, Reason.REVOKED, message)
        case _:
            return None


def _remote_state(scope: Scope) -> RemoteState:
    """Return what Talkdesk's state means: the one that was just read, else the one in the status."""
    if isinstance(scope.remote, RemoteInstallation):
        return scope.remote.classified_state
    return classify(scope.installation.status.talkdesk_state or "")


def _trial(scope: Scope) -> Suspension | None:
    trial = trial_of(scope.installation, scope.trial, now=scope.now)
    if trial is None or trial.state is not TrialState.ENDED or trial.ended_reason in _NOT_SUSPENDING:
        return None
    if scope.best_known_facts.subscription.type == _PAID:
        return None
    return Suspension(
        scope.required_app.resource.spec.trial.on_end, Reason.TRIAL_ENDED, "the trial ended without an upgrade"
    )


def trial_is_open(scope: Scope) -> bool:
    """Return whether the trial should be read from Talkdesk: there is one, and its end is not known yet."""
    trial = trial_of(scope.installation, scope.trial, now=scope.now)
    if trial is not None:
        return trial.state is not TrialState.ENDED
    return scope.best_known_facts.subscription.type == _ON_TRIAL


def trial_of(
    installation: TalkdeskInstallation, remote: RemoteTrial | None = None, *, now: datetime
) -> TrialStatus | None:
    """Return the newest state of the trial: from its event, from the status, or as Talkdesk just showed it.

    A trial that is older than the installation belongs to an earlier installation under the same id.
    """
    installed = install_time(installation)
    known = [
        trial
        for trial in (_from_event(installation), installation.status.trial)
        if trial is not None and (installed is None or not is_before(trial.last_transition_time, installed))
    ]
    newest = max(known, key=_recency, default=None)
    if remote is None or (remote.ended_at is not None and installed and is_before(remote.ended_at, installed)):
        return newest
    started = remote.started_at or now.replace(microsecond=0)
    return _corrected(newest, remote, started if installed is None else max(started, installed))


def _from_event(installation: TalkdeskInstallation) -> TrialStatus | None:
    event = installation.spec.trial
    if event is None:
        return None
    return TrialStatus(
        state=event.state,
        last_transition_time=event.event_time,
        expiration_time=event.expiration_time,
        ended_reason=event.ended_reason,
    )


def _corrected(known: TrialStatus | None, remote: RemoteTrial, started: datetime) -> TrialStatus | None:
    """Return the trial with an end or an extension that only Talkdesk's state shows.

    The next event must count as newer than what is read here, and our clock differs from Talkdesk's. So an extension
    without an event gets a time that is one tick after that of the state it extends.
    """
    if remote.ended_at is not None:
        if known is not None and (
            known.state is TrialState.ENDED or is_before(remote.ended_at, known.last_transition_time)
        ):
            return known
        return TrialStatus(
            state=TrialState.ENDED,
            last_transition_time=remote.ended_at,
            expiration_time=remote.expires_at,
            ended_reason=remote.ended_reason[:128] if remote.ended_reason else None,
        )
    if remote.expires_at is None or (
        known is not None and remote.expires_at <= (known.expiration_time or known.last_transition_time)
    ):
        return known
    if known is None:
        return TrialStatus(state=TrialState.STARTED, last_transition_time=started, expiration_time=remote.expires_at)
    return TrialStatus(
        state=TrialState.EXTENDED,
        last_transition_time=saturating_add(known.last_transition_time, _TICK),
        expiration_time=remote.expires_at,
    )


def _recency(trial: TrialStatus) -> tuple[datetime, int]:
    return trial.last_transition_time, _RANK[trial.state]
