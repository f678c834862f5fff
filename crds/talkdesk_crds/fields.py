"""The building blocks of our kinds' fields: model base, bounded strings, durations, references.

Every string and every list has a bound: the API server charges CEL rules for the longest that it could meet, and a
status must never grow past what etcd takes. Every list says how its items are told apart, so that two clients who
apply it do not overwrite each other's items.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic.alias_generators import to_camel
from typing_extensions import override

from talkdesk_runtime.durations import DURATION_PATTERN, parse_duration

DURATION_GRAMMAR: Final = (
    "Written as whole days, hours, minutes and seconds, in this order and each at most once: 7d, 1h30m, 90s."
    " A day has 24 hours."
)
"""Part of the description of every field that holds a duration."""


class CheckedCopy(BaseModel):
    """A model whose copies have no fields but its own: pydantic takes any name, so a misspelled one would be lost."""

    @override
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values, which are not validated; raise TypeError for a field that there isn't."""
        if unknown := sorted(set(update or ()) - type(self).model_fields.keys()):
            raise TypeError(f"{type(self).__name__} has no {unknown[0]}")
        return super().model_copy(update=update, deep=deep)


class Model(CheckedCopy):
    """Base of everything inside our kinds: camelCase on the wire, frozen, unknown fields forbidden."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    def wire(self) -> dict[str, Any]:
        """Return the JSON form with camelCase names and without absent fields."""
        return self.model_dump(by_alias=True, mode="json", exclude_none=True)


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _lasting(text: str) -> str:
    if not parse_duration(text):
        raise ValueError("must be longer than nothing")
    return text


def rules(*validations: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema extension that makes the API server check CEL rules at that place."""
    return {"x-kubernetes-validations": list(validations)}


def to_wire_time(moment: datetime) -> str:
    """Write a moment as RFC 3339, with microseconds only where there are any; in UTC if it has a year there."""
    try:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return moment.isoformat()


Duration = Annotated[
    str, StringConstraints(min_length=2, max_length=32, pattern=DURATION_PATTERN), AfterValidator(_duration)
]
"""A length of time in days, hours, minutes and seconds, biggest unit first (docs/durations.md): `7d`, `1h30m`."""

PositiveDuration = Annotated[
    Duration,
    AfterValidator(_lasting),
    Field(json_schema_extra=rules({"rule": "self.matches('[1-9]')", "message": "must be longer than nothing"})),
]
"""A duration that makes no sense as zero."""

Moment = Annotated[AwareDatetime, PlainSerializer(to_wire_time, when_used="json")]
"""A moment in RFC 3339 with its zone."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""An opaque identifier of Talkdesk's."""

ObjectName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
]
"""The name of a Kubernetes object."""

LabelName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A name that is an RFC 1123 label."""

Text = Annotated[str, StringConstraints(max_length=1024)]
"""Words for people."""

Word = Annotated[str, StringConstraints(max_length=128)]
"""A short word or code."""

Url = Annotated[
    str,
    StringConstraints(
        max_length=512, pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[^\s\[\]/?#]+)(:[0-9]{1,5})?([/?#]\S*)?$"
    ),
]
"""An absolute http or https URL with a host; brackets stand around an IPv6 address alone, as parsers insist."""

Expression = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""A CEL expression, or text with `${ CEL }`."""

MAX_DEPTH: Final = 100
"""Levels of a FreeObject. Whatever walks through one, Python's stack suffices for it; a manifest has twenty or so."""


def _shallow(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value if it is not nested too deep; no rule can tell the API server so."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _within(each) if isinstance(inner, dict | list)]
        if not level:
            return value
    raise ValueError(f"is nested in more than {MAX_DEPTH} levels")


def _within(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


FreeObject = Annotated[
    dict[str, Any],
    Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
    AfterValidator(_shallow),
]
"""A JSON object of any shape, nested in up to MAX_DEPTH levels."""


def immutable(what: str) -> dict[str, Any]:
    """Return the schema extension of a field that keeps the value it was made with."""
    return rules({"rule": "self == oldSelf", "message": f"{what} can't be changed: make a new object instead"})


def listed_by(*keys: str) -> dict[str, Any]:
    """Return the schema extension of a list whose items are told apart by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
"""The schema extension of a list of different values, whose order means nothing."""

ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}
"""The schema extension of a list that is only replaced as a whole: its order counts, or its items have no names."""


def unknown_read_as(fallback: str | None, known: Iterable[str]) -> BeforeValidator:
    """Return the validator of a status field that a newer operator may have filled with a value unknown here.

    Such a value is read as `fallback`, so that the rest of the object stays readable. It must be the value that
    harms nobody: the one with which nothing is deleted and nothing is sent twice.
    """
    names = frozenset(known)

    def read(value: Any) -> Any:
        return fallback if isinstance(value, str) and value not in names else value

    return BeforeValidator(read)


class LocalRef(Model):
    """Names an object of a known kind in the same namespace."""

    name: ObjectName
    """Name of the object."""


class ObjectMeta(BaseModel):
    """What we read of an object's metadata; everything else in it is the API server's business."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: AwareDatetime | None = None
    deletion_timestamp: AwareDatetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
