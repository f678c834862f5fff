"""What a SCIM service's responses mean: a JSON object, or an error of the port.

Belongs here: one total function from status, headers and body. Does not belong here: sending, meaning of the object.
Source: RFC 7644, 3.12.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from talkdesk_operator.adapters.http.headers import retry_after
from talkdesk_operator.adapters.http.json_object import EMPTY, json_object
from talkdesk_operator.adapters.http.sending import HttpResponse
from talkdesk_operator.adapters.scim.calls import Call, Target
from talkdesk_operator.adapters.scim.wire import known_scim_type
from talkdesk_operator.domain.ports.scim_errors import (
    ScimError,
    ScimForbidden,
    ScimGone,
    ScimMalformed,
    ScimNotFound,
    ScimOutdated,
    ScimRateLimited,
    ScimRedirected,
    ScimRefused,
    ScimTaken,
    ScimUnauthorized,
    ScimUnavailable,
    ScimUnsupported,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A success."""

    content: Mapping[str, Any] = field(repr=False)
    """Empty when there was no body, which a success may have."""
    headers: Mapping[str, str] = field(repr=False)


def interpret(call: Call, response: HttpResponse, now: datetime) -> Reply | ScimError:
    """Return the object of a success, or the error that the response stands for."""
    if 200 <= response.status < 300:
        content = _decode(response)
        return Reply(content, response.headers) if isinstance(content, dict) else malformed(call, content)
    if 300 <= response.status < 400:
        return ScimRedirected(f"{call.words}: answered with a redirect, which is never followed")
    return of_status(call, response.status, _scim_type(response), retry_after(response.headers, now))


def of_status(call: Call, status: int, scim_type: str = "", wait: timedelta | None = None) -> ScimError:
    """Return the error for a status that is no success, of a response or of one operation of a bulk request."""
    kind = f"{status} {scim_type}".rstrip()
    said = f"{call.words}: {kind}"
    match status:
        case 401:
            return ScimUnauthorized(f"{said}: the token is not accepted", kind=kind)
        case 403 if call.target is Target.SERVICE:
            return ScimForbidden(f"{said}: the token may not do that", kind=kind)
        case 404 if call.target is Target.USER:
            return ScimGone(f"{said}: the service does not know the user any more", kind=kind)
        case 404:
            return ScimNotFound(f"{said}: there is no SCIM service at that address", kind=kind)
        case _ if status == 409 or scim_type == "uniqueness":
            return ScimTaken(f"{said}: it has another user of that name", kind=kind)
        case 412:
            return ScimOutdated(f"{said}: the user was changed by somebody else", kind=kind)
        case 429:
            return ScimRateLimited(f"{said}: too many calls", kind=kind, retry_after=wait)
        case 405 | 501:
            return ScimUnsupported(f"{said}: the service has no such call", kind=kind)
        case _ if status >= 500 or status in {407, 408, 425}:
            return ScimUnavailable(said, kind=kind, retry_after=wait)
        case _:
            return ScimRefused(said, kind=kind)


def malformed(call: Call, problem: str) -> ScimMalformed:
    """Return the error of a success that can't be used."""
    return ScimMalformed(f"{call.words}: the answer {problem}", kind=f"the answer {problem}")


def _decode(response: HttpResponse) -> dict[str, Any] | str:
    """Return the JSON object, or what is wrong with the body; a success may have none."""
    content = json_object(response)
    return {} if content == EMPTY else content


def _scim_type(response: HttpResponse) -> str:
    content = json_object(response)
    return known_scim_type(content) if isinstance(content, dict) else ""
