"""Bodies: too long, no JSON, more than is known.

Belongs here: signed requests with unusual bodies. Does not belong here: forged ones (`signatures`).
"""

import json
from typing import Any, Final

from talkdesk_sandbox.conformance.check import Check, Source
from talkdesk_sandbox.conformance.messages import Failed, NoAnswer, Request, put_body
from talkdesk_sandbox.conformance.play import Play

__all__ = ["CHECKS"]


async def _huge_body(play: Play) -> None:
    request = play.put(play.tenant(), more={"filler": "x" * play.settings.huge})
    try:
        status = (await play.send(request)).status
    except NoAnswer as problem:
        if not problem.cut:
            raise
        status = None  # the service did not read on
    shown = play.exchanges[-1]
    if status is not None and not 400 <= status < 500:
        raise Failed(f"a body of {len(request.body)} bytes: answered {status}, expected 413 or a cut connection", shown)
    if await play.was_there(request.tenant):
        raise Failed(f"a body of {len(request.body)} bytes was refused, but made the tenant", shown)


async def _not_json(play: Play) -> None:
    bodies = (b"tenant=blue", b'{"tenant": ', b"[]", b"null", b"\xff\xfe{}", b"")
    for body in bodies:
        answer = await play.send(Request("PUT", play.tenant(), play.key(), body))
        if not answer.refused:
            raise Failed(f"a body that is no JSON object: answered {answer.status}, expected 400")


async def _unknown_members(play: Play) -> None:
    tenant = play.tenant()
    body: dict[str, Any] = put_body(tenant)
    for part in (body, body["tenant"], body["account"], body["subscription"]):
        part["somethingNew"] = {"of": ["a later", "release", 1, None]}
    await play.done(Request("PUT", tenant, play.key(), json.dumps(body).encode()), "members that nobody knows yet")


CHECKS: Final = (
    Check("huge-body", Source.OURS, "a body of 8 MiB is refused: 413, another 4xx, or a cut connection", _huge_body),
    Check("not-json", Source.OURS, "a signed body that is no JSON object is refused: 400", _not_json),
    Check("unknown-members", Source.OURS, "members that the service does not know are no error", _unknown_members),
)
