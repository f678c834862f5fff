"""The status of an installation, computed in one place from a reconcile's scope and how it finished.

Belongs here: every field of the status. Does not belong here: what the conditions say (`conditions`), writing it.
"""

from datetime import datetime

from talkdesk_crds.conditions import Reason, transitioned
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
from talkdesk_operator.domain.installation.erasure import without_personal_data
from talkdesk_operator.domain.installation.reachability import proven_access
from talkdesk_operator.domain.installation.rotation import replaced_at
from talkdesk_operator.domain.ports.talkdesk import Credentials, RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.backoff import next_retry
from talkdesk_operator.domain.reconcile.deadlines import deadline, time_left, waits_for_answer
from talkdesk_operator.domain.reconcile.observation import refused_since, remote_predates_request
from talkdesk_operator.domain.reconcile.ownership import install_time
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    RemoteFailed,
    Scope,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.domain.tenant.entitlement import trial_of
from talkdesk_runtime.shorten import shorten

__all__ = ["compute", "reconcile_requested_at"]

_WHY_LENGTH = 512
_WORD_LENGTH = 128
_HISTORY = 20

_EXPECTED = frozenset({RemoteState.PENDING, RemoteState.DONE})


def compute(scope: Scope, finish: Finish, *, jitter: float) -> InstallationStatus:
    """Return the new status; equal to the current one when nothing changed. `jitter` (0 to 1) spreads the back-off."""
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
    status = InstallationStatus(
        observed_generation=installation.metadata.generation,
        conditions=transitioned(before.conditions, tuple(conditions(scope, finish, answer, left)), scope.now),
        phase=finish.phase,
        answer=after.answer,
        ending=ending,
        install_time=install_time(installation),
        retry=retry,
        deadline=limit,
        time_left=left,
        last_handled_reconcile_at=reconcile_requested_at(installation),
        tenant_ref=LocalRef(name=scope.tenant.metadata.name) if scope.tenant is not None else before.tenant_ref,
        verified_access=proven_access(scope),
        notifications=before.notifications,
        history=_history(before, finish, scope),
        **_remote_fields(scope),
    )
    return without_personal_data(status) if finish.erased else status


def reconcile_requested_at(resource: CustomResource) -> str | None:
    """Return the value of the annotation that requests a reconcile, cut to the length that a status can hold."""
    return resource.metadata.annotations.get(ANNOTATION_RECONCILE, "")[:_WORD_LENGTH] or None


def _remote_fields(scope: Scope) -> dict[str, object]:
    """Return the fields that come from Talkdesk and the SCIM service."""
    before, facts, users = scope.installation.status, scope.facts, scope.users
    return {
        "trial": trial_of(scope.installation, scope.trial, now=scope.now),
        "talkdesk_state": _talkdesk_state(scope),
        "account": facts.account if facts is not None else before.account,
        "subscription": facts.subscription if facts is not None else before.subscription,
        "created_by": (facts.created_by if facts is not None else None) or before.created_by,
        "users": _users_status(users, before.users) if users is not None else before.users,
        "credentials": _credentials_status(scope),
    }


def _talkdesk_state(scope: Scope) -> str | None:
    """Return Talkdesk's word for the state, unless it is an expected one or older than the request."""
    remote = scope.remote
    if not isinstance(remote, RemoteInstallation):
        return scope.installation.status.talkdesk_state
    outdated = scope.installation.spec.request is not None and remote_predates_request(scope)
    return None if outdated or remote.classified_state in _EXPECTED else remote.state[:_WORD_LENGTH]


def _users_status(users: UsersOutcome, before: UsersStatus | None) -> UsersStatus:
    if before is not None and not users.listed and users.failure is not None:
        return before.model_copy(update={"complete": False})  # without the list there are no new numbers
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
        key_id=shorten(read.key_id, 128),  # a Word; in a Secret stands what somebody wrote
        secret_name=scope.secret_name,
        replacement_time=replaced_at(scope),
        acknowledged_event_id=acknowledged,
        acknowledgement_time=moment,
        refusal_time=_refusal_time(scope),
    )


def _refusal_time(scope: Scope) -> datetime | None:
    """Return since when Talkdesk refuses the credentials; a call that failed otherwise says nothing about that."""
    before = scope.installation.status.credentials
    match scope.remote:
        case RemoteInstallation():
            return None
        case RemoteFailed(failure=failure) if failure.reason in {Reason.CREDENTIALS_REFUSED, Reason.FORBIDDEN}:
            return refused_since(scope)
        case _:
            return before.refusal_time if before is not None and before.secret_name == scope.secret_name else None


def _answer(scope: Scope, finish: Finish) -> Answer | None:
    """Return the answer to the current request as far as it got; None while there is none."""
    if not (finish.verified or finish.delivered) or scope.installation.spec.request is None:
        return scope.answer
    answer = scope.answer or Answer(event_id=scope.request.event_id, decision=Decision.APPROVE)
    times = {"delivery_time": answer.delivery_time or scope.now}
    if finish.verified:
        times["verification_time"] = answer.verification_time or scope.now
    return answer.model_copy(update=times)


def _history(before: InstallationStatus, finish: Finish, scope: Scope) -> tuple[Transition, ...]:
    if finish.phase == before.phase:
        return before.history
    why = f"{finish.reason}: {finish.message}" if finish.message else str(finish.reason)
    new = Transition(time=scope.now.replace(microsecond=0), reason=finish.phase, message=shorten(why, _WHY_LENGTH))
    return (*before.history, new)[-_HISTORY:]
