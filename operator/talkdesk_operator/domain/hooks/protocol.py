"""What a response of a partner's service means: the semantics of the Open Service Broker API 2.17, for a tenant.

Belongs here: one request and its response. Does not belong here: what is sent next (`machine`).
Source: the specification's sections Provisioning, Updating, Deprovisioning, Polling Last Operation, Orphan Mitigation.

    200 201            done
    202                in progress: `last_operation` says when it is done
    408 425 429 5xx    again later, the same request
    409                again later: the service is at something else for this tenant
    422                again later where the body's `error` is ConcurrencyError, else refused
    404 410            of a deletion: done; of a poll of one: done
    other 4xx          refused: nothing was made
    3xx                refused: redirects are not followed
    no response        of a first provisioning: an orphan may be left; else again later

An orphan is what may exist at the service although nobody ever said so. The specification's table of orphan mitigation
says when that is so; it is deleted before anything else is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

from talkdesk_operator.domain.ports.hooks import Answer, Reply, Unanswered
from talkdesk_runtime.shorten import shorten

__all__ = [
    "MAX_OUTPUT_BYTES",
    "Act",
    "Done",
    "Failed",
    "InProgress",
    "Later",
    "Refused",
    "Verdict",
    "judge",
]

MAX_OUTPUT_BYTES: Final = 65_536
"""Of all outputs of a step together; they are kept in a Secret with those of other steps."""
_MAX_OUTPUTS: Final = 64
_MAX_OPERATION: Final = 10_000
"""Characters, as the specification has it."""
_MESSAGE: Final = 500
_CONCURRENCY: Final = "ConcurrencyError"


class Act(StrEnum):
    """What a request asks for."""

    PROVISION = "Provision"
    """The first PUT for a tenant that the service does not have."""
    UPDATE = "Update"
    """Any other PUT."""
    DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class Done:
    """It is as was asked for."""

    outputs: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class InProgress:
    """The service is at it."""

    operation: str | None
    """What the service calls it."""
    wait: timedelta | None = None
    """How long not to ask."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """The same request is sent again later."""

    message: str
    wait: timedelta | None = None
    unknown: bool = False
    """Whether the service may have done what was asked for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service does not want it, and has done nothing; the same request gets the same answer."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work, and the same request can't be sent again."""

    message: str
    orphan: bool
    """Whether something may be left at the service that is to be deleted."""


Verdict: TypeAlias = Done | InProgress | Later | Refused | Failed


def judge(act: Act, answer: Answer, *, polling: bool = False) -> Verdict:
    """Return what an answer means; `polling` where it is one of `last_operation`."""
    if isinstance(answer, Unanswered):
        # A poll that nobody answers changes nothing.
        if act is Act.PROVISION and answer.sent and not polling:
            return Failed(answer.message, orphan=True)
        return Later(answer.message, answer.retry_after, unknown=answer.sent and not polling)
    return _polled(act, answer) if polling else _answered(act, answer)


def _answered(act: Act, reply: Reply) -> Verdict:
    first = act is Act.PROVISION
    match reply.status:
        case 200 | 201 | 204 if act is Act.DELETE:
            return Done()
        case 404 | 410 if act is Act.DELETE:
            return Done()
        case 200 | 201:
            problem, found = _done(reply)
            # A 200 says that it was there already, as asked for.
            return found or Failed(problem, orphan=first and reply.status == 201)
        case 202:
            problem, operation = _operation(reply)
            if problem:
                return Failed(problem, orphan=first)
            return InProgress(operation, reply.retry_after, _description(reply))
        case status if 200 <= status < 300:
            return Failed(f"the answer {status} means nothing here", orphan=act is not Act.UPDATE)
        case _:
            return _not_done(reply, unknown=reply.status >= 500)


def _polled(act: Act, reply: Reply) -> Verdict:
    match reply.status:
        case 410 | 404 if act is Act.DELETE:
            return Done()
        case 404 | 410:
            return Later("the service knows no operation for this tenant (last_operation: 404 or 410)", unknown=True)
        case 200:
            return _last_operation(act, reply)
        case status if 200 < status < 300:
            return Later(f"last_operation: the answer {status} means nothing here", reply.retry_after)
        case _:
            return _not_done(reply, unknown=False)


def _last_operation(act: Act, reply: Reply) -> Verdict:
    content = reply.content or {}
    match content.get("state"):
        case "in progress":
            return InProgress(None, reply.retry_after, _description(reply))
        case "succeeded" if act is Act.DELETE:
            return Done()
        case "succeeded":
            problem, found = _done(reply)
            return found or Failed(problem, orphan=False)
        case "failed":
            message = _description(reply) or "the service says that it failed, and not why"
            return Failed(message, orphan=act is not Act.UPDATE)
        case _:
            return Later("last_operation: the answer has no state that is known", reply.retry_after)


def _not_done(reply: Reply, *, unknown: bool) -> Verdict:
    status = reply.status
    message = f"{status}{': ' if (words := _description(reply)) else ''}{words}"
    if 300 <= status < 400:
        return Refused(f"the answer is a redirect ({status}), which is not followed")
    if status in {408, 409, 425, 429} or status >= 500 or status < 200:
        return Later(message, reply.retry_after, unknown=unknown)
    if status == 422 and (reply.content or {}).get("error") == _CONCURRENCY:
        return Later(message, reply.retry_after)
    return Refused(message)


def _done(reply: Reply) -> tuple[str, Done | None]:
    """Return what is wrong with a success, or its outputs."""
    if reply.content is None:
        return f"the answer {reply.problem or 'is no JSON object'}", None
    # A service may say null for nothing.
    outputs, secrets = ({} if (said := reply.content.get(key)) is None else said for key in ("outputs", "secrets"))
    if not isinstance(outputs, dict) or not isinstance(secrets, dict):
        return "the answer's outputs and secrets must be JSON objects", None
    if len(outputs) + len(secrets) > _MAX_OUTPUTS:
        return f"the answer has more than {_MAX_OUTPUTS} outputs", None
    if not all(isinstance(value, str) for value in secrets.values()):
        return "the answer's secrets must be texts", None
    if not all(isinstance(value, str | int | float | bool) for value in outputs.values()):
        return "the answer's outputs must be texts, numbers, true or false", None
    if sum(len(f"{key}{value}".encode()) for key, value in (*outputs.items(), *secrets.items())) > MAX_OUTPUT_BYTES:
        return f"the answer's outputs are longer than {MAX_OUTPUT_BYTES} bytes", None
    return "", Done(outputs, secrets)


def _operation(reply: Reply) -> tuple[str, str | None]:
    """Return what is wrong with a 202, or what the operation is called."""
    if reply.content is None:
        return f"the answer {reply.problem or 'is no JSON object'}", None
    operation = reply.content.get("operation")
    if operation is None or (isinstance(operation, str) and len(operation) <= _MAX_OPERATION):
        return "", operation or None
    return f"the answer's operation must be a text of at most {_MAX_OPERATION} characters", None


def _description(reply: Reply) -> str:
    """Return the service's own words, in one line."""
    words = (reply.content or {}).get("description")
    return shorten(" ".join(words.split()), _MESSAGE) if isinstance(words, str) else ""
