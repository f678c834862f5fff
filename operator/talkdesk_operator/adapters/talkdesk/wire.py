"""Responses about single things, read leniently and converted once.

Belongs here: their shapes, and their conversion to the port's types. Does not belong here: lists (`pages`).
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import unquote

from pydantic import BeforeValidator, Field, SecretStr, WrapValidator

from talkdesk_operator.adapters.talkdesk.lenient import (
    Count,
    Id,
    Lenient,
    Moment,
    OrEmpty,
    Text,
    UnusableError,
    as_object,
    or_absent,
)
from talkdesk_operator.adapters.talkdesk.responses import Reply
from talkdesk_operator.adapters.talkdesk.tokens import Token
from talkdesk_operator.domain.ports.talkdesk import Account, RemoteInstallation, RemoteTrial, Subscription

_TOKEN_LIFETIME: Final = 600
"""Seconds; documented, for a response that gives none."""
_MAX_LIFETIME: Final = 86_400
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
"""What can stand in a header; servers take 8 to 16 KiB of it."""
_USER_LINK: Final = re.compile(r"/users/([^/?#]{1,1536})/?\Z")


def _as_state(value: Any) -> Any:
    return {"state": value} if isinstance(value, str) else as_object(value)


def _user_id(value: Any) -> Any:
    """Find a user's id: the value itself, its `id`, its `user` or that one's `id`, or the end of its own link."""
    for _ in range(2):
        if isinstance(value, dict) and not value.get("id") and value.get("user"):
            value = value["user"]
    if not isinstance(value, dict):
        return value
    return value.get("id") or _id_in_link(value)


def _id_in_link(user: dict[str, Any]) -> str | None:
    href = as_object(as_object(user.get("_links")).get("self")).get("href")
    found = _USER_LINK.search(href) if isinstance(href, str) else None
    return unquote(found.group(1)) if found else None


class _Account(Lenient):
    id: Id = None
    name: Text = None
    company_name: Text = None
    timezone: Text = None


class _State(Lenient):
    state: Text = None
    reason: Text = None
    updated_at: Moment = None


class _Embedded(Lenient):
    state: Annotated[_State, BeforeValidator(_as_state)] = _State()
    created_by: Annotated[Id, BeforeValidator(_user_id)] = None


class _Installation(Lenient):
    id: Id = None
    app_id: Id = None
    account_id: Id = None
    embedded: Annotated[_Embedded, OrEmpty] = Field(_Embedded(), alias="_embedded")


class _Trial(Lenient):
    state: Text = None
    started_at: Moment = None
    expires_at: Moment = None
    ended_at: Moment = None
    ended_reason: Text = None


class _Subscription(Lenient):
    type: Text = None
    license_type: Text = None
    name: Text = None
    total_licenses: Count = None


class _Token(Lenient):
    access_token: Annotated[SecretStr | None, WrapValidator(or_absent)] = None
    token_type: Text = None
    expires_in: Count = None


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
        created_by=wire.embedded.created_by,
        server_time=reply.server_time,
    )


def to_answer_time(reply: Reply) -> datetime | None:
    """Read the response to an answer: when the state changed, else Talkdesk's clock at that moment."""
    return _State.model_validate(reply.content).updated_at or reply.server_time


def to_subscription(reply: Reply) -> Subscription:
    """Read an installation's subscription."""
    wire = _Subscription.model_validate(reply.content)
    return Subscription(type=wire.type, license_type=wire.license_type, name=wire.name, licenses=wire.total_licenses)


def to_trial(reply: Reply) -> RemoteTrial:
    """Read an installation's trial."""
    wire = _Trial.model_validate(reply.content)
    return RemoteTrial(
        state=wire.state or "",
        expires_at=wire.expires_at,
        ended_at=wire.ended_at,
        ended_reason=wire.ended_reason,
        started_at=wire.started_at,
    )


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
