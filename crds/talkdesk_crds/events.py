"""Lifecycle events as Talkdesk posts them, read leniently and turned into one sealed set of types.

The wire is not trusted to be as documented: unknown fields and types pass, optional members may be missing, null or of
another type, both documented time formats are read. What can't do without (type, app, installation, account) raises
EventError with a sentence that holds no value of the event.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from talkdesk_runtime.lenient_json import UNREADABLE

__all__ = [
    "AppInstalled",
    "AppUninstalled",
    "AppUpdated",
    "CredentialsRotated",
    "CredentialsSet",
    "Delta",
    "EventError",
    "Head",
    "LifecycleEvent",
    "Links",
    "TrialEnded",
    "TrialExtended",
    "TrialStarted",
    "UnknownEvent",
    "UserLogout",
    "parse_event",
]

FUTURE_SKEW: Final = timedelta(minutes=5)
"""How far ahead of our clock an event's time is believed; beyond, the time of receipt counts (behaviour row 35). An
event from a far future would otherwise shut out every later one of its installation."""
_MAX_PLAN: Final = 60
_MAX_COUNT: Final = 999_999_999


class EventError(ValueError):
    """The body is not a lifecycle event that can be acted on; the message is fit for an answer."""


@dataclass(frozen=True)
class Links:
    """URLs that came with an event; unchecked, so check the host before following one."""

    root: str | None = None
    tokens: str | None = None
    authorization: str | None = None


@dataclass(frozen=True)
class Head:
    """What every event has."""

    event_id: str
    type: str
    app_id: str
    installation_id: str
    account_id: str
    created_at: datetime
    account_name: str | None = None
    app_version: str | None = None
    links: Links = Links()
    time_is_receipt: bool = False
    """Whether `created_at` is when this delivery was received, because the event has no time that can be believed."""


@dataclass(frozen=True)
class CredentialsSet:
    """OAuth credentials as an event brought them."""

    client_id: str
    key_id: str
    key_algorithm: str
    client_secret: SecretStr
    private_key: SecretStr
    public_key: str = ""

    def material(self) -> dict[str, str]:
        """Return the Secret's data, in the clear."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
            "key_algorithm": self.key_algorithm,
            "key_id": self.key_id,
            "private_key": self.private_key.get_secret_value(),
            "public_key": self.public_key,
        }


@dataclass(frozen=True)
class AppInstalled:
    """A customer installed the app; it waits for our answer."""

    head: Head
    credentials: CredentialsSet


@dataclass(frozen=True)
class Delta:
    """What an update is said to change: a hint for people, because the truth is read from Talkdesk. Names no user."""

    users_added: int = 0
    users_removed: int = 0
    plan: str | None = None
    """The subscription's new name: untrusted, but printable text on one line of at most 60 characters."""
    licenses: int | None = None


@dataclass(frozen=True)
class AppUpdated:
    """A customer changed users or subscription; it waits for our answer."""

    head: Head
    delta: Delta = Delta()


@dataclass(frozen=True)
class AppUninstalled:
    """A customer uninstalled the app; it waits for our acknowledgement."""

    head: Head
    reason: str | None = None


@dataclass(frozen=True)
class TrialStarted:
    """A trial began."""

    head: Head
    expires_at: datetime | None = None


@dataclass(frozen=True)
class TrialExtended:
    """A trial got more time."""

    head: Head
    expires_at: datetime | None = None


@dataclass(frozen=True)
class TrialEnded:
    """A trial ended, by expiry, uninstall or upgrade."""

    head: Head
    expires_at: datetime | None = None
    ended_reason: str | None = None


@dataclass(frozen=True)
class CredentialsRotated:
    """Talkdesk issued new credentials."""

    head: Head
    credentials: CredentialsSet


@dataclass(frozen=True)
class UserLogout:
    """A user logged out. Holds nothing about the user: the body is relayed as it came."""

    head: Head


@dataclass(frozen=True)
class UnknownEvent:
    """An event of a type that this version does not know."""

    type: str
    event_id: str = field(default="")


LifecycleEvent = (
    AppInstalled
    | AppUpdated
    | AppUninstalled
    | TrialStarted
    | TrialExtended
    | TrialEnded
    | CredentialsRotated
    | UserLogout
    | UnknownEvent
)


def _str_or_none(value: object) -> str | None:
    # A lone surrogate, which JSON can spell, can't be written anywhere as UTF-8.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and value else None


def _str_or_empty(value: object) -> str:
    text = value if isinstance(value, str) else ""
    if text.encode("utf-8", "replace").decode() != text:
        raise ValueError("can't be written as UTF-8")  # pydantic doesn't check what a function gave it
    return text


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _href(value: object) -> str | None:
    return _str_or_none(value.get("href") if isinstance(value, dict) else value)


def _readable(value: str) -> str:
    if UNREADABLE in value:
        raise ValueError("holds a character that can't be read")
    return value


_Optional = Annotated[str | None, BeforeValidator(_str_or_none)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_readable)]
_Key = Annotated[SecretStr, BeforeValidator(_str_or_empty), Field(max_length=16384)]
_Word = Annotated[str, BeforeValidator(_str_or_empty), StringConstraints(max_length=128)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


_W = TypeVar("_W", bound=_Wire)


class _WireLinks(_Wire):
    root: Annotated[str | None, BeforeValidator(_href)] = None
    tokens: Annotated[str | None, BeforeValidator(_href)] = None
    authorization: Annotated[str | None, BeforeValidator(_href)] = None


class _WireIds(_Wire):
    installation_id: _Id
    account_id: _Id
    account_name: _Optional = None


class _WireEnvelope(_Wire):
    type: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    id: _Optional = None
    event_id: _Optional = None
    app_id: _Id
    created_at: _Optional = None
    app_version_id: _Optional = None
    app_version_name: _Optional = None
    data: _WireIds
    links: Annotated[_WireLinks, BeforeValidator(_object)] = Field(default_factory=_WireLinks, alias="_links")


class _WireCredentials(_Wire):
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    client_secret: _Key = SecretStr("")
    private_key: _Key = SecretStr("")
    public_key: Annotated[str, BeforeValidator(_str_or_empty), StringConstraints(max_length=16384)] = ""
    key_id: _Word = ""
    key_algorithm: _Word = ""


def parse_event(body: object, received_at: datetime) -> LifecycleEvent:
    """Turn a decoded JSON body into an event; `received_at` (aware) stands in for a missing or far-future time.

    Raises EventError, whose message names fields but never their values.
    """
    if not isinstance(body, dict):
        raise EventError("the body is not a JSON object")
    kind = _str_or_none(body.get("type")) or _str_or_none(body.get("event_type"))
    if kind is None:
        raise EventError("the event has no type")
    if kind not in _READERS:
        return UnknownEvent(
            kind[:128], (_str_or_none(body.get("event_id")) or _str_or_none(body.get("id")) or "")[:128]
        )
    head = _head(_checked(_WireEnvelope, body | {"type": kind}), received_at)
    data: dict[str, Any] = body["data"]
    return _READERS[kind](head, data)


def _head(envelope: _WireEnvelope, received_at: datetime) -> Head:
    event_id = envelope.event_id or envelope.id
    if event_id is None:
        raise EventError("the event has no id")
    if len(event_id) > 128:
        raise EventError("id: longer than 128 characters")
    version = envelope.app_version_name or envelope.app_version_id
    name = envelope.data.account_name
    claimed = _time(envelope.created_at)
    believed = claimed if claimed is not None and claimed <= received_at + FUTURE_SKEW else None
    return Head(
        event_id=event_id,
        type=envelope.type,
        app_id=envelope.app_id,
        installation_id=envelope.data.installation_id,
        account_id=envelope.data.account_id,
        created_at=believed or received_at,
        account_name=name[:512] if name else None,
        app_version=version[:128] if version else None,
        links=Links(envelope.links.root, envelope.links.tokens, envelope.links.authorization),
        time_is_receipt=believed is None,
    )


def _time(value: object) -> datetime | None:
    """Read ISO 8601 in either documented form; a time without zone is taken as UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _credentials(data: dict[str, Any]) -> CredentialsSet:
    wire = _checked(_WireCredentials, data)
    if not wire.client_secret.get_secret_value() and not wire.private_key.get_secret_value():
        raise EventError("data: neither client_secret nor private_key is there")
    return CredentialsSet(**dict(wire))


def _reason(value: object) -> str | None:
    if isinstance(value, dict):
        parts = [p for p in (_str_or_none(value.get("type")), _str_or_none(value.get("message"))) if p]
        value = ": ".join(parts)
    text = _str_or_none(value)
    return text[:1024] if text else None


def _word(value: object) -> str | None:
    text = _str_or_none(value)
    return text[:128] if text else None


def _delta(data: Mapping[str, object]) -> Delta:
    users, adding = _members(data.get("users")), _members(_members(data.get("subscription")).get("adding"))
    return Delta(
        users_added=_length(users.get("adding")),
        users_removed=_length(users.get("removing")),
        plan=_line(adding.get("name")),
        licenses=_count(adding.get("licenses")),
    )


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


def _line(value: object) -> str | None:
    """Return text that can't run over its line or turn the direction of writing."""
    text = "".join(char if char.isprintable() else " " for char in value) if isinstance(value, str) else ""
    return " ".join(text.split())[:_MAX_PLAN].rstrip() or None


def _count(value: object) -> int | None:
    """Read a number that the documentation shows as a text; None for anything that is no sensible number."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(_MAX_COUNT)):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT else None


def _checked(model: type[_W], value: dict[str, Any]) -> _W:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EventError(f"{where}: {first['msg'].lower()}") from None


_READERS: Final[Mapping[str, Callable[[Head, dict[str, Any]], LifecycleEvent]]] = {
    "app.installed": lambda head, data: AppInstalled(head, _credentials(data)),
    "app.updated": lambda head, data: AppUpdated(head, _delta(data)),
    "app.uninstalled": lambda head, data: AppUninstalled(head, _reason(data.get("reason"))),
    "app.trial_started": lambda head, data: TrialStarted(head, _time(data.get("expires_at"))),
    "app.trial_extended": lambda head, data: TrialExtended(head, _time(data.get("expires_at"))),
    "app.trial_ended": lambda head, data: TrialEnded(
        head, _time(data.get("expires_at")), _word(data.get("ended_reason"))
    ),
    "app.credentials_rotated": lambda head, data: CredentialsRotated(head, _credentials(data)),
    "user.logout": lambda head, _: UserLogout(head),
}
