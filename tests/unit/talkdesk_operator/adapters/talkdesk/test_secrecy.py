"""Invariant I4: no secret in any exception text, repr or log record, with debug logging on."""

import logging
import traceback
from datetime import timedelta

import pytest

from scripted_talkdesk import (
    CANARY,
    Responder,
    ScriptedTalkdesk,
    access,
    cut,
    ec_key,
    pem,
    reply,
    silence,
    token_reply,
)
from talkdesk_operator.adapters.http import HttpResponse
from talkdesk_operator.adapters.talkdesk import ClientSettings, TalkdeskClient
from talkdesk_operator.adapters.talkdesk.auth import token_call
from talkdesk_operator.adapters.talkdesk.calls import Call, Purpose, read_account
from talkdesk_operator.adapters.talkdesk.keys import KeyRing
from talkdesk_operator.adapters.talkdesk.responses import quote
from talkdesk_operator.domain.ports.talkdesk import AuthMethod, Decision, TalkdeskError
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.shorten import shorten

TOKEN = "/acme/oauth/token"
STATE = "/apps/a1/installations/i1/state"
KEY_BODY = pem(ec_key()).splitlines()[1]
ECHO = {
    "error": "invalid canary-client-secret",
    "error_description": "got Bearer canary-token-1",
    "message": f"key {KEY_BODY}",
}

pytestmark = pytest.mark.case(61)


@pytest.mark.parametrize("method", AuthMethod)
@pytest.mark.parametrize(
    ("path", "answer"),
    [
        *[(path, reply(status, ECHO)) for path in (TOKEN, STATE) for status in (400, 401, 403, 404, 409, 429, 500)],
        *[(path, reply(302, Location="http://x/?t=canary-token-1")) for path in (TOKEN, STATE)],
        *[(path, fault) for path in (TOKEN, STATE) for fault in (cut, silence)],
        *[(path, reply(body=b"canary {")) for path in (TOKEN, STATE)],
        (TOKEN, token_reply(1, access_token="canary token")),
        (TOKEN, token_reply(1, token_type="canary")),
    ],
)
async def test_no_error_quotes_a_secret(
    talkdesk: ScriptedTalkdesk,
    caplog: pytest.LogCaptureFixture,
    method: AuthMethod,
    path: str,
    answer: Responder,
) -> None:
    caplog.set_level(logging.DEBUG)
    talkdesk.on(STATE, reply())
    talkdesk.on(path, answer)
    client = TalkdeskClient(ClientSettings(total_timeout=timedelta(seconds=0.3)), proxies={})
    there = access(talkdesk.url, method=method)
    with pytest.raises(TalkdeskError) as failure:
        await client.answer(there, "a1", "i1", Decision.APPROVE, "reason")
    await client.aclose()
    text = "".join(traceback.format_exception(failure.value)) + repr(failure.value) + repr(vars(failure.value))
    logged = "".join(f"{record.getMessage()}{record.args!r}{record.exc_text}" for record in caplog.records)
    for secret in (CANARY, KEY_BODY):
        assert secret not in text.replace(__file__, "")
        assert secret not in logged


async def test_no_success_logs_a_secret(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    talkdesk.on(STATE, reply())
    await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "reason")
    assert CANARY not in caplog.text


@pytest.mark.parametrize("method", AuthMethod)
def test_no_repr_shows_a_secret(method: AuthMethod) -> None:
    there = access("http://127.0.0.1:1", method=method)
    call = token_call(there, KeyRing(1), Clock.system().now())
    assert call.body is not None
    shown = (
        repr(call)
        + repr(read_account(there).with_token(call.secrets[0], there))
        + repr(HttpResponse(200, {"set-cookie": CANARY}, CANARY.encode()))
    )
    assert CANARY not in shown
    assert KEY_BODY not in shown
    assert "client_assertion=" not in shown


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        (b'{"error": "nope"}', " (nope)"),
        (b'{"code": "1", "message": "nope"}', " (1: nope)"),
        (b'{"error": "a", "error_description": "a"}', " (a)"),
        (b'{"message": "line\\nbreak\\u0000\\u202e"}', " (line break)"),
        (b'{"message": "' + b"word " * 100 + b'"}', f" ({shorten(('word ' * 100).strip(), 200)})"),
        (b'{"message": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.e30.x"}', " ([\u2026])"),
        (b'{"message": 5}', ""),
        (b'["message"]', ""),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_an_excerpt_is_short_plain_and_without_anything_like_a_token(body: bytes, quoted: str) -> None:
    found = quote(Call("x", "reading", Purpose.READ, "GET", "http://127.0.0.1"), HttpResponse(400, {}, body))
    assert found.replace(" )", ")") == quoted
