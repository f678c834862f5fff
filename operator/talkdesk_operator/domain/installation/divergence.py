"""Whether Talkdesk's own state agrees with the recorded answer, and whether it shows a request whose event was lost.

An event can get lost because Talkdesk gives up after three deliveries. Where its state names the pending request, the
request is recorded as if its event had arrived. Where it does not, a person must find out, because an approval would
answer whatever is pending.

Belongs here: the comparison. Does not belong here: when Talkdesk's state is read (`resync`), ends (`answer`).
"""

from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Request, RequestType
from talkdesk_crds.names import digest
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.deadlines import is_answered, saturating_add
from talkdesk_operator.domain.reconcile.scope import Scope

__all__ = ["compare_with_talkdesk", "missed_request"]

_REQUEST_TYPES: Final = {
    "updating": RequestType.UPDATE,
    "uninstalling": RequestType.UNINSTALL,
    "uninstalled": RequestType.UNINSTALL,
}
"""The states that say what the customer requested."""
_LAG: Final = timedelta(seconds=2)
"""Answers are recorded in whole seconds, and Talkdesk's clock differs from ours."""
_AGREES: Final = True, Reason.SUCCEEDED, "Talkdesk's state agrees with the recorded answer"
_UNKNOWN_REQUEST: Final = (
    "Talkdesk waits for an answer to a request whose event never arrived, and does not say which; "
    "find out what the customer requested, and set spec.request"
)


def missed_request(scope: Scope) -> Request | None:
    """Return the request whose event never arrived, where Talkdesk's state names it; None otherwise."""
    remote = scope.remote
    if not isinstance(remote, RemoteInstallation) or not _is_newer_than_answer(scope, remote):
        return None
    kind = _REQUEST_TYPES.get(remote.state.strip().lower())
    if kind is None or remote.updated_at is None or kind is scope.request.type is RequestType.UNINSTALL:
        return None
    found = digest(remote.id, remote.state, remote.updated_at.isoformat())
    return Request(type=kind, event_id=f"found-{found}", event_time=remote.updated_at)


def compare_with_talkdesk(scope: Scope) -> tuple[bool, Reason, str] | None:
    """Return whether Talkdesk's state agrees with the recorded answer, and why; None where that is not known."""
    remote, answer = scope.remote, scope.installation.status.answer
    if not isinstance(remote, RemoteInstallation) or answer is None or not is_answered(scope.installation):
        return None
    # A state that was read before the answer cannot show it, and an uninstall verifies its own end.
    if scope.sent is not None or scope.request.type is RequestType.UNINSTALL:
        return None
    match remote.classified_state:
        case RemoteState.DONE | RemoteState.SUSPENDED:
            return _AGREES
        case RemoteState.REJECTED if answer.decision is Decision.REJECT:
            return _AGREES
        case RemoteState.UNKNOWN:
            return None
        case RemoteState.PENDING if not _is_newer_than_answer(scope, remote):
            return None
        case RemoteState.PENDING:
            return False, Reason.DIVERGED, _UNKNOWN_REQUEST
        case _:
            message = f"the request was answered, but Talkdesk shows the installation as {remote.state[:64]}"
            return False, Reason.DIVERGED, f"{message}; nothing is sent again: ask Talkdesk why"


def _is_newer_than_answer(scope: Scope, remote: RemoteInstallation) -> bool:
    """Return whether Talkdesk's state is newer than the recorded answer; true where Talkdesk gives no time."""
    if not is_answered(scope.installation):
        return False
    answered_at: datetime | None = (
        scope.installation.status.answer.delivery_time if scope.installation.status.answer else None
    )
    if remote.updated_at is None or answered_at is None:
        return True
    return remote.updated_at > saturating_add(max(answered_at, scope.request.event_time), _LAG)
