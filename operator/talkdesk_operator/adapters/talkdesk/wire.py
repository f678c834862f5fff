"""Talkdesk's JSON, read leniently and converted once.

Belongs here: shapes of responses, and their conversion to the port's types. Does not belong here: anything else.
Every field is optional in Talkdesk's schema, and several change type between its pages: what can't be read counts
as absent, and only what nothing can be done without makes a response unusable.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from talkdesk_operator.adapters.talkdesk.answers import Reply
from talkdesk_operator.adapters.talkdesk.tokens import Token
from talkdesk_operator.domain.talkdesk import Account, RemoteInstallation, Subscription

_TOKEN_LIFETIME: Final = 600
"""Seconds; documented, for a response that gives none."""
_MAX_LIFETIME: Final = 86_400
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
"""What can stand in a header; servers take 8 to 16 KiB of it."""
_MAX_TEXT: Final = 512
"""Bound of words that go on into a status, whose size the cluster limits."""


class UnusableError(ValueError):
    """The response lacks what it must have; the message continues `the answer …` and quotes nothing."""


def _or_absent(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


def _as_object(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


def _as_state(value: Any) -> Any:
    return {"state": value} if isinstance(value, str) else _as_object(value)


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_MAX_TEXT]


def _zoned(moment: datetime | None) -> datetime | None:
    """Read a time without zone as UTC: Talkdesk's examples have `Z` or `+00:00`."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


_Text = Annotated[str | None, AfterValidator(_cut), WrapValidator(_or_absent)]
_Moment = Annotated[datetime | None, AfterValidator(_zoned), WrapValidator(_or_absent)]
_Count = Annotated[int | None, Field(ge=0, lt=2**31), WrapValidator(_or_absent)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, hide_input_in_errors=True, frozen=True)


class _Account(_Lenient):
    id: _Text = None
    name: _Text = None
    company_name: _Text = None
    timezone: _Text = None


class _State(_Lenient):
    state: _Text = None
    reason: _Text = None
    updated_at: _Moment = None


class _Embedded(_Lenient):
    state: Annotated[_State, BeforeValidator(_as_state)] = _State()


class _Installation(_Lenient):
    id: _Text = None
    app_id: _Text = None
    account_id: _Text = None
    embedded: Annotated[_Embedded, BeforeValidator(_as_object)] = Field(_Embedded(), alias="_embedded")


class _Subscription(_Lenient):
    type: _Text = None
    license_type: _Text = None
    name: _Text = None
    total_licenses: _Count = None


class _Token(_Lenient):
    access_token: Annotated[SecretStr | None, WrapValidator(_or_absent)] = None
    token_type: _Text = None
    expires_in: _Count = None


def to_account(reply: Reply) -> Account:
    """Read `GET /account`."""
    wire = _Account.model_validate(reply.content)
    if not wire.id:
        raise UnusableError("holds no account id")
    return Account(id=wire.id, name=wire.name, company_name=wire.company_name, timezone=wire.timezone)


def to_installation(reply: Reply, installation_id: str) -> RemoteInstallation:
    """Read an installation; its id is the one that was asked for when the response holds none."""
    wire = _Installation.model_validate(reply.content)
    state = wire.embedded.state
    return RemoteInstallation(
        id=wire.id or installation_id,
        state=state.state or "",
        reason=state.reason,
        updated_at=state.updated_at,
        app_id=wire.app_id,
        account_id=wire.account_id,
        server_time=reply.server_time,
    )


def to_subscription(reply: Reply) -> Subscription:
    """Read an installation's subscription."""
    wire = _Subscription.model_validate(reply.content)
    return Subscription(type=wire.type, license_type=wire.license_type, name=wire.name, licenses=wire.total_licenses)


def to_token(reply: Reply) -> Token:
    """Read the token endpoint's response."""
    wire = _Token.model_validate(reply.content)
    value = "" if wire.access_token is None else wire.access_token.get_secret_value()
    if not _TOKEN.fullmatch(value):
        raise UnusableError("holds no token that could be sent")
    if (wire.token_type or "bearer").lower() != "bearer":
        raise UnusableError("holds a token of a type other than Bearer")
    lifetime = _TOKEN_LIFETIME if wire.expires_in is None else min(wire.expires_in, _MAX_LIFETIME)
    return Token(SecretStr(value), timedelta(seconds=lifetime))
