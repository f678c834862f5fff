"""An installation's users, page by page: links are followed, never built, and never to a foreign host."""

import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from scripted_talkdesk import Responder, ScriptedTalkdesk, access, cut, reply, serve, token_reply
from talkdesk_crds.hosts import HostAllowList
from talkdesk_operator.adapters.talkdesk import ClientSettings, TalkdeskClient
from talkdesk_operator.adapters.talkdesk.pages import ListBounds
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskForeignHost,
    TalkdeskMalformed,
    TalkdeskNotFound,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskUnavailable,
    User,
)

USERS = "/apps/a1/installations/i1/users"
HUGE = "x" * 100_000

pytestmark = pytest.mark.case(60)


def page(*users: Any, link: Any = None, **more: Any) -> dict[str, Any]:
    links = {} if link is None else {"next": {"href": link}}
    return {"_embedded": {"users": list(users)}, "_links": links} | more


async def pages_of(client: TalkdeskClient, there: Access) -> list[tuple[User, ...]]:
    return [found async for found in client.users(there, "a1", "i1")]


# --- Following links.


async def test_links_are_followed_until_there_is_none(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    second, third = f"{talkdesk.url}{USERS}?cursor=b%3D", f"{talkdesk.url}{USERS}?page=7"
    talkdesk.on(USERS, reply(content=page({"id": "u1"}, {"id": "u2"}, link=second)))
    talkdesk.on(f"{USERS}?cursor=b%3D", reply(content=page(link=third)))
    talkdesk.on(f"{USERS}?page=7", reply(content=page({"id": "u3"})))
    assert await pages_of(client, access(talkdesk.url)) == [(User("u1"), User("u2")), (), (User("u3"),)]
    assert [seen.path for seen in talkdesk.seen[1:]] == [USERS, f"{USERS}?cursor=b%3D", f"{USERS}?page=7"]


async def test_a_page_is_read_only_when_it_is_needed(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on(USERS, reply(content=page({"id": "u1"}, link=f"{USERS}?page=2")))
    reading = client.users(access(talkdesk.url), "a1", "i1")
    assert talkdesk.seen == []
    assert await anext(reading) == (User("u1"),)
    assert [seen.path for seen in talkdesk.seen] == ["/acme/oauth/token", USERS]


@pytest.mark.parametrize("link", [f"{USERS}?page=2", "users?page=2", "?page=2", "./users?page=2#top"])
async def test_a_link_may_be_relative(client: TalkdeskClient, talkdesk: ScriptedTalkdesk, link: str) -> None:
    talkdesk.on(USERS, reply(content=page({"id": "u1"}, link=link)))
    talkdesk.on(f"{USERS}?page=2", reply(content=page({"id": "u2"})))
    assert await pages_of(client, access(talkdesk.url)) == [(User("u1"),), (User("u2"),)]


async def test_of_ten_thousand_users_only_one_page_is_in_memory(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.rel_url.query.get("page", "0"))
        link = f"{USERS}?page={number + 1}" if number < 199 else None
        users = [{"id": f"u{number * 50 + each}", "name": "n" * 500} for each in range(50)]
        return await reply(content=page(*users, link=link))(request)

    for number in range(200):
        talkdesk.on(f"{USERS}?page={number}" if number else USERS, answer)
    ids: set[str] = set()
    tracemalloc.start()
    try:
        async for found in client.users(access(talkdesk.url), "a1", "i1"):
            ids.update(user.id for user in found)
            talkdesk.seen.clear()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ids == {f"u{number}" for number in range(10_000)}
    assert peak < 4 << 20  # their names alone are 5 MB


async def test_a_token_that_expires_between_two_pages_is_renewed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on("/acme/oauth/token", token_reply(1), token_reply(2))
    talkdesk.on(USERS, reply(content=page({"id": "u1"}, link=f"{USERS}?page=2")))
    talkdesk.on(f"{USERS}?page=2", reply(401), reply(content=page({"id": "u2"})))
    assert await pages_of(client, access(talkdesk.url)) == [(User("u1"),), (User("u2"),)]
    used = [seen.headers["Authorization"] for seen in talkdesk.seen if seen.path.startswith(USERS)]
    assert used == [f"Bearer canary-token-{number}" for number in (1, 1, 2)]


# --- Where links may lead.


@pytest.mark.case(14, 28)
@pytest.mark.parametrize(
    "link",
    [
        "http://elsewhere.example/users",
        "//elsewhere.example/users",
        "https://{host}/users",
        "http://localhost:{port}/users",
        "http://{host}.elsewhere.example/users",
        "http://{host}@elsewhere.example/users",
        "http://user:canary-pass@{host}/users",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:application/json,{{}}",
        "ftp://{host}/users",
        "http://[::1",
        "http://{host}:x/users",
        "\\\\elsewhere.example\\users",
        "/users?page=\u0662",
        "/users?a b",
        "/users?page=" + "2" * 3000,
        "http://" + "a" * 300 + "/users",
    ],
)
async def test_a_link_to_anywhere_else_is_never_followed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, link: str
) -> None:
    host = talkdesk.url.removeprefix("http://")
    link = link.format(host=host, port=host.rpartition(":")[2])
    talkdesk.on(USERS, reply(content=page({"id": "u1"}, link=link)))
    with pytest.raises(TalkdeskForeignHost, match="link to the next page was not followed") as failure:
        await pages_of(client, access(talkdesk.url))
    assert "canary" not in failure.value.message
    assert len(failure.value.message) < 500
    assert (failure.value.__cause__, failure.value.__context__) == (None, None)
    assert [seen.path for seen in talkdesk.seen] == ["/acme/oauth/token", USERS]


@pytest.mark.case(28)
async def test_a_link_to_a_token_host_is_not_followed(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    async with serve() as identity:
        hosts = HostAllowList.for_endpoints(talkdesk.url, identity.url, allow_insecure=True)
        there = access(talkdesk.url, token_url=f"{identity.url}/acme/oauth/token", hosts=hosts)
        talkdesk.on(USERS, reply(content=page(link=f"{identity.url}/users")))
        with pytest.raises(TalkdeskForeignHost):
            await pages_of(client, there)
        assert len(identity.seen) == 1


@pytest.mark.case(29)
async def test_a_page_that_redirects_is_not_followed(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    async with serve() as elsewhere:
        talkdesk.on(USERS, reply(content=page(link=f"{USERS}?page=2")))
        talkdesk.on(f"{USERS}?page=2", reply(302, Location=f"{elsewhere.url}{USERS}"))
        with pytest.raises(TalkdeskRedirected):
            await pages_of(client, access(talkdesk.url))
        assert elsewhere.seen == []


@pytest.mark.case(30)
@pytest.mark.parametrize("link", [USERS, "", "#top", "users", f"{USERS}?page=2"])
async def test_a_list_that_links_to_an_earlier_page_is_malformed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, link: str
) -> None:
    talkdesk.on(USERS, reply(content=page({"id": "u1"}, link=f"{USERS}?page=2")))
    talkdesk.on(f"{USERS}?page=2", reply(content=page({"id": "u2"}, link=link)))
    reading = client.users(access(talkdesk.url), "a1", "i1")
    assert await anext(reading) == (User("u1"),)
    with pytest.raises(TalkdeskMalformed, match="links to a page that was read before"):
        await anext(reading)
    assert len(talkdesk.seen) == 3


@pytest.mark.case(30)
async def test_an_endless_list_ends_at_the_bound(talkdesk: ScriptedTalkdesk) -> None:
    client = TalkdeskClient(ClientSettings(users=ListBounds(pages=3)), proxies={})
    talkdesk.on(USERS, reply(content=page(link=f"{USERS}?page=1")))
    for number in range(1, 5):
        talkdesk.on(f"{USERS}?page={number}", reply(content=page(link=f"{USERS}?page={number + 1}")))
    with pytest.raises(TalkdeskMalformed, match="links to yet another page after 3"):
        await pages_of(client, access(talkdesk.url))
    assert len(talkdesk.seen) == 4
    await client.aclose()


async def test_the_bound_itself_is_allowed(talkdesk: ScriptedTalkdesk) -> None:
    client = TalkdeskClient(ClientSettings(users=ListBounds(pages=2)), proxies={})
    talkdesk.on(USERS, reply(content=page(link=f"{USERS}?page=1")))
    talkdesk.on(f"{USERS}?page=1", reply(content=page()))
    assert await pages_of(client, access(talkdesk.url)) == [(), ()]
    await client.aclose()


@pytest.mark.case(30)
@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (ListBounds(users=9), "brings the list to more than 9 users"),
        (ListBounds(size=600_000), "brings the list to more than 0 MiB"),
        (ListBounds(time=timedelta()), "is not the list's last after 0s of reading"),
    ],
)
async def test_a_list_ends_at_a_number_of_users_of_bytes_and_of_time(
    talkdesk: ScriptedTalkdesk, bounds: ListBounds, words: str
) -> None:
    client = TalkdeskClient(ClientSettings(users=bounds), proxies={})
    talkdesk.on(USERS, reply(content=page({"id": "u0", "name": HUGE}, link=f"{USERS}?page=1")))
    for number in range(1, 20):
        one = page({"id": f"u{number}", "name": HUGE}, link=f"{USERS}?page={number + 1}")
        talkdesk.on(f"{USERS}?page={number}", reply(content=one))
    with pytest.raises(TalkdeskMalformed, match=words):
        await pages_of(client, access(talkdesk.url))
    assert len(talkdesk.seen) <= 11
    await client.aclose()


@pytest.mark.case(30)
async def test_a_page_with_more_users_than_can_be_read_in_a_moment_is_malformed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    talkdesk.on(USERS, reply(content=page(*({"id": f"u{number}"} for number in range(5_001)))))
    with pytest.raises(TalkdeskMalformed, match="has more than 5000 users on one page"):
        await pages_of(client, access(talkdesk.url))


# --- Errors.


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(403), TalkdeskForbidden),
        (reply(404), TalkdeskNotFound),
        (reply(429, Retry_After="60"), TalkdeskRateLimited),
        (reply(500), TalkdeskUnavailable),
        (cut, TalkdeskUnavailable),
    ],
)
async def test_any_page_can_fail(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, answer: Responder, kind: type[TalkdeskError], *, first: bool
) -> None:
    talkdesk.on(USERS, answer if first else reply(content=page(link="?page=2")))
    talkdesk.on(f"{USERS}?page=2", answer)
    with pytest.raises(kind, match="reading the users"):
        await pages_of(client, access(talkdesk.url))


@pytest.mark.case(30)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(body=b'{"_embedded": {"users": [' + b'{"id": "' + b"x" * (5 << 20) + b'"}]}}'), "is too big"),
        (reply(body=b""), "is empty"),
        (reply(body=b"[]"), "is JSON but no object"),
        (reply(body=b"<html>"), "is not JSON"),
    ],
)
async def test_a_page_that_cant_be_read_is_malformed(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, answer: Responder, words: str
) -> None:
    talkdesk.on(USERS, answer)
    with pytest.raises(TalkdeskMalformed, match=words):
        await pages_of(client, access(talkdesk.url))


ODD = [1, 0, True, False, 1.5, "x", "", HUGE, [], ["x"], {}, {"x": 1}]
"""JSON of every type; `null` counts as missing and is tried apart."""


@pytest.mark.case(30)
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"total": 1},
        {"total": "0"},
        {"_embedded": None},
        {"_embedded": {}, "total": 3},
        {"_embedded": {"users": None}, "total": 3},
        *[{"_embedded": odd, "total": 3} for odd in ODD],
        *[{"_embedded": {"users": odd}, "total": 0} for odd in ODD if not isinstance(odd, list)],
        {"_embedded": [], "total": 0},
    ],
    ids=lambda content: repr(content)[:60],
)
async def test_a_page_without_a_list_is_never_an_empty_one(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, content: dict[str, Any]
) -> None:
    talkdesk.on(USERS, reply(content=content))
    with pytest.raises(TalkdeskMalformed, match="holds no list of users"):
        await pages_of(client, access(talkdesk.url))


@pytest.mark.parametrize(
    "content",
    [
        page(),
        {"_embedded": {"users": []}},
        {"total": 0},
        {"total": 0, "_embedded": {}},
        {"total": 0, "_embedded": {"users": None}, "_links": None},
        page() | {"_links": {"next": None, "self": 5}},
        page() | {"_links": {"next": {}}},
        page() | {"_links": {"next": {"href": None}}},
    ],
)
async def test_an_empty_list_is_a_page_without_users(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, content: dict[str, Any]
) -> None:
    talkdesk.on(USERS, reply(content=content))
    assert await pages_of(client, access(talkdesk.url)) == [()]


@pytest.mark.case(30)
@pytest.mark.parametrize(
    "links",
    [
        *[odd for odd in ODD if not isinstance(odd, dict)],
        *[{"next": odd} for odd in ODD if not isinstance(odd, dict)],
        *[{"next": {"href": odd}} for odd in ODD if not isinstance(odd, str)],
    ],
    ids=lambda links: repr(links)[:60],
)
async def test_a_link_that_cant_be_read_is_never_the_end(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, links: Any
) -> None:
    talkdesk.on(USERS, reply(content=page() | {"_links": links}))
    with pytest.raises(TalkdeskMalformed, match="holds a link to the next page that can't be read"):
        await pages_of(client, access(talkdesk.url))


# --- Single users.


async def test_a_user_is_read_with_everything(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    user = {
        "id": "u1",
        "email": "ann@example.com",
        "name": "Ann \u2603",
        "active": True,
        "gender": "female",
        "extension": 204,
        "external_phone_number": "+351210000000",
        "created_at": "2026-03-04T09:00:00Z",
        "_links": {"self": {"href": "x"}},
    }
    talkdesk.on(USERS, reply(content=page(user)))
    ((found,),) = await pages_of(client, access(talkdesk.url))
    expected = User("u1", "ann@example.com", "Ann \u2603", True, "female", "204", "+351210000000")
    assert found == expected


async def test_users_without_an_id_are_left_out_and_the_others_stay(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk
) -> None:
    ids = [None, "", HUGE, [], {}, ["u"], {"id": "u"}, True]
    users: list[Any] = [
        None,
        1,
        "u",
        [],
        {},
        {"email": "x@example.com"},
        *({"id": odd} for odd in ids),
        {"id": "u1"},
        {"id": 17},
    ]
    talkdesk.on(USERS, reply(content=page(*users)))
    assert await pages_of(client, access(talkdesk.url)) == [(User("u1"), User("17"))]


@pytest.mark.case(8)
@pytest.mark.parametrize("name", ["email", "name", "active", "gender", "extension", "external_phone_number"])
@pytest.mark.parametrize("odd", [None, *ODD], ids=lambda odd: repr(odd)[:20])
async def test_a_user_with_members_of_unexpected_types_is_read(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, name: str, odd: Any
) -> None:
    talkdesk.on(USERS, reply(content=page({"id": "u1", name: odd})))
    ((user,),) = await pages_of(client, access(talkdesk.url))
    found = getattr(user, name)
    wanted = bool if name == "active" else str
    assert user.id == "u1"
    assert found is None or type(found) is wanted
    assert len(str(found)) <= 512
    if odd is None or isinstance(odd, list | dict):
        assert found is None
