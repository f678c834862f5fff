"""Which of two states of a register stays: CEL transition rules that the API server applies.

A register is replaced by an event with a newer time. Events may have whole seconds, so that two can be of one instant:
then the same one stays in whatever order they come, and no event ever wins over itself, whatever its body says.

Members that may be absent are never read by `orValue`: the API server takes what that gives for a string without
bounds, and refuses the whole kind for what the rule could cost.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from talkdesk_crds.fields import rules

__all__ = ["CREDENTIALS", "REQUEST", "TRIAL"]


def _newest_wins(what: str, moment: str, *others: str, also: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the rules for a register; `others` are further conditions on which it may be replaced."""
    replaced = " || ".join((f"self.{moment} > oldSelf.{moment}", *(f"({other})" for other in others)))
    return rules(
        {
            "rule": f"self == oldSelf || {replaced}",
            "message": f"an older {what} can't replace a newer one: {moment} must be later than the one stored",
            "reason": "FieldValueInvalid",
        },
        *also,
    )


def _same(*members: str) -> str:
    return " && ".join(f"self.{member} == oldSelf.{member}" for member in members)


def _same_if_any(member: str) -> str:
    return f"has(self.{member}) == has(oldSelf.{member}) && (!has(self.{member}) || {_same(member)})"


def _rotation(of: str) -> str:
    return f"(has({of}.origin) && {of}.origin == 'Rotation')"


_REQUESTS: Final = "{'Install': 0, 'Update': 1, 'Uninstall': 2}"
_TRIALS: Final = "{'Started': 0, 'Extended': 1, 'Ended': 2}"
_OTHER_EVENT: Final = "self.eventId != oldSelf.eventId"
_LATER_ID: Final = "self.eventId > oldSelf.eventId"

REQUEST: Final = _newest_wins(
    "request",
    "eventTime",
    f"{_same('eventTime')} && {_OTHER_EVENT} && {_REQUESTS}[self.type] > {_REQUESTS}[oldSelf.type]",
    # The customer's words are personal data and go when the tenant is purged.
    f"!has(self.reason) && has(oldSelf.reason) && {_same('eventId', 'type', 'eventTime')}"
    f" && {_same_if_any('appVersion')} && {_same_if_any('changes')}",
    also=(
        {
            "rule": f"{_OTHER_EVENT} || {_same('type')}",
            "message": "another type is another request, with an eventId of its own: the answer on record is not to it",
            "fieldPath": ".type",
            "reason": "FieldValueInvalid",
        },
    ),
)
"""Of one instant, an uninstall beats an update, which beats an install. What was answered does not become another
request: with the answer on record already, a tenant would be offboarded for an uninstall that nobody asked for."""

TRIAL: Final = _newest_wins(
    "trial",
    "eventTime",
    f"{_same('eventTime')} && {_OTHER_EVENT} && (self.state == oldSelf.state ? {_LATER_ID}"
    f" : {_TRIALS}[self.state] > {_TRIALS}[oldSelf.state])",
)
"""Of one instant, the end beats an extension, which beats the start; of equals the greater event id wins."""

CREDENTIALS: Final = _newest_wins(
    "version of the credentials",
    "eventTime",
    f"{_same('eventTime')} && {_OTHER_EVENT} && ({_rotation('self')} == {_rotation('oldSelf')}"
    f" ? {_LATER_ID} : {_rotation('self')})",
)
"""Of one instant, a rotation beats an install; of equals the greater event id wins."""
