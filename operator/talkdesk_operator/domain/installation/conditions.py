"""The conditions of an installation, computed from a reconcile's scope and how it finished.

Belongs here: status, reason and message of each condition, and when a condition stays as it was.
Does not belong here: transition times and the rest of the status (`status`).

Messages are for an operator: what is wrong, whose it is, what to do. They contain no figure that changes with every
retry, because a status is only written when it changes; and no secret and no personal data.
"""

from collections.abc import Iterator
from dataclasses import replace

from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, is_true
from talkdesk_crds.installation import (
    Answer,
    Decision,
    InstallationPhase,
    RequestType,
)
from talkdesk_operator.domain.installation.condition_ends import has_ended, has_scim
from talkdesk_operator.domain.installation.divergence import compare_with_talkdesk
from talkdesk_operator.domain.ports.talkdesk import Credentials, RemoteInstallation
from talkdesk_operator.domain.reconcile.deadlines import is_closed, time_left_message
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    Failure,
    RemoteFailed,
    Role,
    Scope,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.domain.tenant.desired import is_current
from talkdesk_runtime.shorten import shorten

__all__ = ["conditions"]

_MESSAGE_LENGTH = 2048


def conditions(scope: Scope, finish: Finish, answer: Answer | None, left: str | None) -> Iterator[Condition]:
    """Yield every condition as it is now.

    `answer` is the answer to the current request, `left` what `time_left` says about its deadline. A condition that is
    not judged (None) keeps what it said before, until it ends (`condition_ends`). Until it is judged for the first
    time, it is shown as Unknown where `always` says so, else not at all. Judge by what the new status will say
    (`status._remote_fields`), or the next reconcile writes again.
    """
    yield _condition(scope, ConditionType.READY, (finish.ready, finish.reason, finish.message))
    for kind, judgement, always in (
        (ConditionType.CREDENTIALS_VALID, _credentials(scope), True),
        (ConditionType.TENANT_READY, _tenant(scope, finish), True),
        (ConditionType.ANSWERED, _answered(scope, finish, answer), True),
        (ConditionType.USERS_SYNCED, _users(scope), has_scim(scope)),
        (ConditionType.IN_SYNC, _in_sync(scope, answer), False),
        (ConditionType.DEADLINE_NEAR, _deadline(scope, left), False),
    ):
        told = _told(scope, kind, judgement, always=always)
        if told is not None and not has_ended(told, scope, finish, answer):
            yield told
    reconciling = not (finish.ready or finish.terminal or finish.stalled)
    for kind, holds in ((ConditionType.RECONCILING, reconciling), (ConditionType.STALLED, finish.stalled)):
        yield _condition(scope, kind, (holds, finish.reason, finish.message if holds else ""))
    told = _told(scope, ConditionType.NOTIFICATIONS_OVERDUE, None, always=False)  # judged with each delivery
    if told is not None and not has_ended(told, scope, finish, answer):
        yield told


_NO_CREDENTIALS = frozenset(
    {Reason.CREDENTIALS_MISSING, Reason.CREDENTIALS_LOST, Reason.CREDENTIALS_FOREIGN, Reason.CREDENTIALS_DELETED}
)
_Judgement = tuple[bool | None, Reason, str]
"""Whether a condition holds (None: unknown), and why."""


def _told(scope: Scope, kind: ConditionType, judgement: _Judgement | None, *, always: bool) -> Condition | None:
    previous = find(scope.installation.status.conditions, kind)
    if judgement is not None:
        return _condition(scope, kind, judgement)
    if previous is not None:
        return previous.model_copy(update={"observed_generation": scope.installation.metadata.generation})
    return _condition(scope, kind, (None, Reason.PENDING, "not evaluated yet")) if always else None


def _condition(scope: Scope, kind: ConditionType, judgement: _Judgement) -> Condition:
    holds, reason, message = judgement
    return Condition(
        type=kind,
        status="Unknown" if holds is None else ("True" if holds else "False"),
        reason=reason,
        message=shorten(message, _MESSAGE_LENGTH),
        last_transition_time=scope.now,
        observed_generation=scope.installation.metadata.generation,
    )


def _credentials(scope: Scope) -> _Judgement | None:
    if scope.credentials_deleted:
        return False, Reason.CREDENTIALS_DELETED, "the installation ended and its credentials were deleted"
    previous = find(scope.installation.status.conditions, ConditionType.CREDENTIALS_VALID)
    match scope.credentials, scope.remote:
        case CredentialsMissing(failure=failure), _:
            return False, failure.reason, failure.message
        case _, RemoteInstallation() if _newest_secret(scope) is None:
            message = "Talkdesk accepts the newest stored credentials; spec.credentials names none"
            return True, Reason.SUCCEEDED, message
        case _, RemoteInstallation() if scope.secret_name != _newest_secret(scope):
            message = "Talkdesk refuses the newest credentials; a previous version, which it accepts, is in use"
            return True, Reason.SUCCEEDED, message
        case _, RemoteInstallation() if scope.deletion_failure is not None:
            message = (
                f"Talkdesk accepts the credentials; previous versions are not deleted: {scope.deletion_failure.message}"
            )
            return True, scope.deletion_failure.reason, message
        case _, RemoteInstallation():
            return True, Reason.SUCCEEDED, "Talkdesk accepts the credentials"
        case _, RemoteFailed(failure=Failure(reason=Reason.CREDENTIALS_REFUSED, message=message)):
            return False, Reason.CREDENTIALS_REFUSED, message
        case Credentials(), _ if previous is not None and previous.reason in _NO_CREDENTIALS:
            return None, Reason.PENDING, "the credentials are stored, but were not used with Talkdesk yet"
        case _:
            return None


def _newest_secret(scope: Scope) -> str | None:
    register = scope.installation.spec.credentials
    return register.secret_name if register is not None else None


def _tenant(scope: Scope, finish: Finish) -> _Judgement | None:
    if finish.phase is InstallationPhase.PURGED:
        return False, Reason.PURGED, "all objects of the tenant are deleted"
    if scope.role is Role.NON_OWNER:
        return False, Reason.SUPERSEDED, "another installation of the same account owns the tenant"
    if finish.ready and scope.tenant_outcome is None and is_current(scope):
        return True, Reason.APPLIED, "every object is applied and ready"
    match scope.tenant_outcome:
        case TenantOutcome(result=TenantResult.READY):
            return True, Reason.APPLIED, "every object is applied and ready"
        case TenantOutcome(result=TenantResult.WAITING, message=message):
            return False, Reason.NOT_READY, message
        case TenantOutcome(result=TenantResult.FAILED, message=message, failure=failure):
            return False, failure.reason if failure is not None else Reason.INTERNAL_ERROR, message
        case TenantOutcome(result=TenantResult.OFFBOARDED):
            return (
                False,
                Reason.RETAINED,
                "the tenant is offboarded; its retained objects stay until the retention ends",
            )
        case TenantOutcome(result=TenantResult.DELETING, message=message):
            return False, Reason.OFFBOARDING, message
        case TenantOutcome(result=TenantResult.PURGED):
            return False, Reason.PURGED, "all objects of the tenant are deleted"
        case _:
            return None


def _users(scope: Scope) -> _Judgement | None:
    outcome = scope.users
    if outcome is None or not has_scim(scope):
        return None
    if outcome.failure is not None:
        return False, outcome.failure.reason, outcome.failure.message
    if not outcome.done:
        return False, Reason.USERS_SYNCING, "users are being synced to the SCIM service; status.users has the numbers"
    if outcome.partial_failure is not None:
        return False, outcome.partial_failure.reason, outcome.message
    return True, Reason.SUCCEEDED, "every licensed user is up to date at the SCIM service"


def _deadline(scope: Scope, left: str | None) -> _Judgement | None:
    """Return whether the deadline for the answer is near; None where it is not and never was, or without the app."""
    if scope.app is None:
        return None
    previous = find(scope.installation.status.conditions, ConditionType.DEADLINE_NEAR)
    if left is not None:
        return True, Reason.DEADLINE_NEAR, time_left_message(left)
    return (False, Reason.NOT_NEAR, "no answer to Talkdesk is due soon") if previous is not None else None


def _in_sync(scope: Scope, answer: Answer | None) -> _Judgement | None:
    """Return whether Talkdesk agrees with the answer that is on record then; None where it does and always did."""
    installation, status = scope.installation, scope.installation.status
    recorded = status.model_copy(update={"answer": answer or status.answer})
    judgement = compare_with_talkdesk(replace(scope, installation=installation.model_copy(update={"status": recorded})))
    previous = find(status.conditions, ConditionType.IN_SYNC)
    return None if judgement is not None and judgement[0] and previous is None else judgement


def _answered(scope: Scope, finish: Finish, answer: Answer | None) -> _Judgement | None:
    if scope.installation.spec.request is None:
        return None, Reason.NO_REQUEST, "there is no request to answer"
    if answer is not None and answer.delivery_time is not None:
        if finish.reason is Reason.VERIFYING:
            return True, Reason.VERIFYING, finish.message
        before = scope.installation.status
        if answer == before.answer and not finish.verified and is_true(before.conditions, ConditionType.ANSWERED):
            return None
        was_sent = scope.answer is not None and scope.answer.send_time is not None
        given = Reason.APPROVED if answer.decision is Decision.APPROVE else Reason.REJECTED
        reason = given if was_sent else Reason.ALREADY_ANSWERED
        return True, reason, f"Talkdesk has the answer: {answer.decision.value.lower()}{_decided_by(scope, answer)}"
    if finish.ending is not None:
        return False, finish.reason, finish.message
    if finish.reason in {Reason.VERIFYING, Reason.ANSWER_UNCLEAR}:
        return None, finish.reason, finish.message
    if is_closed(scope.installation):
        return _closed(scope)
    if finish.failure is not None and scope.send_failure is finish.failure:
        return False, finish.reason, finish.message
    what = "acknowledgement" if scope.request.type is RequestType.UNINSTALL else "answer"
    return False, Reason.PENDING, f"the {what} is not sent yet; the Ready condition says what it waits for"


def _decided_by(scope: Scope, answer: Answer) -> str:
    """Return the words on who decided; empty where no person did, or nobody knows who."""
    decision = scope.installation.spec.approval
    if decision is None or decision.decided_by is None:
        return ""
    theirs = (decision.event_id, decision.decision) == (answer.event_id, answer.decision)
    return f", as {decision.decided_by} decided" if theirs else ""


def _closed(scope: Scope) -> _Judgement | None:
    """Return why a request that ended got no answer; None where that was said already."""
    before, ending = scope.installation.status, scope.installation.status.ending
    said = find(before.conditions, ConditionType.ANSWERED)
    if ending is None or (said is not None and said.status == "False"):
        return None
    return False, Reason(ending.reason.value), "the request ended without an answer"
