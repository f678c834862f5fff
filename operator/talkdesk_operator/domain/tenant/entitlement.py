"""Whether a customer who has the app installed may use it now: trial and license, and what the app makes of them.

Belongs here: the trial as events and Talkdesk tell it, and the state that a tenant should have because of it. Does not
belong here: how the tenant gets into that state, uninstalls (`uninstall`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.app import SuspensionPolicy
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import TalkdeskInstallation, TrialState, TrialStatus
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState, RemoteTrial, classify
from talkdesk_operator.domain.reconcile.deadlines import is_before, later
from talkdesk_operator.domain.reconcile.observation import is_of_before
from talkdesk_operator.domain.reconcile.ownership import install_time
from talkdesk_operator.domain.reconcile.scope import Scope

__all__ = ["Suspension", "suspension", "trial_is_open", "trial_of", "wanted_state"]

_GOES_ON: Final = frozenset({"plan_upgraded", "app_uninstalled"})
"""Reasons for a trial's end that stop nobody: the customer pays from now on, or an uninstall follows by itself."""
_PAID: Final = "paid"
_ON_TRIAL: Final = "trial"
_JUST: Final = timedelta(microseconds=1)
_RANK: Final = {TrialState.STARTED: 0, TrialState.EXTENDED: 1, TrialState.ENDED: 2}


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why the customer may not use the app for now, and what the app's policy makes of it."""

    policy: SuspensionPolicy
    reason: Reason
    message: str


def suspension(scope: Scope) -> Suspension | None:
    """Return why the customer may not use the app; None while nothing is known against it, or the policy is Keep."""
    found = (_license(scope), _trial(scope))
    return next((each for each in found if each is not None and each.policy is not SuspensionPolicy.KEEP), None)


def wanted_state(scope: Scope) -> TenantState:
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
    policy = scope.policy.resource.spec.license
    match _talkdesk_entitlement(scope):
        case RemoteState.SUSPENDED:
            return Suspension(policy.on_suspended, Reason.SUSPENDED, "Talkdesk has suspended the installation")
        case RemoteState.REVOKED if not is_of_before(scope):
            message = "Talkdesk has revoked the installation, and no uninstall has come"
            return Suspension(policy.on_revoked, Reason.REVOKED, message)
        case _:
            return None


def _talkdesk_entitlement(scope: Scope) -> RemoteState:
    """Return what Talkdesk's state means: as just read, else as it was last seen."""
    if isinstance(scope.remote, RemoteInstallation):
        return scope.remote.entitlement
    return classify(scope.installation.status.talkdesk_state or "")


def _trial(scope: Scope) -> Suspension | None:
    trial = trial_of(scope.installation, scope.trial, now=scope.now)
    if trial is None or trial.state is not TrialState.ENDED or trial.ended_reason in _GOES_ON:
        return None
    if scope.known_facts.subscription.type == _PAID:
        return None
    return Suspension(scope.policy.resource.spec.trial.on_end, Reason.TRIAL_ENDED, "the trial ended without an upgrade")


def trial_is_open(scope: Scope) -> bool:
    """Return whether Talkdesk should be asked for the trial: there is one, and no event has told its end."""
    trial = trial_of(scope.installation, scope.trial, now=scope.now)
    if trial is not None:
        return trial.state is not TrialState.ENDED
    return scope.known_facts.subscription.type == _ON_TRIAL


def trial_of(
    installation: TalkdeskInstallation, remote: RemoteTrial | None = None, *, now: datetime
) -> TrialStatus | None:
    """Return the trial by the newest that is known of it: its event, what is on record, what Talkdesk just said.

    What is older than the installation is of one before it, under the same id.
    """
    since, event, recorded = install_time(installation), installation.spec.trial, installation.status.trial
    told = (
        TrialStatus(
            state=event.state,
            last_transition_time=event.event_time,
            expiration_time=event.expiration_time,
            ended_reason=event.ended_reason,
        )
        if event is not None
        else None
    )
    known = [
        trial
        for trial in (told, recorded)
        if trial is not None and (since is None or not is_before(trial.last_transition_time, since))
    ]
    newest = max(known, key=_age, default=None)
    if remote is None or (remote.ended_at is not None and since is not None and is_before(remote.ended_at, since)):
        return newest
    begun = remote.started_at or now.replace(microsecond=0)
    return _as_talkdesk_says(newest, remote, begun if since is None else max(begun, since))


def _as_talkdesk_says(known: TrialStatus | None, remote: RemoteTrial, begun: datetime) -> TrialStatus | None:
    """Correct it by an end that no event told, and by more time than the events know of.

    Whatever comes next must be younger than what is read here, and our clock is not Talkdesk's: so the time of an
    extension that no event told is only just later than what it extends.
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
        return TrialStatus(state=TrialState.STARTED, last_transition_time=begun, expiration_time=remote.expires_at)
    return TrialStatus(
        state=TrialState.EXTENDED,
        last_transition_time=later(known.last_transition_time, _JUST),
        expiration_time=remote.expires_at,
    )


def _age(trial: TrialStatus) -> tuple[datetime, int]:
    return trial.last_transition_time, _RANK[trial.state]
