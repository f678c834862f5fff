"""Acknowledging rotated credentials: the status is all that counts."""

import orjson
import pytest

from scripted_talkdesk import Responder, ScriptedTalkdesk, access, cut, reply
from talkdesk_operator.adapters.talkdesk import TalkdeskClient
from talkdesk_operator.domain.ports.talkdesk import (
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskRefused,
    TalkdeskUnauthorized,
)

ACKNOWLEDGE = "/apps/a1/installations/i1/credentials/c%2F2/state"


@pytest.mark.case(20)
@pytest.mark.parametrize(
    "answer",
    [
        reply(202, {"state": {"state": "acknowledged"}}),
        reply(200),
        reply(204, body=b""),
        reply(202, body=b""),
        reply(202, body=b"<html>"),
        reply(202, body=b"[]"),
        reply(202, body=b'{"state": 5}'),
        reply(202, body=b"x" * (5 << 20)),
        reply(202, body=b"\x1f\x8b", Content_Encoding="gzip"),
    ],
)
async def test_credentials_are_acknowledged_by_any_success_whatever_its_body(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, answer: Responder
) -> None:
    talkdesk.on(ACKNOWLEDGE, answer)
    await client.acknowledge(access(talkdesk.url), "a1", "i1", "c/2")
    (call,) = talkdesk.calls(ACKNOWLEDGE)
    assert (call.method, orjson.loads(call.body)) == ("POST", {"state": "acknowledged"})
    assert call.headers["Content-Type"] == "application/json"


@pytest.mark.case(20, 23)
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (reply(400), TalkdeskRefused, "400"),
        (reply(401), TalkdeskUnauthorized, "not even a new token"),
        (reply(403), TalkdeskForbidden, "scope apps:write"),
        (reply(404), TalkdeskNotFound, "no such thing"),
        (reply(409), TalkdeskConflict, "present state"),
        (reply(429), TalkdeskRateLimited, "too many"),
        (reply(302, Location="http://elsewhere.example"), TalkdeskRedirected, "never followed"),
        (reply(500), TalkdeskOutcomeUnknown, "may have happened"),
        (reply(503), TalkdeskOutcomeUnknown, "may have happened"),
        (cut, TalkdeskOutcomeUnknown, "may have happened"),
    ],
)
async def test_an_acknowledgement_that_fails_has_its_own_error(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, answer: Responder, kind: type[TalkdeskError], words: str
) -> None:
    talkdesk.on(ACKNOWLEDGE, answer)
    with pytest.raises(kind, match=rf"acknowledging credentials at .*{words}") as failure:
        await client.acknowledge(access(talkdesk.url), "a1", "i1", "c/2")
    assert type(failure.value) is kind


@pytest.mark.parametrize("odd", ["", ".", ".."])
async def test_a_client_id_that_would_change_the_address_is_refused(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, odd: str
) -> None:
    with pytest.raises(TalkdeskRefused, match="can't be an id"):
        await client.acknowledge(access(talkdesk.url), "a1", "i1", odd)
    assert talkdesk.seen == []
