"""The end: DELETE, and what it leaves.

Belongs here: DELETE. Does not belong here: forged ones (`signatures`).
"""

import asyncio
from typing import Final

from talkdesk_sandbox.conformance.check import Check, Source
from talkdesk_sandbox.conformance.messages import Failed, Skipped
from talkdesk_sandbox.conformance.play import Play

__all__ = ["CHECKS"]


async def _delete_unknown(play: Play) -> None:
    await play.gone(play.delete(play.tenant()), "DELETE of a tenant that never was")


async def _delete(play: Play) -> None:
    tenant = play.tenant()
    await play.done(play.put(tenant))
    await play.gone(play.delete(tenant))
    if await play.was_there(tenant):
        raise Failed("after the DELETE the tenant was still there", *play.exchanges[-1:])


async def _delete_twice(play: Play) -> None:
    tenant = play.tenant()
    await play.done(play.put(tenant))
    request = play.delete(tenant)
    await play.gone(request)
    await play.gone(request, "the same DELETE again")
    await play.gone(play.delete(tenant), "a DELETE under another key")


async def _delete_first(play: Play) -> None:
    tenant = play.tenant()
    await play.gone(play.delete(tenant))
    await play.done(play.put(tenant), "the PUT after a DELETE")


async def _made_anew(play: Play) -> None:
    tenant = play.tenant()
    await play.done(play.put(tenant, generation=5))
    await play.gone(play.delete(tenant, generation=5))
    await play.done(play.put(tenant), "the PUT of a tenant that was deleted")


async def _late_repeat(play: Play) -> None:
    tenant = play.tenant()
    request = play.put(tenant)
    await play.done(request)
    await play.gone(play.delete(tenant))
    await play.finish(request)
    shown = play.exchanges[-1]
    match await play.was_there(tenant):
        case True:
            raise Failed("a late copy of the PUT made the tenant again after its DELETE", shown)
        case None:
            raise Skipped("DELETE of an unknown tenant does not answer 404 or 410, so it can't be seen")
        case False:
            pass


async def _orphan(play: Play) -> None:
    tenant = play.tenant()
    await play.cut(play.put(tenant), 1.0)
    await asyncio.sleep(play.settings.pause / 2)
    await play.gone(play.delete(tenant), "the DELETE after a PUT that nobody answered")
    shown = play.exchanges[-1]
    await asyncio.sleep(play.settings.pause)
    match await play.was_there(tenant):
        case True:
            raise Failed("the DELETE was done before the PUT, which then left a tenant behind", shown)
        case None:
            raise Skipped("DELETE of an unknown tenant does not answer 404 or 410, so it can't be seen")
        case False:
            await play.done(play.put(tenant), "the PUT under another key, after the DELETE")


async def _unknown_operation(play: Play) -> None:
    answer = await play.send(play.poll(play.tenant(), play.key(), None))
    if answer.status not in {404, 410}:
        raise Failed(f"last_operation of a tenant that never was: answered {answer.status}, expected 404 or 410")


CHECKS: Final = (
    Check("delete-unknown", Source.BROKER, "DELETE of an unknown tenant is done: 410, 404 or 200", _delete_unknown, ()),
    Check("delete", Source.BROKER, "after DELETE there is nothing", _delete, ("provision", "delete-unknown")),
    Check(
        "delete-twice",
        Source.BROKER,
        "DELETE may come again, after it was done",
        _delete_twice,
        ("provision", "delete"),
    ),
    Check(
        "delete-first",
        Source.OURS,
        "DELETE may come before the first PUT, which then works",
        _delete_first,
        ("provision", "delete-unknown"),
    ),
    Check("made-anew", Source.OURS, "a deleted tenant can be made again", _made_anew, ("provision", "delete")),
    Check(
        "late-repeat",
        Source.OURS,
        "a copy of a PUT that comes after the DELETE makes nothing",
        _late_repeat,
        ("provision", "delete"),
    ),
    Check(
        "orphan",
        Source.BROKER,
        "DELETE after a PUT that nobody answered, even while it is under way, leaves nothing",
        _orphan,
        ("lost-answer", "delete-first", "made-anew"),
    ),
    Check(
        "unknown-operation",
        Source.BROKER,
        "last_operation of an unknown tenant is 404 or 410",
        _unknown_operation,
        (),
    ),
)
