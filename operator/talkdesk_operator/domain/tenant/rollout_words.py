"""What is said of a rollout: the condition RolledOut of the app, and an Event when that changes.

Tenants are named by the names of their objects, with the reason that stands there: never with words in which something
of a customer's could be quoted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.tenant.rollout import Follower, Progress, RolloutState

__all__ = ["rolled_out", "rollout_event"]

_NAMED: Final = 10
_REASONS: Final = {
    RolloutState.COMPLETE: Reason.SUCCEEDED,
    RolloutState.GOING_ON: Reason.ROLLING_OUT,
    RolloutState.PAUSED: Reason.PAUSED,
    RolloutState.FAILING: Reason.TENANTS_FAILING,
    RolloutState.NO_CANARY: Reason.CANARY_MISSING,
    RolloutState.UNUSABLE: Reason.TEMPLATE_INVALID,
}
_WORTH_AN_EVENT: Final = frozenset({Reason.TENANTS_FAILING, Reason.CANARY_MISSING, Reason.SUCCEEDED})


def rolled_out(app: TalkdeskApp, wanted: str, found: Progress, now: datetime) -> Condition:
    """Return the condition that says how far the rollout of a revision is, and whom it waits for."""
    return Condition(
        type=ConditionType.ROLLED_OUT,
        status="True" if found.state is RolloutState.COMPLETE else "False",
        reason=_REASONS[found.state],
        message=_message(wanted, found),
        last_transition_time=now.replace(microsecond=0),
        observed_generation=app.metadata.generation,
    )


def _message(wanted: str, found: Progress) -> str:
    counts = found.counts
    if found.state is RolloutState.COMPLETE:
        held = f", {counts.held} are not moved (paused, with a revision of their own, or without an installation)"
        return f"revision {wanted}{held if counts.held else ''}"
    if found.state is RolloutState.UNUSABLE:
        return f"revision {wanted} can't be used; tenants stay as they are"
    done = f"{counts.updated} of {counts.total} tenants have revision {wanted}"
    match found.state:
        case RolloutState.PAUSED:
            return f"{done}; templateRollout.paused is true"
        case RolloutState.NO_CANARY:
            return f"{done}; no tenant has the labels of templateRollout.canary.selector, and nobody comes before them"
        case RolloutState.FAILING:
            return (
                f"{done}; no further one gets it, because with it fail: {_named(found.failing)}. `kubectl describe tdt "
                "NAME` says more. It goes on when they are mended, or with another template"
            )
        case _:
            waits = f"; not ready yet: {_named(found.waiting)}" if found.waiting else ""
            fails = f"; failing: {_named(found.failing)}" if found.failing else ""
            turn = f"; it is the turn of {', '.join(found.wave[:_NAMED])}" if found.wave else ""
            return f"{done}{waits}{fails}{turn}"


def _named(followers: Sequence[Follower]) -> str:
    ordered = sorted(followers, key=lambda each: each.name)
    named = ", ".join(f"{each.name} ({each.reason})" for each in ordered[:_NAMED])
    more = len(ordered) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def rollout_event(app: TalkdeskApp, condition: Condition) -> EventDraft | None:
    """Return what is worth an Event: that a rollout stops, or is complete. Of an app's first look nothing is."""
    before = find(app.status.conditions, ConditionType.ROLLED_OUT)
    if condition.reason not in _WORTH_AN_EVENT or before is None or before.reason == condition.reason:
        return None
    return EventDraft(
        warning=condition.status == "False", reason=condition.reason, message=condition.message, action="RollOut"
    )
