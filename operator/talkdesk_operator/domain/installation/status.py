"""The status of an installation, computed in one place from a pass's scope and how it finished."""

from talkdesk_crds.conditions import transitioned
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.installation import (
    Answer,
    CredentialsStatus,
    Decision,
    InstallationStatus,
    Transition,
    UsersStatus,
)
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import ANNOTATION_RECONCILE
from talkdesk_operator.domain.installation.conditions import conditions
from talkdesk_operator.domain.ports.talkdesk import Credentials, RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.backoff import next_retry
from talkdesk_operator.domain.reconcile.deadlines import deadline, time_left, waits_for_answer
from talkdesk_operator.domain.reconcile.observation import is_of_before
from talkdesk_operator.domain.reconcile.ownership import install_time
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    Scope,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.domain.tenant.entitlement import trial_of

__all__ = ["compute", "handled_request"]

_WHY_LENGTH = 512
_WORD_LENGTH = 128
_HISTORY = 20

_USUAL = frozenset({RemoteState.PENDING, RemoteState.DONE})


def compute(scope: Scope, finish: Finish, *, jitter: float) -> InstallationStatus:
    """Return the new status; equal to the present one when nothing changed. `jitter` (0 to 1) spreads the back-off."""
    before, installation = scope.installation.status, scope.installation
    answer = _answer(scope, finish)
    ending = finish.ending or before.ending
    after = before.model_copy(update={"answer": answer or before.answer, "ending": ending})
    waits = waits_for_answer(installation.model_copy(update={"status": after}))
    limit = left = None
    if scope.app is not None and waits:
        limit = deadline(scope.request, scope.app.resource)
        left = time_left(scope.request, scope.app.resource, scope.now)
    retry = None
    if finish.failure is not None:
        retry = next_retry(finish.failure, before.retry, scope.now, jitter=jitter, deadline=limit)
    known = _known_facts(scope)
    return InstallationStatus(
        observed_generation=installation.metadata.generation,
        conditions=transitioned(before.conditions, tuple(conditions(scope, finish, answer, left)), scope.now),
        phase=finish.phase,
        answer=after.answer,
        ending=ending,
        install_time=install_time(installation),
        retry=retry,
        deadline=limit,
        time_left=left,
        last_handled_reconcile_at=handled_request(installation),
        tenant_ref=LocalRef(name=scope.tenant.metadata.name) if scope.tenant is not None else before.tenant_ref,
        history=_history(before, finish, scope),
        **known,
    )


def handled_request(resource: CustomResource) -> str | None:
    """Return what the annotation that asks for a look says, as far as a status can hold it."""
    return resource.metadata.annotations.get(ANNOTATION_RECONCILE, "")[:_WORD_LENGTH] or None


def _known_facts(scope: Scope) -> dict[str, object]:
    before = scope.installation.status
    remote, word = scope.remote, before.talkdesk_state
    if isinstance(remote, RemoteInstallation):
        asked = scope.installation.spec.request is not None
        tells = remote.entitlement not in _USUAL and not (asked and is_of_before(scope))
        word = remote.state[:_WORD_LENGTH] if tells else None
    known: dict[str, object] = {
        "trial": trial_of(scope.installation, scope.trial, now=scope.now),
        "talkdesk_state": word,
    }
    if scope.erased:
        return known
    facts, users = scope.facts, scope.users
    return known | {
        "account": facts.account if facts is not None else before.account,
        "subscription": facts.subscription if facts is not None else before.subscription,
        "created_by": (facts.created_by if facts is not None else None) or before.created_by,
        "users": _users_status(users, before.users) if users is not None else before.users,
        "credentials": _credentials_status(scope),
    }


def _users_status(users: UsersOutcome, before: UsersStatus | None) -> UsersStatus:
    if before is not None and not users.listed and users.failure is not None:
        return before.model_copy(update={"complete": False})  # a list that can't be read counts nobody
    return UsersStatus(licensed=users.licensed, synced=users.synced, failed=users.failed, complete=users.finished)


def _credentials_status(scope: Scope) -> CredentialsStatus | None:
    before, read, register = (
        scope.installation.status.credentials,
        scope.credentials,
        scope.installation.spec.credentials,
    )
    if scope.credentials_deleted:
        return None
    if not isinstance(read, Credentials):
        return before
    acknowledged, moment = (
        (before.acknowledged_event_id, before.acknowledgement_time) if before is not None else (None, None)
    )
    if scope.acknowledged is AcknowledgementState.DONE and register is not None:
        acknowledged, moment = register.event_id, scope.now.replace(microsecond=0)
    return CredentialsStatus(
        key_id=read.key_id,
        secret_name=scope.secret_name,
        acknowledged_event_id=acknowledged,
        acknowledgement_time=moment,
    )


def _answer(scope: Scope, finish: Finish) -> Answer | None:
    """Return the answer to the present request as far as it got, or None."""
    if not finish.verified or scope.installation.spec.request is None:
        return scope.answer
    known = scope.answer or Answer(event_id=scope.request.event_id, decision=Decision.APPROVE)
    moment = scope.now.replace(microsecond=0)
    return known.model_copy(
        update={"delivery_time": known.delivery_time or moment, "verification_time": known.verification_time or moment}
    )


def _history(before: InstallationStatus, finish: Finish, scope: Scope) -> tuple[Transition, ...]:
    if finish.phase == before.phase:
        return before.history
    why = f"{finish.reason}: {finish.message}" if finish.message else str(finish.reason)
    new = Transition(time=scope.now.replace(microsecond=0), reason=finish.phase, message=why[:_WHY_LENGTH])
    return (*before.history, new)[-_HISTORY:]
