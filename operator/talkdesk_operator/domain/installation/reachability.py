"""Whether an answered installation can still be called with what its app says now: hosts, scopes, SCIM service.

An edit of the app can cut off every live customer. So it is not left to the next resync: what a call would find at once
is found without one, and everything else is tried with the first reconcile after the edit.

Belongs here: the comparison of what was proven with what the app says. Does not belong here: reading Talkdesk
(`resync`).
"""

from collections.abc import Sequence
from typing import Final

import orjson

from talkdesk_crds.conditions import Reason
from talkdesk_crds.hosts import ForeignHostError
from talkdesk_crds.names import digest
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.failure import Failure, RetryClass
from talkdesk_operator.domain.reconcile.observation import next_deadline_check
from talkdesk_operator.domain.reconcile.scope import RemoteFailed, RemoteMissing, Scope
from talkdesk_operator.domain.reconcile.steps import Finish

__all__ = ["access_failure", "is_unproven", "missing_after_edit", "proven_access"]

_BETWEEN: Final = "."


def proven_access(scope: Scope) -> str | None:
    """Return the fingerprint of the access that was proven last: just now, or before."""
    known = scope.installation.status.verified_access
    if not isinstance(scope.remote, RemoteInstallation) or scope.app is None:
        return known
    if scope.users is None or scope.users.failure is None:
        return _fingerprint(scope)
    return None if known is None else _joined(_place(scope), known.partition(_BETWEEN)[2])


def is_unproven(scope: Scope) -> bool:
    """Return whether the app was edited so that a call goes another way than the last one that succeeded."""
    known = scope.installation.status.verified_access
    return known is not None and scope.app is not None and known != _fingerprint(scope)


def access_failure(scope: Scope) -> Failure | None:
    """Return why the installation can't be called any more, though it could before the app was edited."""
    foreign = _foreign_host(scope)
    if foreign is not None:
        return foreign
    return scope.remote.failure if isinstance(scope.remote, RemoteFailed) and is_unproven(scope) else None


def missing_after_edit(scope: Scope, missing: RemoteMissing) -> Finish | None:
    """Hold an installation that is not known where the app looks since its last edit: that proves no end of it."""
    known = scope.installation.status.verified_access
    if known is None or scope.app is None or known.partition(_BETWEEN)[0] == _place(scope):
        return None
    message = (
        f"{missing.message}; the TalkdeskApp's id, region or endpoints are others than those at which the installation "
        "was found last, so nothing is ended or deleted for that: look whether the app is right"
    )
    failure = Failure(Reason.NOT_FOUND_AFTER_EDIT, message, RetryClass.SLOW)
    requeue_at = next_deadline_check(scope)
    return Finish(
        phase=scope.current_phase, reason=failure.reason, message=message, failure=failure, requeue_at=requeue_at
    )


def _foreign_host(scope: Scope) -> Failure | None:
    hosts, spec = scope.required_app.hosts, scope.installation.spec
    if hosts is None:
        return Failure(Reason.TEMPLATE_INVALID, scope.required_app.problem, RetryClass.TERMINAL)
    try:
        if spec.endpoints is not None:
            field = "endpoints.api"
            hosts.check_api(spec.endpoints.api)
            field = "endpoints.token"
            hosts.check_token(spec.endpoints.token)
        elif spec.account_name is not None:
            field = "accountName"
            hosts.token_url(spec.account_name)
    except ForeignHostError as error:
        return Failure(Reason.FOREIGN_HOST, f"the installation's spec.{field}: {error}", RetryClass.TERMINAL)
    return None


def _fingerprint(scope: Scope) -> str:
    spec = scope.required_app.resource.spec
    return _joined(_place(scope), _digest([spec.auth.wire(), spec.users.wire() if spec.users is not None else None]))


def _place(scope: Scope) -> str:
    """Return the fingerprint of where Talkdesk is asked for the installation."""
    spec = scope.required_app.resource.spec
    return _digest([spec.app_id, spec.region, spec.endpoints.wire() if spec.endpoints is not None else None])


def _joined(place: str, rest: str) -> str:
    return f"{place}{_BETWEEN}{rest}"


def _digest(parts: Sequence[object]) -> str:
    return digest(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS).decode(), length=16)
