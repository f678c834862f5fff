"""Who may ask: signatures, timestamps, and what a signature does not cover.

Belongs here: requests that must be refused although they look well, and two keys at once. Does not belong here: bodies
that are wrong in themselves.
"""

from collections.abc import Mapping
from typing import Final

from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.conformance.check import Check, Source
from talkdesk_sandbox.conformance.messages import Failed, Request, Skipped
from talkdesk_sandbox.conformance.play import DONE, Play

__all__ = ["CHECKS"]

_STRANGER: Final = WebhookSecrets((b"not the key of this service",))
_MINUTES_TEN: Final = 600.0
_UNAUTHORIZED: Final = frozenset({400, 401, 403})


async def _bad_signature(play: Play) -> None:
    request = play.put(play.tenant())
    await _refused(play, request, play.headers(request, keys=_STRANGER), "a signature with another key")
    other = Request("PUT", request.tenant, request.key, play.put(request.tenant, values={"color": "red"}).body)
    await _refused(play, other, play.headers(request), "the signature of another body")


async def _no_signature(play: Play) -> None:
    request = play.put(play.tenant())
    unsigned = {name: text for name, text in play.headers(request).items() if not name.startswith("webhook-")}
    await _refused(play, request, unsigned, "no signature")
    headers = {name: text for name, text in play.headers(request).items() if name != "webhook-signature"}
    await _refused(play, request, headers, "an id and a timestamp, but no signature")


async def _old_timestamp(play: Play) -> None:
    request = play.put(play.tenant())
    await _refused(play, request, play.headers(request, age=_MINUTES_TEN), "a timestamp of ten minutes ago")


async def _future_timestamp(play: Play) -> None:
    request = play.put(play.tenant())
    await _refused(play, request, play.headers(request, age=-_MINUTES_TEN), "a timestamp ten minutes ahead")


async def _key_change(play: Play) -> None:
    new = play.settings.next_keys
    if new is None:
        raise Skipped("it needs --next-key-file: any key that the service does not know")
    old = play.settings.keys
    for keys, order in ((new.keys + old.keys, "the new key first"), (old.keys + new.keys, "the old key first")):
        request = play.put(play.tenant())
        answer = await play.send(request, play.headers(request, keys=WebhookSecrets(keys)))
        if answer.status not in {*DONE, 202}:
            raise Failed(f"two signatures, {order}: answered {answer.status}, expected 200, 201 or 202")


async def _other_method(play: Play) -> None:
    tenant = play.tenant()
    await play.done(play.put(tenant))
    # One that never arrived, because somebody kept it: its key is new to the service.
    put = play.put(tenant, generation=2)
    forged = Request("DELETE", put.tenant, put.key, put.body)
    answer = await play.send(forged)
    shown = play.exchanges[-1]
    if not (answer.refused or answer.status == 409):
        raise Failed(f"the body of a PUT, sent as a DELETE: answered {answer.status}, expected 400", shown)
    if await play.was_there(put.tenant) is False:
        raise Failed("the body of a PUT, sent as a DELETE, deleted the tenant", shown)


async def _other_path(play: Play) -> None:
    mine, other = play.tenant(), play.tenant()
    for request, what in ((play.put(mine), "PUT"), (play.delete(mine), "DELETE")):
        if what == "DELETE":
            await play.done(play.put(other))
        answer = await play.send(Request(request.method, other, request.key, request.body))
        if not answer.refused:
            raise Failed(f"the body of a {what} for another tenant: answered {answer.status}, expected 400")
    shown = play.exchanges[-1]
    if await play.was_there(other) is False:
        raise Failed("the DELETE of another tenant deleted this one", shown)


async def _refused(play: Play, request: Request, headers: Mapping[str, str], what: str) -> None:
    answer = await play.send(request, headers)
    shown = play.exchanges[-1]
    if answer.status not in _UNAUTHORIZED:
        raise Failed(f"{what}: answered {answer.status}, expected 401 (or 400, 403)", shown)
    if await play.was_there(request.tenant):
        raise Failed(f"{what}: answered {answer.status}, but made the tenant", shown)


CHECKS: Final = (
    Check(
        "bad-signature",
        Source.WEBHOOKS,
        "a signature by another key, or of another body, is refused: 401",
        _bad_signature,
    ),
    Check("no-signature", Source.WEBHOOKS, "a request without a signature is refused: 401", _no_signature),
    Check("old-timestamp", Source.WEBHOOKS, "a request of ten minutes ago is refused: 401", _old_timestamp),
    Check("future-timestamp", Source.WEBHOOKS, "a request from ten minutes ahead is refused: 401", _future_timestamp),
    Check("key-change", Source.WEBHOOKS, "of two signatures, one by a known key is enough", _key_change),
    Check(
        "other-method",
        Source.OURS,
        "the signed body of a PUT, sent as DELETE, is refused: the state must be Deleted",
        _other_method,
    ),
    Check(
        "other-path",
        Source.OURS,
        "a signed body for another tenant is refused: tenant.id must be the one of the path",
        _other_path,
    ),
)
