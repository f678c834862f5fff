"""The status of an installation, computed in one place from a pass's scope and how it finished."""

from collections.abc import Iterator

from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, transitioned
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.installation import (
    Answer,
    CredentialsStatus,
    Decision,
    InstallationStatus,
    RequestType,
    Transition,
)
from talkdesk_operator.domain.backoff import next_retry
from talkdesk_operator.domain.deadlines import deadline, is_closed, waits_for_answer
from talkdesk_operator.domain.ownership import installed_at
from talkdesk_operator.domain.scope import (
    CredentialsMissing,
    Failure,
    RemoteRefused,
    Role,
    Scope,
    Tenancy,
    TenancyState,
)
from talkdesk_operator.domain.steps import Finish
from talkdesk_operator.domain.talkdesk import Credentials, RemoteInstallation
from talkdesk_operator.domain.tenancy import is_current

__all__ = ["compute"]

_MESSAGE_LENGTH = 2048
_WHY_LENGTH = 512
_HISTORY = 20


def compute(scope: Scope, finish: Finish, *, jitter: float) -> InstallationStatus:
    """Give the new status; equal to the present one when nothing changed. `jitter` (0 to 1) spreads the back-off."""
    before, installation = scope.installation.status, scope.installation
    answer = _answer(scope, finish)
    ending = finish.ending or before.ending
    after = before.model_copy(update={"answer": answer or before.answer, "ending": ending})
    waits = waits_for_answer(installation.model_copy(update={"status": after}))
    limit = deadline(scope.request, scope.app.resource) if scope.app is not None and waits else None
    retry = None
    if finish.failure is not None:
        retry = next_retry(finish.failure, before.retry, scope.now, jitter=jitter, deadline=limit)
    known = _known_facts(scope)
    return InstallationStatus(
        observed_generation=installation.metadata.generation,
        conditions=transitioned(before.conditions, tuple(_conditions(scope, finish, answer)), scope.now),
        phase=finish.phase,
        answer=after.answer,
        ending=ending,
        installed_at=installed_at(installation),
        retry=retry,
        deadline=limit,
        tenant_ref=LocalRef(name=scope.tenant.metadata.name) if scope.tenant is not None else before.tenant_ref,
        history=_history(before, finish, scope),
        **known,
    )


def _known_facts(scope: Scope) -> dict[str, object]:
    before = scope.installation.status
    if scope.erased:
        return {"account": None, "subscription": None, "credentials": None}
    read = scope.credentials
    credentials = CredentialsStatus(key_id=read.key_id) if isinstance(read, Credentials) else before.credentials
    return {
        "account": scope.facts.account if scope.facts is not None else before.account,
        "subscription": scope.facts.subscription if scope.facts is not None else before.subscription,
        "credentials": None if scope.credentials_dropped else credentials,
    }


def _answer(scope: Scope, finish: Finish) -> Answer | None:
    """Give the answer to the present request as far as it got, or None."""
    if not finish.verified or scope.installation.spec.request is None:
        return scope.answer
    known = scope.answer or Answer(event_id=scope.request.event_id, decision=Decision.APPROVE)
    moment = scope.now.replace(microsecond=0)
    return known.model_copy(update={"at": known.at or moment, "verified_at": known.verified_at or moment})


def _history(before: InstallationStatus, finish: Finish, scope: Scope) -> tuple[Transition, ...]:
    if finish.phase == before.phase:
        return before.history
    why = f"{finish.reason}: {finish.message}" if finish.message else str(finish.reason)
    new = Transition(at=scope.now.replace(microsecond=0), what=finish.phase, why=why[:_WHY_LENGTH])
    return (*before.history, new)[-_HISTORY:]


def _conditions(scope: Scope, finish: Finish, answer: Answer | None) -> Iterator[Condition]:
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
    for kind, judge in (
        (ConditionType.CREDENTIALS_VALID, _credentials(scope)),
        (ConditionType.TENANT_READY, _tenant(scope, finish)),
        (ConditionType.ANSWERED, _answered(scope, finish, answer)),
    ):
        known = find(scope.installation.status.conditions, kind)
        if judge is not None:
            yield condition(kind, *judge)
        elif known is not None:
            yield known.model_copy(update={"observed_generation": generation})
        else:
            yield condition(kind, None, Reason.PENDING, "not looked at yet")
    moving = not (finish.ready or finish.settled or finish.stalled)
    yield condition(ConditionType.RECONCILING, moving, finish.reason, finish.message if moving else "")
    yield condition(ConditionType.STALLED, finish.stalled, finish.reason, finish.message if finish.stalled else "")


_NO_CREDENTIALS = frozenset({Reason.CREDENTIALS_MISSING, Reason.CREDENTIALS_LOST, Reason.CREDENTIALS_DELETED})
_Judgement = tuple[bool | None, Reason, str]


def _credentials(scope: Scope) -> _Judgement | None:
    if scope.credentials_dropped:
        return False, Reason.CREDENTIALS_DELETED, "the installation ended and its credentials were deleted"
    known = find(scope.installation.status.conditions, ConditionType.CREDENTIALS_VALID)
    match scope.credentials, scope.remote:
        case CredentialsMissing(failure=failure), _:
            return False, failure.reason, failure.message
        case _, RemoteInstallation():
            return True, Reason.SUCCEEDED, "Talkdesk took them"
        case _, RemoteRefused(failure=Failure(reason=Reason.CREDENTIALS_REFUSED, message=message)):
            return False, Reason.CREDENTIALS_REFUSED, message
        case Credentials(), _ if known is not None and known.reason in _NO_CREDENTIALS:
            return None, Reason.PENDING, "there are some; Talkdesk was not asked for a token yet"
        case _:
            return None


def _tenant(scope: Scope, finish: Finish) -> _Judgement | None:
    if finish.ready and scope.tenancy is None and is_current(scope):
        return True, Reason.APPLIED, "every object is applied and ready"
    if scope.role is Role.BYSTANDER and finish.settled:
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


def _answered(scope: Scope, finish: Finish, answer: Answer | None) -> _Judgement | None:
    if scope.installation.spec.request is None:
        return None, Reason.NO_REQUEST, "nothing was asked for"
    if answer is not None and answer.at is not None:
        if finish.reason is Reason.VERIFYING:
            return True, Reason.VERIFYING, finish.message
        if answer != scope.installation.status.answer or finish.verified:
            told = scope.answer is not None and scope.answer.sent_at is not None
            reason = Reason.APPROVED if told else Reason.ALREADY_ANSWERED
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
