"""What Talkdesk's responses mean: a JSON object, or an error of the port.

Belongs here: one total function from status, headers and body. Does not belong here: sending, meaning of the object.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from talkdesk_operator.adapters.http.headers import retry_after, server_time
from talkdesk_operator.adapters.http.json_object import json_object
from talkdesk_operator.adapters.http.sending import HttpResponse
from talkdesk_operator.adapters.talkdesk.calls import Call, Purpose
from talkdesk_operator.domain.ports.talkdesk import (
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskInvalidCredentials,
    TalkdeskMalformed,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskRefused,
    TalkdeskUnauthorized,
    TalkdeskUnavailable,
)
from talkdesk_runtime.durations import format_duration
from talkdesk_runtime.shorten import shorten

_QUOTED: Final = ("error", "error_description", "code", "message")
"""Talkdesk's two shapes of an error body, and OAuth's."""
_MAX_QUOTE: Final = 200
_TOKEN_LIKE: Final = re.compile(r"[A-Za-z0-9+/=_~.-]{24,}|\b(?i:bearer|basic)\s+\S+")
"""Long runs of a token's letters, ids among them, and whatever follows a scheme of authentication."""
_NOTABLE_SKEW: Final = timedelta(seconds=15)
"""An assertion's `iat` lies ten seconds back, and `Date` has whole seconds, of the moment before an answer travels."""
_ROUND: Final = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=15))


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful response's JSON object; empty when its status was all that mattered."""

    content: dict[str, Any] = field(repr=False)
    server_time: datetime | None
    size: int = 0
    """Bytes."""


def interpret(call: Call, response: HttpResponse, now: datetime) -> Reply | TalkdeskError:
    """Return the object of a success, or the error that the response stands for."""
    clock = server_time(response.headers)
    if 200 <= response.status < 300:
        if call.status_suffices:
            return Reply({}, clock)
        content = json_object(response)
        if isinstance(content, str):
            return unusable(call, content, clock)
        return Reply(content, clock, len(response.body))
    if 300 <= response.status < 400:
        return TalkdeskRedirected(f"{call.words}: answered with a redirect, which is never followed", server_time=clock)
    said = f"{call.words}: {response.status}{quote(call, response)}"
    if response.status >= 500 or response.status in {407, 408, 425, 429}:
        return _transient(call, response, said, now)
    if call.purpose is Purpose.TOKEN and _error_code(response) == "invalid_scope":
        # RFC 6749, 5.2: the credentials are good, and something else is asked for than they may have.
        return TalkdeskRefused(f"{said}: the app's auth.scopes asks for what is not granted", server_time=clock)
    if call.purpose is Purpose.TOKEN:
        return _token_refused(response.status, said, clock, now)
    return _refused(call, response.status, said, clock, now)


def unusable(call: Call, problem: str, clock: datetime | None) -> TalkdeskError:
    """Return the error of a success that can't be used: after a change, only a read can show what happened."""
    kind = TalkdeskOutcomeUnknown if call.purpose is Purpose.CHANGE else TalkdeskMalformed
    return kind(f"{call.words}: the answer {problem}", server_time=clock)


def _error_code(response: HttpResponse) -> object:
    """Return OAuth's word for an error."""
    content = json_object(response)
    return None if isinstance(content, str) else content.get("error")


def quote(call: Call, response: HttpResponse) -> str:
    """Return a short excerpt of an error body's own words, without anything that could be a secret."""
    content = json_object(response)
    if isinstance(content, str):
        return ""
    words = [content[name] for name in _QUOTED if isinstance(content.get(name), str)]
    text = ": ".join(dict.fromkeys(words))
    for secret in call.secrets:
        if secret.get_secret_value():
            text = text.replace(secret.get_secret_value(), "[…]")
    text = _TOKEN_LIKE.sub("[…]", text)
    text = shorten(" ".join("".join(c if c.isprintable() else " " for c in text).split()), _MAX_QUOTE)
    return f" ({text})" if text else ""


def _transient(call: Call, response: HttpResponse, said: str, now: datetime) -> TalkdeskError:
    wait, clock = retry_after(response.headers, now), server_time(response.headers)
    if response.status == 429:
        return TalkdeskRateLimited(f"{said}: too many calls", retry_after=wait, server_time=clock)
    # A proxy that requires a password, or a server that fears a replay, forwarded nothing.
    if call.purpose is Purpose.CHANGE and response.status not in {407, 425}:
        return TalkdeskOutcomeUnknown(f"{said}: it may have happened or not", retry_after=wait, server_time=clock)
    return TalkdeskUnavailable(said, retry_after=wait, server_time=clock)


def _token_refused(status: int, said: str, clock: datetime | None, now: datetime) -> TalkdeskError:
    match status:
        case 400 | 401:
            hint = _clock_hint(clock, now)
            return TalkdeskInvalidCredentials(f"{said}: these credentials are not accepted{hint}", server_time=clock)
        case 403:
            return TalkdeskForbidden(f"{said}: perhaps the customer restricts IP addresses", server_time=clock)
        case _:
            # Never NotFound: a missing token host says nothing about the installation.
            return TalkdeskRefused(f"{said}: the token endpoint refuses", server_time=clock)


def _clock_hint(clock: datetime | None, now: datetime) -> str:
    """Return what to say of a clock that is wrong; a round figure, which is the same at the next attempt."""
    if clock is None or abs(now - clock) < _NOTABLE_SKEW:
        return ""
    off = abs(now - clock)
    unit = next(unit for unit in _ROUND if off >= unit)
    much = format_duration(round(off / unit) * unit)
    return f"; this machine's clock is about {much} {'ahead of' if now > clock else 'behind'} Talkdesk's"


def _refused(call: Call, status: int, said: str, clock: datetime | None, now: datetime) -> TalkdeskError:
    match status:
        case 401:
            hint = _clock_hint(clock, now)
            return TalkdeskUnauthorized(f"{said}: not even a new token is accepted{hint}", server_time=clock)
        case 403:
            hint = f"the scope {call.scope} may be missing, or the customer's IP allow-list keeps us out"
            return TalkdeskForbidden(f"{said}: {hint}", server_time=clock)
        case 404:
            return TalkdeskNotFound(f"{said}: Talkdesk knows no such thing", server_time=clock)
        case 409:
            return TalkdeskConflict(f"{said}: the call doesn't fit the present state", server_time=clock)
        case _:
            return TalkdeskRefused(said, server_time=clock)
