"""The port over a real socket: what is sent, what comes back, and which error stands for what."""

import asyncio
import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from aiohttp import web

from scripted_talkdesk import (
    Responder,
    ScriptedTalkdesk,
    access,
    credentials,
    cut,
    reply,
    serve,
    serve_bytes,
    silence,
    token_reply,
)
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_operator.adapters.talkdesk import ClientSettings, TalkdeskClient
from talkdesk_operator.domain.ports import talkdesk as port
from talkdesk_operator.domain.ports.talkdesk import (
    Account,
    Decision,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskForeignHost,
    TalkdeskInvalidCredentials,
    TalkdeskMalformed,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskRefused,
    TalkdeskTransient,
    TalkdeskUnauthorized,
    TalkdeskUnavailable,
)

TOKEN = "/acme/oauth/token"
INSTALLATION = "/apps/a1/installations/i1"
STATE = f"{INSTALLATION}/state"
DATE = "Wed, 04 Mar 2026 10:00:00 GMT"
NOON = datetime(2026, 3, 4, 10, tzinfo=UTC)


async def test_the_account_is_read_with_a_bearer_token(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on(
        "/account",
        reply(
            content={"id": "acc", "name": "acme", "company_name": "Acme \u2603", "timezone": "Europe/Lisbon", "x": 1}
        ),
    )
    account = await client.account(access(talkdesk.url))
    assert account == Account("acc", "acme", "Acme \u2603", "Europe/Lisbon")
    (call,) = talkdesk.calls("/account")
    assert call.headers["Authorization"] == "Bearer canary-token-1"
    assert call.headers["User-Agent"].startswith("talkdesk-operator/")
    assert call.headers["Accept"] == "application/json"
    assert call.headers["Accept-Encoding"] == "identity"


async def test_an_installation_is_read_with_its_state_and_the_servers_clock(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    state = {"state": "installing", "reason": "new", "updated_at": "2026-03-04T09:00:00.000+00:00"}
    embedded = {"state": state, "created_by": {"id": "u1", "email": "ann@example.com"}}
    body = {"id": "i1", "app_id": "a1", "account_id": "acc", "_embedded": embedded}
    talkdesk.on(INSTALLATION, reply(content=body, Date=DATE))
    found = await client.installation(access(talkdesk.url), "a1", "i1")
    assert found == RemoteInstallation(
        id="i1",
        state="installing",
        reason="new",
        updated_at=datetime(2026, 3, 4, 9, tzinfo=UTC),
        app_id="a1",
        account_id="acc",
        created_by="u1",
        server_time=NOON,
    )


async def test_a_subscription_is_read(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    body = {"type": "paid", "license_type": "individual", "name": "Gold", "total_licenses": "10"}
    talkdesk.on(f"{INSTALLATION}/subscription", reply(content=body))
    found = await client.subscription(access(talkdesk.url), "a1", "i1")
    assert found == Subscription("paid", "individual", "Gold", 10)


async def test_a_trial_is_read(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    body = {
        "state": "ended",
        "started_at": "2026-03-01T09:00:00Z",
        "expires_at": "2026-03-31T09:00:00Z",
        "ended_at": "2026-03-04T09:00:00.000+00:00",
        "ended_reason": "plan_upgraded",
        "subscription_name": "Gold",
    }
    talkdesk.on(f"{INSTALLATION}/trial", reply(content=body))
    found = await client.trial(access(talkdesk.url), "a1", "i1")
    started, ended, expires = (datetime(2026, 3, day, 9, tzinfo=UTC) for day in (1, 4, 31))
    assert found == RemoteTrial("ended", expires, ended, "plan_upgraded", started)


async def test_the_trial_of_an_installation_without_one_is_not_found(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on(f"{INSTALLATION}/trial", reply(404, {"code": "404", "message": "no trial"}))
    with pytest.raises(TalkdeskNotFound, match="reading the trial"):
        await client.trial(access(talkdesk.url), "a1", "i1")


@pytest.mark.parametrize(
    ("decision", "reason", "sent"),
    [
        (Decision.APPROVE, "", {"state": "approve"}),
        (Decision.REJECT, "no \u201cseat\u201d", {"state": "reject", "reason": "no \u201cseat\u201d"}),
    ],
)
async def test_an_answer_is_one_post(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, decision: Decision, reason: str, sent: dict[str, str]
) -> None:
    talkdesk.on(STATE, reply(content={"state": "completed", "updated_at": "2026-03-01T12:00:00Z"}))
    moment = await client.answer(access(talkdesk.url), "a1", "i1", decision, reason)
    assert moment == datetime(2026, 3, 1, 12, tzinfo=UTC)
    (call,) = talkdesk.calls(STATE)
    assert (call.method, orjson.loads(call.body)) == ("POST", sent)
    assert call.headers["Content-Type"] == "application/json"


async def test_an_answer_without_a_time_has_that_of_talkdesks_clock(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on(STATE, reply(content={"state": "approve"}, Date=DATE))
    moment = await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "")
    assert moment is not None
    assert format_datetime(moment, usegmt=True) == DATE


@pytest.mark.case(57)
@pytest.mark.parametrize(
    ("odd", "escaped"),
    [("a/../b", "a%2F..%2Fb"), ("a?b#c", "a%3Fb%23c"), ("\u00e9 %41", "%C3%A9%20%2541"), ("...", "...")],
)
async def test_ids_are_opaque_and_stay_one_segment(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, odd: str, escaped: str
) -> None:
    talkdesk.on(f"/apps/{escaped}/installations/{escaped}", reply(content={"_embedded": {"state": "pending"}}))
    found = await client.installation(access(talkdesk.url), odd, odd)
    assert (found.id, found.state) == (odd, "pending")


@pytest.mark.parametrize("odd", ["", ".", ".."])
async def test_an_id_that_would_change_the_address_is_refused(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, odd: str
) -> None:
    with pytest.raises(TalkdeskRefused, match="can't be an id"):
        await client.installation(access(talkdesk.url), "a1", odd)
    assert talkdesk.seen == []


async def test_a_gateway_can_live_under_a_path(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on("/gateway/account", reply(content={"id": "acc"}))
    assert await client.account(access(talkdesk.url, api_url=f"{talkdesk.url}/gateway/?x=1")) == Account("acc")


# --- The 401 rule.


@pytest.mark.case(24)
async def test_after_a_401_a_new_token_is_tried_once(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on(TOKEN, token_reply(1), token_reply(2))
    talkdesk.on("/account", reply(401), reply(content={"id": "acc"}))
    await client.account(access(talkdesk.url))
    used = [call.headers["Authorization"] for call in talkdesk.calls("/account")]
    assert used == ["Bearer canary-token-1", "Bearer canary-token-2"]


@pytest.mark.case(24)
async def test_a_second_401_is_final(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on(TOKEN, token_reply(1), token_reply(2))
    talkdesk.on(STATE, reply(401, {"code": "1", "message": "bad token canary-token-2"}))
    with pytest.raises(TalkdeskUnauthorized, match="not even a new token") as failure:
        await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "")
    assert not isinstance(failure.value, TalkdeskInvalidCredentials)
    assert len(talkdesk.calls(STATE)) == 2


@pytest.mark.case(20)
async def test_after_forget_a_new_token_is_fetched(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}))
    for _ in range(2):
        await client.account(access(talkdesk.url))
    assert len(talkdesk.calls(TOKEN)) == 1
    client.forget(access(talkdesk.url).holder)
    await client.account(access(talkdesk.url))
    assert len(talkdesk.calls(TOKEN)) == 2


@pytest.mark.case(20, 62)
async def test_a_new_credential_version_never_uses_the_token_of_a_previous_one(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on(TOKEN, token_reply(1), token_reply(2))
    talkdesk.on("/account", reply(content={"id": "acc"}))
    await client.account(access(talkdesk.url))
    await client.account(access(talkdesk.url, credentials=credentials(client_secret="canary-other")))
    assert talkdesk.calls("/account")[-1].headers["Authorization"] == "Bearer canary-token-2"


@pytest.mark.case(24)
async def test_refused_credentials_and_a_refused_token_are_different_errors(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    """Another credential version may correct the first, but hardly the second."""
    talkdesk.on("/account", reply(401))
    with pytest.raises(TalkdeskUnauthorized) as untaken:
        await client.account(access(talkdesk.url))
    talkdesk.on(TOKEN, reply(401))
    with pytest.raises(TalkdeskUnauthorized) as refused:
        await client.account(access(talkdesk.url))
    assert (type(untaken.value), type(refused.value)) == (TalkdeskUnauthorized, TalkdeskInvalidCredentials)


# --- Errors by status.


def reads_account(*answers: Responder) -> dict[str, tuple[Responder, ...]]:
    return {"/account": answers}


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        pytest.param(400, TalkdeskRefused, "400", id="400"),
        pytest.param(403, TalkdeskForbidden, "scope account:read.*IP allow-list", marks=pytest.mark.case(25), id="403"),
        pytest.param(404, TalkdeskNotFound, "knows no such thing", marks=pytest.mark.case(26), id="404"),
        pytest.param(407, TalkdeskUnavailable, "407", id="407"),
        pytest.param(408, TalkdeskUnavailable, "408", id="408"),
        pytest.param(409, TalkdeskConflict, "present state", marks=pytest.mark.case(23), id="409"),
        pytest.param(410, TalkdeskRefused, "410", id="410"),
        pytest.param(422, TalkdeskRefused, "422", id="422"),
        pytest.param(425, TalkdeskUnavailable, "425", id="425"),
        pytest.param(429, TalkdeskRateLimited, "too many", marks=pytest.mark.case(27), id="429"),
        pytest.param(500, TalkdeskUnavailable, "500", marks=pytest.mark.case(27), id="500"),
        pytest.param(503, TalkdeskUnavailable, "503", marks=pytest.mark.case(27), id="503"),
        pytest.param(599, TalkdeskUnavailable, "599", id="599"),
    ],
)
async def test_a_status_of_a_read_has_its_error(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, status: int, kind: type[TalkdeskError], words: str
) -> None:
    talkdesk.on("/account", reply(status, {"error": "nope"}, Date=DATE))
    with pytest.raises(kind, match=words) as failure:
        await client.account(access(talkdesk.url))
    assert type(failure.value) is kind
    assert "reading the account at 127.0.0.1" in failure.value.message
    assert "nope" in failure.value.message
    assert failure.value.server_time == NOON


@pytest.mark.case(22)
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_after_a_server_error_the_outcome_of_an_answer_is_unknown(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, status: int
) -> None:
    talkdesk.on(STATE, reply(status, Retry_After="7"))
    with pytest.raises(TalkdeskOutcomeUnknown) as failure:
        await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "")
    assert failure.value.retry_after == timedelta(seconds=7)
    assert len(talkdesk.calls(STATE)) == 1


@pytest.mark.case(23, 27)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, TalkdeskForbidden),
        (404, TalkdeskNotFound),
        (407, TalkdeskUnavailable),
        (409, TalkdeskConflict),
        (422, TalkdeskRefused),
        (429, TalkdeskRateLimited),
    ],
)
async def test_a_refused_answer_has_no_effect_and_its_own_error(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, status: int, kind: type[TalkdeskError]
) -> None:
    talkdesk.on(STATE, reply(status, {"error": "x"}))
    with pytest.raises(kind) as failure:
        await client.answer(access(talkdesk.url), "a1", "i1", Decision.REJECT, "why")
    assert type(failure.value) is kind


@pytest.mark.case(29)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_never_followed(client: TalkdeskClient, talkdesk: ScriptedTalkdesk, status: int) -> None:
    async with serve() as elsewhere:
        for path in ("/account", TOKEN):
            talkdesk.scripts.pop("/account", None)
            talkdesk.on(path, reply(status, body=b"", Location=f"{elsewhere.url}/account"))
            with pytest.raises(TalkdeskRedirected, match="never followed"):
                await client.account(access(talkdesk.url))
            client.forget(access(talkdesk.url).holder)
        assert elsewhere.seen == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, TalkdeskInvalidCredentials),
        (401, TalkdeskInvalidCredentials),
        (403, TalkdeskForbidden),
        (404, TalkdeskRefused),
        (500, TalkdeskUnavailable),
        (429, TalkdeskRateLimited),
    ],
)
async def test_a_refusal_by_the_token_endpoint_is_about_credentials_never_about_the_installation(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, status: int, kind: type[TalkdeskError]
) -> None:
    talkdesk.on(TOKEN, reply(status, {"error": "invalid_client", "error_description": "unknown client"}))
    with pytest.raises(kind, match=r"asking for a token at .*unknown client") as failure:
        await client.installation(access(talkdesk.url), "a1", "i1")
    assert type(failure.value) is kind
    assert len(talkdesk.seen) == 1


@pytest.mark.parametrize("status", [400, 401])
async def test_a_scope_that_is_not_granted_says_nothing_against_the_credentials(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, status: int
) -> None:
    talkdesk.on(TOKEN, reply(status, {"error": "invalid_scope", "error_description": "not granted: x"}))
    with pytest.raises(TalkdeskRefused, match=r"invalid_scope: not granted: x\): the app's auth.scopes asks"):
        await client.installation(access(talkdesk.url), "a1", "i1")


@pytest.mark.case(35)
@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (timedelta(), ""),
        (timedelta(seconds=-5), ""),
        (timedelta(seconds=-32), "about 30s ahead of"),
        (timedelta(minutes=-6, seconds=-2), "about 6m ahead of"),
        (timedelta(hours=2, seconds=5), "about 2h behind"),
        (timedelta(days=-400, seconds=-5), "about 400d ahead of"),
    ],
)
@pytest.mark.parametrize(("path", "kind"), [(TOKEN, TalkdeskInvalidCredentials), ("/account", TalkdeskUnauthorized)])
async def test_refused_credentials_name_a_wrong_clock(
    client: TalkdeskClient,
    talkdesk: ScriptedTalkdesk,
    theirs: timedelta,
    words: str,
    path: str,
    kind: type[Exception],
) -> None:
    date = format_datetime(datetime.now(UTC) + theirs)
    talkdesk.on(path, *[reply(401, {"error": "no"}, Date=date)] * 2)
    with pytest.raises(kind) as refused:
        await client.account(access(talkdesk.url))
    said = str(refused.value)
    assert ("clock" in said) == bool(words)
    assert words in said


# --- Successes that are none.


@pytest.mark.case(86)
@pytest.mark.parametrize(
    "answer",
    [
        reply(body=b'\xef\xbb\xbf{"id": "acc", "name": "Acme"}'),
        reply(body=b'{"id": "acc", "name": "Acme", "rate": NaN}'),
        reply(body=b'{"id": "acc", "name": "Acme", "note": "\\ud83d \xff"}', Content_Encoding="utf-8"),
        reply(body=gzip.compress(b'{"id": "acc", "name": "Acme"}'), Content_Encoding="gzip"),
    ],
    ids=["mark", "nan", "half", "gzip"],
)
async def test_a_success_is_read_in_whatever_form_it_comes(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, answer: Responder
) -> None:
    talkdesk.on("/account", answer)
    account = await client.account(access(talkdesk.url))
    assert (account.id, account.name) == ("acc", "Acme")


@pytest.mark.case(30)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(body=b""), "is empty"),
        (reply(204, body=b""), "is empty"),
        (reply(body=b" \n"), "is empty"),
        (reply(body=b"<html>"), "is not JSON"),
        (reply(body=b'{"id": NaN}'), "holds no account id"),
        (reply(body=b'{"id": "\xff"}'), "holds no account id"),
        (reply(body=b'{"a":' * 5000 + b"1" + b"}" * 5000), "is not JSON"),
        (reply(body=b"[]"), "is JSON but no object"),
        (reply(body=b"null"), "is JSON but no object"),
        (reply(content={}), "holds no account id"),
        (reply(content={"id": {"x": 1}}), "holds no account id"),
        (reply(body=b" " * (1 << 20) + b"{}"), "is too big"),
        (reply(body=b"\x1f\x8b", Content_Encoding="gzip"), "is compressed"),
    ],
)
async def test_a_success_that_cant_be_used_is_malformed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, answer: Responder, words: str
) -> None:
    talkdesk.on("/account", answer)
    with pytest.raises(TalkdeskMalformed, match=words):
        await client.account(access(talkdesk.url))


@pytest.mark.case(30)
@pytest.mark.parametrize("path", ["", "/subscription", "/trial"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b" " * (5 << 20) + b"{}"])
async def test_a_response_without_what_is_indispensable_is_malformed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, path: str, body: bytes
) -> None:
    talkdesk.on(f"{INSTALLATION}{path}", reply(body=body))
    read = {"": client.installation, "/subscription": client.subscription, "/trial": client.trial}[path]
    with pytest.raises(TalkdeskMalformed):
        await read(access(talkdesk.url), "a1", "i1")


@pytest.mark.case(22, 30)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b" " * (1 << 20) + b"{}"])
async def test_the_outcome_of_an_answer_with_an_unusable_response_is_unknown(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, body: bytes
) -> None:
    talkdesk.on(STATE, reply(body=body))
    with pytest.raises(TalkdeskOutcomeUnknown):
        await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "")


@pytest.mark.case(30)
async def test_an_endless_response_is_read_up_to_the_bound(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    written = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)
            written += 65536

    talkdesk.on("/account", endless)
    with pytest.raises(TalkdeskMalformed, match="too big"):
        await client.account(access(talkdesk.url))
    assert written < 32 << 20


@pytest.mark.parametrize(
    "fields",
    [
        {"access_token": None},
        {"access_token": "a\r\nX: y"},
        {"access_token": ""},
        {"access_token": "x" * 20_000},
        {"token_type": "mac"},
    ],
)
async def test_a_token_that_cant_be_sent_is_malformed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, fields: dict[str, Any]
) -> None:
    talkdesk.on(TOKEN, token_reply(1, **fields))
    with pytest.raises(TalkdeskMalformed, match=r"holds (no|a) token"):
        await client.account(access(talkdesk.url))


# --- No answer at all.


@pytest.mark.case(22)
@pytest.mark.parametrize("fault", [cut, silence])
async def test_the_outcome_of_an_answer_that_was_cut_or_timed_out_is_unknown_and_it_is_not_sent_again(
    talkdesk: ScriptedTalkdesk, fault: Responder
) -> None:
    client = TalkdeskClient(ClientSettings(total_timeout=timedelta(seconds=0.5)), proxies={})
    talkdesk.on(STATE, fault)
    with pytest.raises(TalkdeskOutcomeUnknown, match="may have happened or not"):
        await client.answer(access(talkdesk.url), "a1", "i1", Decision.APPROVE, "")
    assert len(talkdesk.calls(STATE)) == 1
    await client.aclose()


@pytest.mark.parametrize(("fault", "words"), [(cut, "was cut"), (silence, "no answer in time")])
async def test_a_read_that_was_cut_or_timed_out_is_unavailable(
    talkdesk: ScriptedTalkdesk, fault: Responder, words: str
) -> None:
    client = TalkdeskClient(ClientSettings(total_timeout=timedelta(seconds=0.5)), proxies={})
    talkdesk.on("/account", fault)
    with pytest.raises(TalkdeskUnavailable, match=words):
        await client.account(access(talkdesk.url))
    await client.aclose()


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", TalkdeskUnavailable, "was cut"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", TalkdeskUnavailable, "was cut"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", TalkdeskMalformed, "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}", TalkdeskMalformed, "is not HTTP"),
    ],
)
@pytest.mark.case(30)
async def test_broken_http_has_its_own_message(
    client: TalkdeskClient, data: bytes, kind: type[TalkdeskError], words: str
) -> None:
    async with serve_bytes(data) as url:
        with pytest.raises(kind, match=words):
            await client.account(access(url))


# --- Waiting.


@pytest.mark.case(13)
async def test_background_calls_leave_slots_for_other_calls(talkdesk: ScriptedTalkdesk) -> None:
    client = TalkdeskClient(ClientSettings(concurrency=2), proxies={})
    talkdesk.on(INSTALLATION, silence)
    talkdesk.on("/account", reply(content={"id": "acc"}))
    sweep = access(talkdesk.url, background=True)
    calls = [asyncio.create_task(client.installation(sweep, "a1", "i1")) for _ in range(5)]
    async with asyncio.timeout(5):
        while not talkdesk.calls(INSTALLATION):
            await client.account(access(talkdesk.url))
        for number in range(5):
            new = access(talkdesk.url, credentials=credentials(client_id=f"new-{number}"))
            assert await client.account(new) == Account("acc")
    assert len(talkdesk.calls(INSTALLATION)) == 1
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await client.aclose()


@pytest.mark.case(27)
@pytest.mark.parametrize(
    ("wait", "seconds"),
    [("120", 120), ("Wed, 04 Mar 2026 10:02:00 GMT", 120), ("9999999", 3600), ("Wed, 04 Mar 2026 09:00:00 GMT", 0)],
)
async def test_a_wait_is_read_in_seconds_and_as_a_date_of_the_servers_clock(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, wait: str, seconds: int
) -> None:
    talkdesk.on("/account", reply(429, Retry_After=wait, Date=DATE))
    with pytest.raises(TalkdeskRateLimited) as failure:
        await client.account(access(talkdesk.url))
    assert failure.value.retry_after == timedelta(seconds=seconds)


@pytest.mark.case(27)
async def test_a_pause_delays_all_calls_of_the_app_and_region_and_no_others(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on("/account", reply(503, Retry_After="120"), reply(content={"id": "acc"}))
    with pytest.raises(TalkdeskUnavailable):
        await client.account(access(talkdesk.url))
    with pytest.raises(TalkdeskRateLimited, match="asked for no calls") as failure:
        await client.account(access(talkdesk.url, credentials=credentials(client_id="other")))
    assert failure.value.retry_after is not None
    assert timedelta(seconds=100) < failure.value.retry_after <= timedelta(seconds=120)
    assert len(talkdesk.calls("/account")) == 1
    await client.account(access(talkdesk.url, region_key="sentiment/EU"))


@pytest.mark.case(27)
async def test_an_urgent_answer_is_not_held_up_by_a_pause_that_was_asked_of_another_account(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on("/account", reply(429, Retry_After="600"), reply(content={"id": "acc"}))
    talkdesk.on("/other/oauth/token", token_reply())
    acme = access(talkdesk.url, urgent=True)
    with pytest.raises(TalkdeskRateLimited):
        await client.account(acme)
    with pytest.raises(TalkdeskRateLimited, match="asked for no calls"):
        await client.account(acme)
    assert (await client.account(replace(acme, token_url=f"{talkdesk.url}/other/oauth/token"))).id == "acc"
    assert (await client.account(replace(acme, last_attempt=True))).id == "acc"
    assert len(talkdesk.calls("/account")) == 3


# --- Hosts.


@pytest.mark.case(28)
@pytest.mark.parametrize(
    "overrides",
    [
        {"api_url": "https://api.talkdeskapp.eu"},
        {"token_url": "https://acme.talkdeskid.eu/oauth/token"},
        {"api_url": "https://[::1"},
    ],
)
async def test_a_foreign_host_is_refused_before_anything_is_sent(
    client: TalkdeskClient, overrides: dict[str, str]
) -> None:
    us = {
        "api_url": "https://api.talkdeskapp.com",
        "token_url": "https://acme.talkdeskid.com/oauth/token",
        "hosts": HostAllowList.for_region(Region.US),
    }
    with pytest.raises(TalkdeskForeignHost, match="nothing was sent"):
        await client.account(access("http://127.0.0.1:9", **(us | overrides)))


@pytest.mark.case(61)
async def test_cookies_are_not_kept(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}, Set_Cookie="session=canary; Path=/"))
    for _ in range(2):
        await client.account(access(talkdesk.url))
    assert all("Cookie" not in call.headers for call in talkdesk.seen)


# --- Metrics, and the tree as a whole.


async def test_every_request_is_observed_with_its_outcome(talkdesk: ScriptedTalkdesk) -> None:
    observed: list[tuple[str, str]] = []

    def observe(call: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        observed.append((call, outcome))

    client = TalkdeskClient(proxies={}, observe=observe)
    talkdesk.on("/account", reply(401), reply(500))
    with pytest.raises(TalkdeskUnavailable):
        await client.account(access(talkdesk.url))
    assert observed == [("token", "ok"), ("account", "Unauthorized"), ("token", "ok"), ("account", "Unavailable")]
    await client.aclose()


@pytest.mark.parametrize("used", [False, True])
async def test_a_client_can_be_closed_used_or_not(talkdesk: ScriptedTalkdesk, *, used: bool) -> None:
    client = TalkdeskClient(proxies={})
    if used:
        talkdesk.on("/account", reply(content={"id": "acc"}))
        await client.account(access(talkdesk.url))
    await client.aclose()


async def provoke(kind: type[TalkdeskError], client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    answers: dict[type[TalkdeskError], dict[str, Responder]] = {
        TalkdeskUnavailable: {STATE: reply(407)},
        TalkdeskRateLimited: {STATE: reply(429)},
        TalkdeskMalformed: {TOKEN: reply(body=b"")},
        TalkdeskOutcomeUnknown: {STATE: cut},
        TalkdeskUnauthorized: {STATE: reply(401)},
        TalkdeskInvalidCredentials: {TOKEN: reply(401)},
        TalkdeskForbidden: {STATE: reply(403)},
        TalkdeskNotFound: {STATE: reply(404)},
        TalkdeskConflict: {STATE: reply(409)},
        TalkdeskRefused: {STATE: reply(400)},
        TalkdeskRedirected: {STATE: reply(302, Location="/")},
        TalkdeskForeignHost: {},
    }
    for path, answer in answers[kind].items():
        talkdesk.on(path, answer)
    url = talkdesk.url
    overrides = {"hosts": HostAllowList.for_region(Region.US)} if kind is TalkdeskForeignHost else {}
    await client.answer(access(url, **overrides), "a1", "i1", Decision.APPROVE, "")


LEAVES = [
    kind
    for name in port.__all__
    if isinstance(kind := getattr(port, name), type)
    and issubclass(kind, TalkdeskError)
    and kind not in {TalkdeskError, TalkdeskTransient, port.TalkdeskPermanent}
]


@pytest.mark.parametrize("kind", LEAVES)
async def test_each_error_of_the_tree_is_reachable_and_carries_no_foreign_exception(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, kind: type[TalkdeskError]
) -> None:
    with pytest.raises(kind) as failure:
        await provoke(kind, client, talkdesk)
    assert type(failure.value) is kind
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None
