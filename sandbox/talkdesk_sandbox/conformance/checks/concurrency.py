"""Several requests at once, slow ones and cut ones.

Belongs here: what connections and timing do. Does not belong here: what requests say.
"""

import asyncio
from typing import Final

from talkdesk_sandbox.conformance.check import Check, Source
from talkdesk_sandbox.conformance.messages import Answer, Failed, Request, Skipped
from talkdesk_sandbox.conformance.play import DONE, Play

__all__ = ["CHECKS"]

_AT_ONCE: Final = 6


async def _concurrent_same(play: Play) -> None:
    request = play.put(play.tenant())
    answers = await _at_once(play, [request] * _AT_ONCE)
    last = await play.done(request, "the repeat after them")
    if any(answer.status in DONE and answer.made != last.made for answer in answers):
        raise Failed("requests with the same key got different outputs or secrets: it was made twice", *play.exchanges)


async def _concurrent_other(play: Play) -> None:
    tenant = play.tenant()
    await _at_once(play, [play.put(tenant, values={"number": number}) for number in range(_AT_ONCE)])
    await play.done(play.put(tenant, values={"number": _AT_ONCE}), "the PUT after them")
    await play.gone(play.delete(tenant))
    if await play.was_there(tenant):
        raise Failed("after one DELETE there is still a tenant: there were two", play.exchanges[-1])


async def _slow_request(play: Play) -> None:
    answer = await play.send(play.put(play.tenant()), slow=True)
    if answer.status not in {*DONE, 202}:
        raise Failed(f"a request that came in two parts: answered {answer.status}, expected 200, 201 or 202")


async def _cut_request(play: Play) -> None:
    tenant = play.tenant()
    await play.cut(play.put(tenant), 0.5)
    shown = play.exchanges[-1]
    await asyncio.sleep(play.settings.pause)
    match await play.was_there(tenant):
        case True:
            raise Failed("half a request made a tenant", shown)
        case None:
            raise Skipped("DELETE of an unknown tenant does not answer 404 or 410, so it can't be seen")
        case False:
            pass


async def _at_once(play: Play, requests: list[Request]) -> list[Answer]:
    """Send all of them, and wait until the service is no longer busy. Raises Failed for what is no answer to that."""
    answers = await asyncio.gather(*map(play.send, requests))
    for answer in answers:
        if answer.status not in {*DONE, 202, 429, 503} and not answer.busy:
            shown = next(each for each in play.exchanges if each.answer is answer)
            raise Failed(
                f"answered {answer.status} to one of {len(requests)} requests at once, expected 200, 201, 202, 409, "
                f"or 422 with ConcurrencyError",
                shown,
            )
    return list(answers)


CHECKS: Final = (
    Check(
        "concurrent-same",
        Source.OURS,
        "the same PUT several times at once makes one tenant; those that can't wait get 409",
        _concurrent_same,
        ("provision", "repeat"),
    ),
    Check(
        "concurrent-other",
        Source.BROKER,
        "PUTs with other keys at once: one after the other, or 409 or 422 ConcurrencyError; one tenant",
        _concurrent_other,
        ("provision", "update", "delete"),
    ),
    Check("slow-request", Source.OURS, "a request may come slowly", _slow_request),
    Check("cut-request", Source.OURS, "half a request makes nothing", _cut_request, ("provision", "delete")),
)
