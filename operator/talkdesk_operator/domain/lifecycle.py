"""What to do next for one installation: the one entry of all decisions.

    decide(scope) ──▶ Step

Install and Update are decided here, uninstalls in `uninstall`, what follows an end in `aftermath`. Each rule is a small
function that gives a step, or None when it has nothing to say; they are asked in order.
"""

from datetime import datetime
from typing import Final

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Ending, EndingKind, InstallationPhase, RequestType
from talkdesk_operator.domain import aftermath, uninstall
from talkdesk_operator.domain.deadlines import is_closed, is_ended, waits_for_answer
from talkdesk_operator.domain.reading import deadline_look, missing_credentials, overdue, read, second_look
from talkdesk_operator.domain.scope import (
    CredentialsMissing,
    Failure,
    Pace,
    RemoteMissing,
    RemoteRefused,
    Role,
    Scope,
    SendState,
    TenancyState,
)
from talkdesk_operator.domain.steps import Finish, Provision, ReadCredentials, ReadTalkdesk, Send, Step
from talkdesk_operator.domain.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.tenancy import is_current, next_look

__all__ = ["decide"]

_INSTALLED: Final = frozenset({RemoteState.DONE, RemoteState.SUSPENDED})
"""States that an installation only comes to once it was approved."""


def decide(scope: Scope) -> Step:
    """Name the next step; total, and free of side effects."""
    if scope.failure is not None:
        return _stopped(scope, scope.failure)
    if scope.installation.metadata.deletion_timestamp is not None:
        return aftermath.decide_deletion(scope)
    if scope.installation.spec.paused:
        return Finish(phase=InstallationPhase.PAUSED, reason=Reason.PAUSED, message="spec.paused is true", settled=True)
    if scope.installation.spec.request is None:
        message = "waits for an app.installed event, or for spec.request"
        return Finish(phase=InstallationPhase.PENDING, reason=Reason.NO_REQUEST, message=message)
    if scope.app is None:
        message = f"there is no TalkdeskApp {scope.installation.spec.app_ref.name} in this namespace"
        return Finish(phase=_phase(scope), reason=Reason.APP_NOT_FOUND, message=message, stalled=True)
    ending = scope.installation.status.ending
    if ending is not None and is_ended(scope.installation):
        return aftermath.decide_ended(scope, ending)
    if scope.request.type is RequestType.UNINSTALL:
        return uninstall.decide(scope)
    return _pending(scope) if waits_for_answer(scope.installation) else _steady(scope)


def _stopped(scope: Scope, failure: Failure) -> Finish:
    stuck = failure.pace is Pace.NEVER
    return Finish(phase=_phase(scope), reason=failure.reason, message=failure.message, failure=failure, stalled=stuck)


def _phase(scope: Scope) -> InstallationPhase:
    """Keep the phase while nothing can be found out."""
    return scope.installation.status.phase or InstallationPhase.PENDING


def _pending(scope: Scope) -> Step:
    """Work towards the answer to an Install or Update."""
    return (
        read(scope, facts=True, otherwise=_unanswerable) or _end_at_talkdesk(scope) or _tenant(scope) or _answer(scope)
    )


def _unanswerable(scope: Scope) -> Finish | None:
    """Without credentials nobody can be answered; when the time for it is over, that is the end."""
    if not overdue(scope):
        return None
    return _end(scope, EndingKind.TIMED_OUT, Reason.TIMED_OUT, "the deadline passed, and Talkdesk can't be asked")


def _end_at_talkdesk(scope: Scope) -> Step | None:
    if _is_of_before(scope):
        return None
    match scope.remote:
        case RemoteMissing() as missing:
            return second_look(scope, missing) or _end(scope, EndingKind.GONE, Reason.GONE, missing.message)
        case RemoteInstallation(standing=RemoteState.TIMED_OUT):
            return _end(scope, EndingKind.TIMED_OUT, Reason.TIMED_OUT, "Talkdesk gave up waiting for an answer")
        case RemoteInstallation(standing=RemoteState.REJECTED, state=word):
            return _end(scope, EndingKind.REJECTED, Reason.REJECTED, f"Talkdesk has the installation as {word}")
        case RemoteInstallation(standing=RemoteState.REVOKED, state=word):
            return _end(scope, EndingKind.GONE, Reason.GONE, f"Talkdesk has the installation as {word}")
        case _:
            return None


def _is_of_before(scope: Scope) -> bool:
    """Tell whether Talkdesk's state is older than the request: a repeated installation has ended once already."""
    match scope.remote:
        case RemoteInstallation(updated_at=datetime() as moment):
            return moment < scope.request.requested_at and not overdue(scope)
        case _:
            return False


def _end(scope: Scope, kind: EndingKind, reason: Reason, message: str) -> Finish:
    phase = {
        EndingKind.UNINSTALLED: InstallationPhase.UNINSTALLED,
        EndingKind.TIMED_OUT: InstallationPhase.TIMED_OUT,
        EndingKind.REJECTED: InstallationPhase.REJECTED,
        EndingKind.GONE: InstallationPhase.GONE,
    }[kind]
    ending = Ending(kind=kind, event_id=scope.request.event_id, at=scope.now)
    # What follows the end is decided by the next pass, which comes at once; until then it is not settled.
    return Finish(phase=phase, reason=reason, message=message, ending=ending, wake=scope.now)


def _tenant(scope: Scope) -> Step | None:
    if scope.role is not Role.OWNER:
        return None
    if scope.tenancy is None:
        return Provision()
    if scope.tenancy.state is TenancyState.READY:
        return None
    waits = waits_for_answer(scope.installation)
    failure = scope.tenancy.failure
    wake = next_look(scope.tenancy, scope.now) if failure is None else deadline_look(scope) if waits else None
    return Finish(
        phase=InstallationPhase.PROVISIONING if waits else InstallationPhase.ACTIVE,
        reason=failure.reason if failure is not None else Reason.NOT_READY,
        message=scope.tenancy.message,
        stalled=failure is not None and failure.reason in {Reason.RENDER_FAILED, Reason.TEMPLATE_INVALID},
        failure=failure,
        wake=wake,
    )


def _answer(scope: Scope) -> Step:
    """Tell Talkdesk, unless it turns out to know; the tenant is as it should be."""
    done = isinstance(scope.remote, RemoteInstallation) and scope.remote.standing in _INSTALLED
    # Of an update nobody knows whether Talkdesk's state shows that it waits; "completed" may be from before it.
    evidence = scope.request.type is RequestType.INSTALL or scope.sent is SendState.UNCLEAR
    if done and evidence:
        return _at_rest(scope, verified=True)
    if scope.send_failure is not None:
        return _unsent(scope, scope.send_failure)
    match scope.sent:
        case None:
            return Send(Decision.APPROVE)
        case SendState.DELIVERED:
            return _at_rest(scope)
        case _:
            message = "the request changed before it was answered"
            return Finish(
                phase=InstallationPhase.PROVISIONING, reason=Reason.PROGRESSING, message=message, wake=scope.now
            )


def _unsent(scope: Scope, failure: Failure) -> Finish:
    phase, wake = InstallationPhase.ANSWERING, deadline_look(scope)
    return Finish(phase=phase, reason=failure.reason, message=failure.message, failure=failure, wake=wake)


def _steady(scope: Scope) -> Step:
    """Keep the tenant of an answered installation as it should be."""
    if scope.role is not Role.OWNER:
        return _at_rest(scope)
    status, metadata = scope.installation.status, scope.installation.metadata
    # A failure stays until a pass has looked again at what failed; a spec that changed may have been paused until now.
    recheck = scope.resync or status.retry is not None or status.observed_generation != metadata.generation
    if is_current(scope) and not (recheck or scope.drifted):
        return _at_rest(scope)
    if scope.credentials is None:
        return ReadCredentials()
    if isinstance(scope.credentials, CredentialsMissing):
        return missing_credentials(scope, scope.credentials, InstallationPhase.ACTIVE)
    needs_facts = scope.facts is None and scope.installation.status.account is None
    if scope.remote is None and (recheck or needs_facts):
        return ReadTalkdesk(facts=True)
    if isinstance(scope.remote, RemoteRefused) and needs_facts:
        failure = scope.remote.failure
        return Finish(phase=_phase(scope), reason=failure.reason, message=failure.message, failure=failure)
    if isinstance(scope.remote, RemoteMissing):
        return _end_at_talkdesk(scope) or _at_rest(scope)
    return _tenant(scope) or _at_rest(scope)


def _at_rest(scope: Scope, *, verified: bool = False) -> Finish:
    if scope.role is Role.OWNER:
        message = "the tenant is ready and Talkdesk was told"
        if is_closed(scope.installation):
            message = "the tenant is ready; Talkdesk no longer waits for an answer to the update"
        return Finish(
            phase=InstallationPhase.ACTIVE, reason=Reason.SUCCEEDED, message=message, ready=True, verified=verified
        )
    message = "a newer installation of the account has the tenant"
    return Finish(
        phase=InstallationPhase.SUPERSEDED,
        reason=Reason.SUPERSEDED,
        message=message,
        settled=True,
        verified=verified,
    )
