"""Whether Talkdesk's own state agrees with what is on our record, and what follows where it does not.

An event can get lost: Talkdesk gives up after three deliveries. Where its state names what waits, the request is noted
as if its event had come. Where it does not, a person must look: an approval would answer whatever is pending.
"""

from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Request, RequestType
from talkdesk_crds.names import digest
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.deadlines import is_answered, later
from talkdesk_operator.domain.reconcile.scope import Scope

__all__ = ["agreement", "lost_request"]

_NAMED: Final = {
    "updating": RequestType.UPDATE,
    "uninstalling": RequestType.UNINSTALL,
    "uninstalled": RequestType.UNINSTALL,
}
"""States that say what the customer asked for."""
_LAG: Final = timedelta(seconds=2)
"""Answers are recorded in whole seconds, and Talkdesk's clock is not ours."""


def lost_request(scope: Scope) -> Request | None:
    """Return the request whose event never came, as far as Talkdesk's state names it."""
    remote = scope.remote
    if not isinstance(remote, RemoteInstallation) or not _is_news(scope, remote):
        return None
    kind = _NAMED.get(remote.state.strip().lower())
    if kind is None or remote.updated_at is None or kind is scope.request.type is RequestType.UNINSTALL:
        return None
    found = digest(remote.id, remote.state, remote.updated_at.isoformat())
    return Request(type=kind, event_id=f"found-{found}", event_time=remote.updated_at)


def agreement(scope: Scope) -> tuple[bool, Reason, str] | None:
    """Judge whether Talkdesk's state agrees with the answer on record; None where that is not known."""
    remote, answer = scope.remote, scope.installation.status.answer
    if not isinstance(remote, RemoteInstallation) or answer is None or not is_answered(scope.installation):
        return None
    # What was read before the answer says nothing of it, and an uninstall looks after its own end.
    if scope.sent is not None or scope.request.type is RequestType.UNINSTALL:
        return None
    match remote.entitlement:
        case RemoteState.DONE | RemoteState.SUSPENDED:
            return True, Reason.SUCCEEDED, "Talkdesk's state agrees with our answer"
        case RemoteState.REJECTED if answer.decision is Decision.REJECT:
            return True, Reason.SUCCEEDED, "Talkdesk's state agrees with our answer"
        case RemoteState.UNKNOWN:
            return None
        case RemoteState.PENDING if not _is_news(scope, remote):
            return None
        case RemoteState.PENDING:
            message = "Talkdesk waits for an answer to something of which no event has come; if you know what it is,"
            return False, Reason.DIVERGED, f"{message} note it in spec.request"
        case _:
            message = f"our answer is on record, but Talkdesk has the installation as {remote.state[:64]}"
            return False, Reason.DIVERGED, message


def _is_news(scope: Scope, remote: RemoteInstallation) -> bool:
    """Return whether Talkdesk's state is younger than our answer, as far as it says how old it is."""
    if not is_answered(scope.installation):
        return False
    answered_at: datetime | None = (
        scope.installation.status.answer.delivery_time if scope.installation.status.answer else None
    )
    if remote.updated_at is None or answered_at is None:
        return True
    return remote.updated_at > later(max(answered_at, scope.request.event_time), _LAG)
