"""The record of an answer: what the status says of it before its call, and after each outcome.

The process may end at any point, and the outcome of a call may be lost. So the record says since when a call may have
been made whose outcome is not known, and what Talkdesk's state was before it (`pending` judges by that).

Belongs here: the record. Does not belong here: whether an answer may be sent (`pending`), the status' other fields
(`status`).
"""

from datetime import datetime

from talkdesk_crds.installation import Answer, Decision, RequestType
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.scope import Scope, SendState
from talkdesk_operator.domain.reconcile.steps import Send

__all__ = ["about_to_be_sent", "delivered", "is_open", "needs_record", "not_delivered"]

_WORD_LENGTH = 128
_REASON_LENGTH = 256


def is_open(scope: Scope) -> bool:
    """Return whether a call with the answer may have been made whose outcome is not known."""
    answer = scope.answer
    sent_before = answer is not None and answer.send_time is not None and answer.delivery_time is None
    # Right after the record was written, its call was not made yet.
    return sent_before and (not scope.answer_recorded or scope.sent is SendState.UNCLEAR)


def needs_record(scope: Scope) -> bool:
    """Return whether the answer must be put on record before its call, because its outcome may not be read back.

    An install that Talkdesk's state names as waiting needs none: the state itself shows later whether it still waits.
    But where the app's endpoints are told what happens, each needs one: it puts the request down to be told, of which
    nothing may be known any more when a newer one has replaced it.
    """
    if scope.answer is not None and scope.answer.send_time is not None:
        return False
    remote = scope.remote
    word = remote.state.strip().lower() if isinstance(remote, RemoteInstallation) else ""
    told = scope.app is not None and bool(scope.app.endpoints)
    return told or scope.request.type is not RequestType.INSTALL or word != "installing"


def about_to_be_sent(scope: Scope, decision: Decision, now: datetime) -> Answer:
    """Return the record of an answer whose call is made next; an earlier call with an unknown outcome stays on it."""
    if scope.answer is not None and scope.answer.send_time is not None:
        return scope.answer
    observed = scope.remote if isinstance(scope.remote, RemoteInstallation) else None
    return Answer(
        event_id=scope.request.event_id,
        decision=decision,
        send_time=now,
        observed_state=observed.state[:_WORD_LENGTH] if observed is not None else None,
        observed_state_time=observed.updated_at if observed is not None else None,
    )


def delivered(announced: Answer, send: Send, result_time: datetime | None, now: datetime) -> Answer:
    """Return the record of an answer that Talkdesk accepted; `result_time` is by its clock."""
    changes = {
        "decision": send.decision,
        "reason": send.reason[:_REASON_LENGTH] or None,
        "delivery_time": now,
        "result_time": result_time,
    }
    return announced.model_copy(update=changes)


def not_delivered(scope: Scope, announced: Answer) -> Answer | None:
    """Return the record after a call that Talkdesk did not confirm.

    A call that was certainly not accepted is taken back from the record, unless an earlier one's outcome is unknown.
    """
    if scope.sent is SendState.UNCLEAR:
        return announced
    if scope.answer is None or not scope.answer_recorded:
        return scope.answer
    return announced.model_copy(update={"send_time": None, "observed_state": None, "observed_state_time": None})
