"""Lenient reading of Talkdesk's JSON.

Belongs here: types of members that count as absent when they can't be read, and what such members have in common.
Does not belong here: shapes of single responses.
Every field is optional in Talkdesk's schema, and several change type between its pages: a response is unusable only
without what is indispensable.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from talkdesk_runtime.lenient_json import UNREADABLE

_MAX_TEXT: Final = 512
"""Bound of texts that become part of a status, whose size the cluster limits."""


class UnusableError(ValueError):
    """The response lacks what it must have; the message continues `the answer …` and quotes nothing."""


class Lenient(BaseModel):
    """An object whose unknown members are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, hide_input_in_errors=True, frozen=True)


def or_absent(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Return None for a value that can't be read."""
    try:
        return read(value)
    except ValidationError:
        return None


def as_object(value: Any) -> Any:
    """Return an empty object for what is none."""
    return value if isinstance(value, dict) else {}


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_MAX_TEXT]


def _zoned(moment: datetime | None) -> datetime | None:
    """Read a time without zone as UTC: Talkdesk's examples have `Z` or `+00:00`."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


OrEmpty = BeforeValidator(as_object)
Text = Annotated[str | None, AfterValidator(_cut), WrapValidator(or_absent)]
Id = Annotated[
    str | None, Field(min_length=1, max_length=_MAX_TEXT, pattern=f"^[^{UNREADABLE}]*$"), WrapValidator(or_absent)
]
"""Never cut, and without what could not be read, because a part would name something else."""
Flag = Annotated[bool | None, WrapValidator(or_absent)]
Moment = Annotated[datetime | None, AfterValidator(_zoned), WrapValidator(or_absent)]
Count = Annotated[int | None, Field(ge=0, lt=2**31), WrapValidator(or_absent)]
