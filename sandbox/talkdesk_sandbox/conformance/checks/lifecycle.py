"""A tenant's life: made, repeated, updated, suspended, resumed, offboarded, back again.

Belongs here: PUTs, one after the other. Does not belong here: DELETE, several at once.
"""

import asyncio
from typing import Any, Final

from talkdesk_sandbox.conformance.check import Check, Source
from talkdesk_sandbox.conformance.messages import Answer, Failed
from talkdesk_sandbox.conformance.play import Play

__all__ = ["CHECKS", "PROVISION"]

_MAX_OUTPUTS: Final = 64
_MAX_BYTES: Final = 65_536
_LONGEST_NAME: Final = 63


async def _provision(play: Play) -> None:
    answer = await play.done(play.put(play.tenant()))
    problem = _wrong_outputs(answer)
    if problem:
        raise Failed(problem)


async def _repeat(play: Play) -> None:
    request = play.put(play.tenant())
    first = await play.done(request)
    again = await play.done(request, "the repeat")
    if first.made != again.made:
        raise Failed("the repeat got other outputs or secrets than the first: it was made twice", *play.exchanges[-2:])


async def _put_again(play: Play) -> None:
    tenant = play.tenant()
    await play.done(play.put(tenant))
    await play.done(play.put(tenant), "the same PUT under another key")


async def _lost_answer(play: Play) -> None:
    request = play.put(play.tenant())
    await play.cut(request, 1.0)
    await asyncio.sleep(play.settings.pause)
    first = await play.done(request, "the repeat after an answer that nobody read")
    again = await play.done(request, "the second repeat")
    if first.made != again.made:
        raise Failed("the repeats got different outputs or secrets", *play.exchanges[-2:])


async def _update(play: Play) -> None:
    tenant = play.tenant()
    await play.done(play.put(tenant))
    await play.done(play.put(tenant, generation=2, values={"color": "green", "size": 7}), "the PUT with other values")


async def _suspend_resume(play: Play) -> None:
    await _there_and_back(play, "Suspended")


async def _offboard_return(play: Play) -> None:
    await _there_and_back(play, "Offboarded")


async def _there_and_back(play: Play, state: str) -> None:
    tenant = play.tenant()
    first = await play.done(play.put(tenant))
    await play.done(play.put(tenant, state=state, generation=2), f"the PUT with the state {state}")
    back = await play.done(play.put(tenant, generation=3), f"the PUT with the state Active after {state}")
    lost = sorted((set(first.outputs) | set(first.secrets)) - set(back.outputs) - set(back.secrets))
    if lost:
        raise Failed(f"after the return these outputs are missing: {', '.join(lost)}")


async def _long_name(play: Play) -> None:
    name = play.tenant(f"{play.settings.prefix}-{'x' * _LONGEST_NAME}"[:_LONGEST_NAME])
    await play.done(play.put(name), f"a tenant whose name has {_LONGEST_NAME} characters")


def _wrong_outputs(answer: Answer) -> str:
    """Return what the operator would not take; nothing when all is well."""
    content = answer.content
    if content is None:
        return "the answer's body is no JSON object"
    # null is as good as nothing.
    outputs, secrets = ({} if (said := content.get(key)) is None else said for key in ("outputs", "secrets"))
    if not isinstance(outputs, dict) or not isinstance(secrets, dict):
        return "outputs and secrets must be JSON objects"
    if not all(isinstance(value, str) for value in secrets.values()):
        return "secrets must be texts"
    if not all(isinstance(value, str | int | float | bool) for value in outputs.values()):
        return "outputs must be texts, numbers, true or false"
    if len(outputs) + len(secrets) > _MAX_OUTPUTS:
        return f"there are more than {_MAX_OUTPUTS} outputs and secrets"
    return "outputs and secrets are longer than 64 KB" if _length(outputs) + _length(secrets) > _MAX_BYTES else ""


def _length(values: dict[str, Any]) -> int:
    return sum(len(f"{key}{value}".encode()) for key, value in values.items())


PROVISION: Final = Check(
    "provision", Source.BROKER, "PUT makes a tenant: 200, 201 or 202, and outputs that can be used", _provision, ()
)
_REPEATS: Final = ("provision", "poll-again")
"""What a repeat needs where the first request was answered by 202: the end is asked for once more."""
CHECKS: Final = (
    Check(
        "repeat",
        Source.OURS,
        "the same PUT with the same key gets the same answer, and makes nothing anew",
        _repeat,
        _REPEATS,
    ),
    Check("lost-answer", Source.OURS, "a PUT whose answer got lost can be sent again", _lost_answer, _REPEATS),
    Check("put-again", Source.BROKER, "a PUT of what is there already is done, under another key too", _put_again),
    Check("update", Source.BROKER, "a PUT with another generation and other values changes the tenant", _update),
    Check("suspend-resume", Source.OURS, "Suspended and then Active again, with all outputs", _suspend_resume),
    Check("offboard-return", Source.OURS, "Offboarded and then Active again, with all outputs", _offboard_return),
    Check("long-name", Source.OURS, f"a tenant's name may have {_LONGEST_NAME} characters", _long_name),
)
