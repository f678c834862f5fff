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
from talkdesk_operator.domain.reconcile.deadlines import is_answered, is_before, saturating_add
from talkdesk_operator.domain.reconcile.scope import Scope

__all__ = ["SETTLED_AFTER", "compare_with_talkdesk", "missed_request"]

_REQUEST_TYPES: Final = {
    "updating": RequestType.UPDATE,
    "uninstalling": RequestType.UNINSTALL,
    "uninstalled": RequestType.UNINSTALL,
}
"""The states that say what the customer requested."""
_RANKS: Final = {RequestType.INSTALL: 0, RequestType.UPDATE: 1, RequestType.UNINSTALL: 2}
"""Which request may follow which within the same instant, as the register's own rule has it."""
_LAG: Final = timedelta(seconds=2)
"""By so much Talkdesk's clock may differ from ours, where Talkdesk did not say when it took the answer."""
SETTLED_AFTER: Final = timedelta(minutes=1)
"""A state that is read so long after an answer shows what came of it: what waits then is something new."""
_AGREES: Final = True, Reason.SUCCEEDED, "Talkdesk's state agrees with the recorded answer"
_UNKNOWN_REQUEST: Final = (
    "Talkdesk waits for an answer to a request whose event never arrived, and does not say which; "
    "find out what the customer requested, and set spec.request"
)


def missed_request(scope: Scope) -> Request | None:
    """Return the request whose event never arrived, where Talkdesk's state names it; None otherwise."""
    remote = scope.remote
    if not isinstance(remote, RemoteInstallation) or remote.updated_at is None:
        return None
    kind = _REQUEST_TYPES.get(remote.state.strip().lower())
    if kind is None or kind is scope.request.type is RequestType.UNINSTALL:
        return None
    if not (_is_newer_than_answer(scope, remote) or _follows_request(scope, kind, remote.updated_at)):
        return None
    found = digest(remote.id, remote.state, remote.updated_at.isoformat())
    return Request(type=kind, event_id=f"found-{found}", event_time=remote.updated_at)


def _follows_request(scope: Scope, kind: RequestType, since: datetime) -> bool:
    """Return whether Talkdesk waits for another request than the one in the spec, whose answer it did not get from us.

    An install that is being updated or uninstalled, or an update that is followed by an uninstall.
    """
    request = scope.request
    return not is_answered(scope.installation) and _RANKS[kind] > _RANKS[request.type] and since >= request.event_time


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
    answer = scope.installation.status.answer
    if answer is None or not is_answered(scope.installation):
        return False
    if remote.updated_at is None or answer.delivery_time is None:
        return True
    since = max(answer.result_time or answer.delivery_time, scope.request.event_time)
    lag = timedelta() if answer.result_time is not None else _LAG
    if remote.classified_state is not RemoteState.PENDING:
        return remote.updated_at > saturating_add(since, lag)
    # Talkdesk may still be busy with the answer; and it may write whole seconds.
    settled = scope.now >= saturating_add(answer.delivery_time, SETTLED_AFTER)
    return settled and not is_before(remote.updated_at, saturating_add(since, -lag))
