"""The conditions of an installation, judged from a pass's scope and how it finished.

Belongs here: what each condition says, and when it says nothing new. Does not belong here: transition times and the
rest of the status (`status`).
"""

from collections.abc import Iterator

from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.installation import (
    Answer,
    Decision,
    RequestType,
)
from talkdesk_operator.domain.installation.divergence import agreement
from talkdesk_operator.domain.ports.talkdesk import Credentials, RemoteInstallation
from talkdesk_operator.domain.reconcile.deadlines import is_closed
from talkdesk_operator.domain.reconcile.scope import (
    CredentialsMissing,
    Failure,
    RemoteRefused,
    Role,
    Scope,
    Tenancy,
    TenancyState,
)
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.domain.tenant.desired import is_current

__all__ = ["conditions"]

_MESSAGE_LENGTH = 2048


def conditions(scope: Scope, finish: Finish, answer: Answer | None, left: str | None) -> Iterator[Condition]:
    """Yield every condition that is known of, as it is now.

    `answer` is the one to the present request, `left` the mark before its deadline that has passed.
    """
    generation = scope.installation.metadata.generation

    def condition(kind: ConditionType, holds: bool | None, reason: str, message: str) -> Condition:  # noqa: FBT001 - a table of judgements
        word = "Unknown" if holds is None else ("True" if holds else "False")
        return Condition(
            type=kind,
            status=word,
            reason=reason,
            message=message[:_MESSAGE_LENGTH],
            last_transition_time=scope.now,
            observed_generation=generation,
        )

    yield condition(ConditionType.READY, finish.ready, finish.reason, finish.message)
    for kind, judge, always in (
        (ConditionType.CREDENTIALS_VALID, _credentials(scope), True),
        (ConditionType.TENANT_READY, _tenant(scope, finish), True),
        (ConditionType.ANSWERED, _answered(scope, finish, answer), True),
        (ConditionType.USERS_SYNCED, _users(scope), _has_scim(scope)),
        (ConditionType.IN_SYNC, _in_sync(scope), False),
        (ConditionType.DEADLINE_NEAR, _deadline(scope, left), False),
    ):
        known = find(scope.installation.status.conditions, kind)
        if judge is not None:
            yield condition(kind, *judge)
        elif known is not None:
            yield known.model_copy(update={"observed_generation": generation})
        elif always:
            yield condition(kind, None, Reason.PENDING, "not looked at yet")
    moving = not (finish.ready or finish.terminal or finish.stalled)
    yield condition(ConditionType.RECONCILING, moving, finish.reason, finish.message if moving else "")
    yield condition(ConditionType.STALLED, finish.stalled, finish.reason, finish.message if finish.stalled else "")


_NO_CREDENTIALS = frozenset({Reason.CREDENTIALS_MISSING, Reason.CREDENTIALS_LOST, Reason.CREDENTIALS_DELETED})
_Judgement = tuple[bool | None, Reason, str]


def _credentials(scope: Scope) -> _Judgement | None:
    if scope.credentials_deleted:
        return False, Reason.CREDENTIALS_DELETED, "the installation ended and its credentials were deleted"
    known = find(scope.installation.status.conditions, ConditionType.CREDENTIALS_VALID)
    match scope.credentials, scope.remote:
        case CredentialsMissing(failure=failure), _:
            return False, failure.reason, failure.message
        case _, RemoteInstallation() if scope.secret_name != _newest_secret(scope):
            return True, Reason.SUCCEEDED, "Talkdesk refuses the newest set and takes one from before it"
        case _, RemoteInstallation():
            return True, Reason.SUCCEEDED, "Talkdesk took them"
        case _, RemoteRefused(failure=Failure(reason=Reason.CREDENTIALS_REFUSED, message=message)):
            return False, Reason.CREDENTIALS_REFUSED, message
        case Credentials(), _ if known is not None and known.reason in _NO_CREDENTIALS:
            return None, Reason.PENDING, "there are some; Talkdesk was not asked for a token yet"
        case _:
            return None


def _newest_secret(scope: Scope) -> str | None:
    register = scope.installation.spec.credentials
    return register.secret_name if register is not None else None


def _tenant(scope: Scope, finish: Finish) -> _Judgement | None:
    if finish.ready and scope.tenancy is None and is_current(scope):
        return True, Reason.APPLIED, "every object is applied and ready"
    if scope.role is Role.NON_OWNER and finish.terminal:
        return False, Reason.SUPERSEDED, "the tenant is another installation's"
    match scope.tenancy:
        case Tenancy(state=TenancyState.READY):
            return True, Reason.APPLIED, "every object is applied and ready"
        case Tenancy(state=TenancyState.WAITING, message=message):
            return False, Reason.NOT_READY, message
        case Tenancy(state=TenancyState.FAILED, message=message, failure=failure):
            return False, failure.reason if failure is not None else Reason.INTERNAL_ERROR, message
        case Tenancy(state=TenancyState.OFFBOARDED):
            return False, Reason.RETAINED, "offboarded; what remains is kept until the retention ends"
        case Tenancy(state=TenancyState.DELETING, message=message):
            return False, Reason.OFFBOARDING, message
        case Tenancy(state=TenancyState.PURGED):
            return False, Reason.PURGED, "nothing of the tenant is left"
        case _:
            return None


def _has_scim(scope: Scope) -> bool:
    users = scope.app.resource.spec.users if scope.app is not None else None
    return users is not None and users.scim is not None


def _users(scope: Scope) -> _Judgement | None:
    outcome = scope.users
    if outcome is None or not _has_scim(scope):
        return None
    if outcome.failure is not None:
        return False, outcome.failure.reason, outcome.failure.message
    if not outcome.done:
        return False, Reason.USERS_SYNCING, f"{outcome.synced} of {outcome.licensed} users are brought over"
    if outcome.trouble is not None:
        return False, outcome.trouble.reason, outcome.message
    return True, Reason.SUCCEEDED, "the SCIM service has every licensed user as it should be"


def _deadline(scope: Scope, left: str | None) -> _Judgement | None:
    """Judge whether the time for the answer runs out; None while there is plenty, and never was little."""
    known = find(scope.installation.status.conditions, ConditionType.DEADLINE_NEAR)
    if left is not None:
        return True, Reason.DEADLINE_NEAR, f"{left} for the answer to Talkdesk"
    return (False, Reason.NOT_NEAR, "no answer is about to be late") if known is not None else None


def _in_sync(scope: Scope) -> _Judgement | None:
    """Judge whether Talkdesk agrees; that it does is only news after it did not."""
    judged = agreement(scope)
    known = find(scope.installation.status.conditions, ConditionType.IN_SYNC)
    return None if judged is not None and judged[0] and known is None else judged


def _answered(scope: Scope, finish: Finish, answer: Answer | None) -> _Judgement | None:
    if scope.installation.spec.request is None:
        return None, Reason.NO_REQUEST, "nothing was asked for"
    if answer is not None and answer.delivery_time is not None:
        if finish.reason is Reason.VERIFYING:
            return True, Reason.VERIFYING, finish.message
        if answer != scope.installation.status.answer or finish.verified:
            told = scope.answer is not None and scope.answer.send_time is not None
            given = Reason.APPROVED if answer.decision is Decision.APPROVE else Reason.REJECTED
            reason = given if told else Reason.ALREADY_ANSWERED
            return True, reason, f"Talkdesk has our {answer.decision.value.lower()}"
        return None
    if finish.ending is not None:
        return False, finish.reason, finish.message
    if is_closed(scope.installation):
        return None
    if finish.failure is not None and scope.send_failure is finish.failure:
        return False, finish.reason, finish.message
    what = "acknowledgement" if scope.request.type is RequestType.UNINSTALL else "answer"
    return False, Reason.PENDING, f"the {what} waits for what Ready says"
