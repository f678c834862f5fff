"""Whether Talkdesk waits for this very answer: a call names no event, it answers whatever is pending.

So the first call for a request has the request's event as its reason, unless Talkdesk's state shows that something else
waits. Any further call needs a reason in a state that was read after the last one:

    the state names the request that waits             it still waits: the call is made
    the state is older than the request or the call    the last call had no effect: the call is made (a state that is
                                                       not pending is believed only in a second look)
    installed, and newer than the call                 the last call had its effect
    anything else                                      it can't be told: nothing is sent, and the condition says so

All times that are compared are Talkdesk's own; where a request's time is that of its receipt, no state counts as newer.

Belongs here: that judgement. Does not belong here: sending (`answer`, `uninstall`), requests whose event was lost
(`divergence`).
"""

import json
from datetime import datetime, timedelta
from typing import Final

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationPhase, RequestType
from talkdesk_crds.names import ANNOTATION_RECEIVE_TIMES
from talkdesk_operator.domain.installation.answer_record import is_open
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState, classify
from talkdesk_operator.domain.reconcile.deadlines import saturating_add
from talkdesk_operator.domain.reconcile.observation import next_deadline_check
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass, Scope, SendState
from talkdesk_operator.domain.reconcile.steps import Finish

__all__ = ["hold", "hold_for_another_request", "named_request", "shows_answer"]

_NAMES: Final = {
    "installing": RequestType.INSTALL,
    "updating": RequestType.UPDATE,
    "uninstalling": RequestType.UNINSTALL,
}
"""The states that say which request waits."""
_OTHERS: Final = {
    RequestType.INSTALL: frozenset({RequestType.UPDATE, RequestType.UNINSTALL}),
    # An update of an install that was not answered yet waits together with it.
    RequestType.UPDATE: frozenset({RequestType.UNINSTALL}),
    RequestType.UNINSTALL: frozenset({RequestType.INSTALL, RequestType.UPDATE}),
}
"""By request: the ones whose call would not answer it."""
_DELIVERY: Final = timedelta(minutes=20)
"""Talkdesk delivers an event at most three times, within about a quarter of an hour."""
_SECOND_LOOK: Final = timedelta(minutes=1)
"""A state that a replica at Talkdesk shows may lag behind by so much."""
_INSTALLED: Final = frozenset({RemoteState.DONE, RemoteState.SUSPENDED})
_FIND_OUT: Final = "find out at Talkdesk what waits"


def named_request(remote: RemoteInstallation) -> RequestType | None:
    """Return which request Talkdesk's state names as waiting; None where it names none."""
    return _NAMES.get(remote.state.strip().lower())


def shows_answer(scope: Scope) -> bool:
    """Return whether Talkdesk's state, read after a call with the answer, shows that an Update was answered."""
    remote = scope.remote
    if not isinstance(remote, RemoteInstallation) or remote.classified_state not in _INSTALLED:
        return False
    if scope.sent is SendState.NOT_AWAITED:
        return True
    if not is_open(scope) or scope.answer is None:
        return False
    was_pending = classify(scope.answer.observed_state or "") is RemoteState.PENDING
    if remote.updated_at is None:
        return was_pending
    # Talkdesk may write whole seconds, within which a state can end.
    return remote.updated_at >= _known_since(scope) if was_pending else remote.updated_at > _known_since(scope)


def hold_for_another_request(scope: Scope) -> Finish | None:
    """Return how to wait while Talkdesk's state names another request than the one in the spec; None while it doesn't.

    An uninstall is not held up by a state that is older than itself.
    """
    remote = scope.remote
    named = named_request(remote) if isinstance(remote, RemoteInstallation) else None
    if not isinstance(remote, RemoteInstallation) or named not in _OTHERS[scope.request.type]:
        return None
    later = remote.updated_at is not None and remote.updated_at > scope.request.event_time
    if scope.request.type is RequestType.UNINSTALL and not later:
        return None
    asked = scope.request.type.value.lower()
    message = (
        f"Talkdesk's state is {remote.state.strip().lower()}, so an answer to this {asked} would answer another"
        f" request; nothing is sent until the event of that one arrives or the state changes: {_FIND_OUT}"
    )
    return _wait(scope, message)


def hold(scope: Scope) -> Finish | None:
    """Return how to wait while nothing shows that a call would answer this request; None when it may be made."""
    remote = scope.remote
    if not isinstance(remote, RemoteInstallation):
        return None
    other = hold_for_another_request(scope)
    if other is not None:
        return other
    return _hold_second_call(scope, remote) if is_open(scope) else _hold_first_call(scope, remote)


def _hold_first_call(scope: Scope, remote: RemoteInstallation) -> Finish | None:
    """Wait where something unnamed has been pending since long after the request: its own event may have got lost."""
    if scope.request.type is RequestType.UNINSTALL or _is_decided(scope) or remote.updated_at is None:
        return None
    if _time_is_receipt(scope):
        return None
    unnamed = remote.classified_state is RemoteState.PENDING and named_request(remote) is None
    if not unnamed or remote.updated_at <= saturating_add(scope.request.event_time, _DELIVERY):
        return None
    message = (
        "Talkdesk waits for an answer to something that is newer than this request and does not say what, perhaps an"
        f" uninstall; {_FIND_OUT}, then set spec.request to it, or decide this request in spec.approval"
    )
    return _wait(scope, message)


def _is_decided(scope: Scope) -> bool:
    approval = scope.installation.spec.approval
    return approval is not None and approval.event_id == scope.request.event_id


def _time_is_receipt(scope: Scope) -> bool:
    """Return whether the time of the request is when the webhook received its event, by our clock and not Talkdesk's.

    It is so for an event from the future, as all are while our clock is slow.
    """
    times = scope.installation.metadata.annotations.get(ANNOTATION_RECEIVE_TIMES, "")
    return json.dumps(scope.request.event_id) in times


def _hold_second_call(scope: Scope, remote: RemoteInstallation) -> Finish | None:
    pending = remote.classified_state is RemoteState.PENDING
    if pending and named_request(remote) is not None:
        return None
    if remote.updated_at is not None and remote.updated_at <= _known_since(scope):
        return None if pending else _second_look(scope)
    message = (
        "the answer was sent and its outcome was lost, and Talkdesk's state does not show whether it still waits for"
        f" it; nothing is sent again until the state or the next event shows it: {_FIND_OUT}; to have it sent again,"
        " give spec.request another eventId and a later eventTime"
    )
    return _wait(scope, message)


def _second_look(scope: Scope) -> Finish | None:
    sent_at = scope.answer.send_time if scope.answer is not None else None
    again_at = saturating_add(sent_at or scope.now, _SECOND_LOOK)
    if scope.now >= again_at:
        return None
    message = "the answer was sent and its outcome was lost; Talkdesk's state does not show it yet, and is read again"
    return _wait(scope, message, again_at - scope.now)


def _known_since(scope: Scope) -> datetime:
    """Return the time, by Talkdesk's clock, up to which nothing but this request and what was before it has happened.

    It is that of the request or, if later, of the state that was read right before the call.
    """
    observed = scope.answer.observed_state_time if scope.answer is not None else None
    return scope.request.event_time if observed is None else max(observed, scope.request.event_time)


def _wait(scope: Scope, message: str, fixed_delay: timedelta | None = None) -> Finish:
    uninstalls = scope.request.type is RequestType.UNINSTALL
    failure = Failure(Reason.ANSWER_UNCLEAR, message, RetryClass.TRANSIENT, fixed_delay=fixed_delay)
    return Finish(
        phase=InstallationPhase.OFFBOARDING if uninstalls else InstallationPhase.ANSWERING,
        reason=failure.reason,
        message=message,
        failure=failure,
        requeue_at=next_deadline_check(scope),
    )
