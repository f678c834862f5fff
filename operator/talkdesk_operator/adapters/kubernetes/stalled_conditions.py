"""The conditions of an object of ours that nothing will be done for, whatever else is in it.

Belongs here: reading what can be read of its conditions, and what is changed. Does not belong here: writing them.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from talkdesk_crds.conditions import Condition, ConditionType, Reason, merged
from talkdesk_runtime.shorten import shorten

__all__ = ["stalled"]

_MESSAGE_LENGTH = 1024


def stalled(raw: Mapping[str, Any], reason: Reason, message: str, now: datetime) -> tuple[Condition, ...]:
    """Return an object's conditions with Ready and Reconciling False and Stalled True; all others stay as they are."""
    generation = raw["metadata"].get("generation", 0)
    changed = (
        Condition(
            type=kind,
            status=status,
            reason=reason,
            message=shorten(message, _MESSAGE_LENGTH) if kind is not ConditionType.RECONCILING else "",
            last_transition_time=now,
            observed_generation=generation,
        )
        for kind, status in (
            (ConditionType.READY, "False"),
            (ConditionType.RECONCILING, "False"),
            (ConditionType.STALLED, "True"),
        )
    )
    return merged(_readable(raw), changed, now)


def _readable(raw: Mapping[str, Any]) -> Iterator[Condition]:
    """Yield the conditions that an object has and that can be read; anything may be wrong in it."""
    match raw.get("status"):
        case {"conditions": [*conditions]}:
            for condition in conditions:
                try:
                    yield Condition.model_validate(condition)
                except ValidationError:
                    continue
        case _:
            return
