"""Operations that take longer than a request: 202 and last_operation. A service may do without.

Belongs here: polling. Does not belong here: what every PUT needs (`play` polls by itself).
"""

from typing import Final

from talkdesk_sandbox.conformance.check import Check, Source
from talkdesk_sandbox.conformance.messages import Answer, Failed, Request, Skipped
from talkdesk_sandbox.conformance.play import Play

__all__ = ["CHECKS"]

_SYNCHRONOUS: Final = "optional: the service answers at once, without 202"
_MAX_OPERATION: Final = 10_000
_NEEDS: Final = ("provision", "operation")


async def _operation(play: Play) -> None:
    request, answer = await _begin(play)
    await play.follow(_poll(play, request, answer), answer, "PUT")


async def _poll_again(play: Play) -> None:
    request, answer = await _begin(play)
    poll = _poll(play, request, answer)
    first = await play.follow(poll, answer, "PUT")
    again = await play.send(poll)
    if again.status != 200 or (again.content or {}).get("state") != "succeeded" or again.made != first.made:
        raise Failed("the end was told once, and then no more: the answer may get lost", *play.exchanges[-2:])


async def _operation_repeat(play: Play) -> None:
    request, answer = await _begin(play)
    again = await play.send(request)
    same = again.status == 202 and (again.content or {}).get("operation") == (answer.content or {}).get("operation")
    if not (same or again.busy or again.status in {200, 201}):
        raise Failed("the repeat of a PUT that is under way must get the same operation, 409, or the end's answer")
    await play.done(request, "the repeat")


async def _retry_after(play: Play) -> None:
    request = play.put(play.tenant())
    await play.done(request)
    answers = [each.answer for each in play.exchanges if each.answer is not None]
    told = [answer for answer in answers if "retry-after" in answer.headers]
    if not told:
        raise Skipped("optional: the service never says Retry-After")
    for answer in told:
        try:
            _ = answer.retry_after
        except ValueError:
            shown = next(each for each in play.exchanges if each.answer is answer)
            raise Failed("Retry-After is neither a number of seconds nor a date", shown) from None


async def _begin(play: Play) -> tuple[Request, Answer]:
    """Return a PUT and its 202. Raises Skipped."""
    request = play.put(play.tenant())
    answer = await play.send(request)
    if answer.status in {200, 201}:
        raise Skipped(_SYNCHRONOUS)
    if answer.status != 202 or answer.content is None:
        raise Failed(f"answered {answer.status}, expected 202 with a JSON object")
    return request, answer


def _poll(play: Play, request: Request, answer: Answer) -> Request:
    operation = (answer.content or {}).get("operation")
    if operation is not None and not (isinstance(operation, str) and len(operation) <= _MAX_OPERATION):
        raise Failed(f"operation must be a text of at most {_MAX_OPERATION} characters")
    return play.poll(request.tenant, request.key, operation)


CHECKS: Final = (
    Check("operation", Source.BROKER, "after 202 last_operation says in progress, and then succeeded", _operation),
    Check("poll-again", Source.OURS, "last_operation says the end as often as it is asked", _poll_again, _NEEDS),
    Check(
        "operation-repeat",
        Source.BROKER,
        "a repeat while it is under way begins nothing new",
        _operation_repeat,
        (*_NEEDS, "poll-again"),
    ),
    Check("retry-after", Source.BROKER, "Retry-After, if given, is a number of seconds or a date", _retry_after),
)
