"""Names that another user has: whose name is freed, and that nobody loses one, or anything else, for nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders.odd_scim import ODDITIES, OddScim, execute, ids, odd_scim
from builders.scim import HandClock, order, person, service
from scripted_talkdesk import ScriptedTalkdesk, reply
from talkdesk_crds.app import SCIM_ATTRIBUTES, ScimAttribute
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.domain.ports.scim import Done, Failed, NotStarted, Put, Ref, Result
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimRefused, ScimTaken

pytestmark = pytest.mark.case(60)

LEFT = person(1).external_id
LEFT_NAME = person(1).user_name
KEPT = ("externalId", "displayName", "active")
TAKEN = [(409, ""), (400, "uniqueness"), (500, "")]


def names(server: OddScim) -> list[str]:
    return [user["userName"] for user in server.users.values()]


def errors(results: tuple[Result, ...]) -> list[type[ScimError] | None]:
    return [type(result.error) if isinstance(result, Failed) else None for result in results]


def wish(number: int, user_name: str, *, ref: bool = True, **fields: Any) -> Put:
    """An order for a name that somebody may have who left."""
    wanted = order(number, Ref(f"p{number}") if ref else None, user_name=user_name, **fields)
    return replace(wanted, former=frozenset({LEFT}))


async def with_one_who_left(client: ScimClient, server: OddScim) -> dict[str, Any]:
    await execute(client, server, order(1, active=False))
    await execute(client, server, order(2))
    return dict(server.users["p1"])


@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.parametrize("number", [2, 3])
async def test_a_user_gets_the_address_of_one_who_left_and_nothing_else_of_theirs(
    client: ScimClient, oddity: str, number: int
) -> None:
    async with odd_scim(**ODDITIES[oddity]) as server:
        before = await with_one_who_left(client, server)
        with capture_logs() as logs:
            results = await execute(client, server, wish(number, LEFT_NAME, ref=number == 2))
        assert ids(results) == [f"p{number}"]
        after = server.users["p1"]
        assert after["userName"] == LEFT
        assert [after[name] for name in KEPT] == [before[name] for name in KEPT]
        assert server.user(person(number).external_id)["userName"] == LEFT_NAME
        assert logs == [{"event": "user.set_aside", "user": LEFT, "inactive": True, "log_level": "info"}]


@pytest.mark.parametrize("oddity", ["nothing", "taken as 400", "taken as 422", "no patch"])
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("active", [True, None, "unknown"])
async def test_one_who_left_and_was_activated_by_hand_keeps_the_name(
    client: ScimClient, oddity: str, number: int, active: object
) -> None:
    async with odd_scim(**ODDITIES[oddity]) as server:
        await with_one_who_left(client, server)
        server.users["p1"]["active"] = active
        before = {key: dict(user) for key, user in server.users.items()}
        (result,) = await execute(client, server, wish(number, LEFT_NAME, ref=number == 2))
        assert isinstance(result, Failed)
        assert isinstance(result.error, ScimTaken | ScimRefused)
        assert server.users == before


NAMELESS = tuple(each for each in SCIM_ATTRIBUTES if each is not ScimAttribute.EXTERNAL_ID)


@pytest.mark.parametrize("former", [False, True])
async def test_a_service_without_external_ids_gives_nobody_the_user_of_one_who_left(
    client: ScimClient, *, former: bool
) -> None:
    async with odd_scim(refuses=frozenset({"externalId"}), filters=frozenset({"userName"})) as server:
        await execute(client, server, order(1, active=False, attributes=NAMELESS), attributes=NAMELESS)
        before = dict(server.users["p1"])
        wanted = replace(order(2, user_name=LEFT_NAME, attributes=NAMELESS), owners={"p1": LEFT})
        if former:
            wanted = replace(wanted, former=frozenset({LEFT}))
        results = await execute(client, server, wanted, attributes=NAMELESS)
        assert ids(results) == (["p2"] if former else [None])
        assert server.users["p1"] == before | ({"userName": LEFT} if former else {})


async def test_one_who_is_given_to_somebody_else_at_that_moment_keeps_the_name(client: ScimClient) -> None:
    async with odd_scim() as server:
        before = await with_one_who_left(client, server)
        server.meanwhile["GET /Users/p1"] = lambda: server.users["p1"].update(externalId="theirs")
        assert errors(await execute(client, server, wish(3, LEFT_NAME, ref=False))) == [ScimTaken]
        assert server.users["p1"] == before | {"externalId": "theirs"}


@pytest.mark.parametrize("patch", [True, False])
async def test_one_who_is_gone_at_that_moment_fails_nobody_else(client: ScimClient, *, patch: bool) -> None:
    async with odd_scim(patch=patch) as server:
        await with_one_who_left(client, server)
        server.meanwhile["GET /Users/p1"] = lambda: server.users.__delitem__("p1")
        results = await execute(client, server, wish(3, LEFT_NAME, ref=False), order(2, Ref("p2"), name="Other"))
        assert errors(results) == [ScimTaken, None]


async def test_one_who_is_activated_before_the_user_is_replaced_keeps_the_name(client: ScimClient) -> None:
    async with odd_scim(patch=False) as server:
        before = await with_one_who_left(client, server)
        server.meanwhile["PATCH /Users/p1"] = lambda: server.users["p1"].update(active=True)
        assert errors(await execute(client, server, wish(3, LEFT_NAME, ref=False))) == [ScimTaken]
        assert server.users["p1"] == before | {"active": True}


async def test_a_name_is_freed_of_the_version_alone_that_was_read(
    client: ScimClient, scripted: ScriptedTalkdesk
) -> None:
    config = {"patch": {"supported": True}, "filter": {"supported": True}, "etag": {"supported": True}}
    held = {"id": "p1", "externalId": LEFT, "userName": LEFT_NAME, "active": False}
    scripted.on("/ServiceProviderConfig", reply(content=config))
    for name, value, found in (("externalId", person(3).external_id, []), ("userName", LEFT_NAME, [held])):
        query = f"filter={name}%20eq%20%22{value}%22&count=2&attributes=externalId,userName"
        scripted.on(f"/Users?{query}", reply(content={"totalResults": len(found), "Resources": found}))
    scripted.on("/Users", reply(409))
    scripted.on("/Users/p1", reply(content=held | {"meta": {"version": 'W/"7"'}}), reply(412))
    minute = timedelta(minutes=1)
    wanted = wish(3, LEFT_NAME, ref=False)
    results, error = await client.execute(service(scripted.url), [wanted], within=minute)
    assert (errors(results), error) == ([ScimTaken], None)
    _, change = scripted.calls("/Users/p1")
    assert change.headers["If-Match"] == 'W/"7"'
    assert b"active" not in change.body


@pytest.mark.parametrize("taken", TAKEN)
async def test_nobody_is_renamed_whose_own_change_is_refused_for_another_reason(
    client: ScimClient, taken: tuple[int, str]
) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        server.taken, server.dislikes = taken, frozenset({"Bad"})
        before = {key: dict(user) for key, user in server.users.items()}
        orders = [order(1, Ref("p1"), user_name=person(2).user_name), order(2, Ref("p2"), name="Bad")]
        first, second = await execute(client, server, *orders)
        assert isinstance(first, Failed)
        assert isinstance(second, Failed)
        assert server.users == before


@pytest.mark.parametrize("taken", TAKEN)
async def test_nobody_is_renamed_who_waits_for_a_name_that_stays_taken(
    client: ScimClient, taken: tuple[int, str]
) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        server.users["theirs"] = {"id": "theirs", "userName": "x@example.com", "externalId": "theirs"}
        server.taken = taken
        before = {key: dict(user) for key, user in server.users.items()}
        orders = [order(1, Ref("p1"), user_name=person(2).user_name), order(2, Ref("p2"), user_name="x@example.com")]
        assert None not in errors(await execute(client, server, *orders))
        assert server.users == before


@pytest.mark.parametrize("taken", TAKEN)
async def test_who_was_set_aside_gets_the_old_name_back_where_the_exchange_fails(
    client: ScimClient, taken: tuple[int, str]
) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        before = names(server)
        server.taken, server.dislikes = taken, frozenset({"Bad"})
        orders = [
            order(1, Ref("p1"), user_name=person(2).user_name),
            order(2, Ref("p2"), user_name=LEFT_NAME, name="Bad"),
        ]
        assert None not in errors(await execute(client, server, *orders))
        assert names(server) == before


async def test_who_was_set_aside_gets_the_new_name_where_another_one_has_the_old_one(client: ScimClient) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        server.dislikes = frozenset({"Bad"})
        orders = [
            order(1, Ref("p1"), user_name=person(2).user_name, name="Bad"),
            order(2, Ref("p2"), user_name=LEFT_NAME),
        ]
        assert errors(await execute(client, server, *orders)) == [ScimRefused, None]
        assert names(server) == [person(2).user_name, LEFT_NAME]


async def test_a_name_that_the_service_gives_nobody_back_is_logged_by_id(client: ScimClient) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        orders = [order(1, Ref("p1"), user_name=person(2).user_name), order(2, Ref("p2"), user_name=LEFT_NAME)]

        def refuse_everybody() -> None:
            server.dislikes = frozenset(str(person(number).name) for number in (1, 2))

        def after_the_first_tries() -> None:
            server.meanwhile["PATCH /Users/p2"] = refuse_everybody

        # p1 is changed, looked for and set aside; then p2 is tried again.
        server.meanwhile["PATCH /Users/p2"] = after_the_first_tries
        with capture_logs() as logs:
            assert None not in errors(await execute(client, server, *orders))
        assert [(each["event"], each["user"]) for each in logs] == [
            ("user.set_aside", LEFT),
            ("user.name_lost", LEFT),
        ]
        server.dislikes = frozenset()
        assert ids(await execute(client, server, *orders)) == ["p1", "p2"], "the next sync"
        assert names(server) == [person(2).user_name, LEFT_NAME]


async def test_who_was_set_aside_by_a_change_whose_answer_was_lost_gets_the_old_name_back(client: ScimClient) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        before = names(server)
        orders = [order(1, Ref("p1"), user_name=person(2).user_name), order(2, Ref("p2"), user_name=LEFT_NAME)]
        server.meanwhile["GET /Users"] = lambda: server.loses.add("PATCH /Users/p1")
        assert errors(await execute(client, server, *orders)) == [ScimTaken, ScimTaken]
        assert server.seen[-1] == "PATCH /Users/p1"
        assert names(server) == before


async def test_a_service_that_gives_no_ids_as_names_renames_nobody(client: ScimClient) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        before = names(server)
        orders = [order(1, Ref("p1"), user_name=person(2).user_name), order(2, Ref("p2"), user_name=LEFT_NAME)]
        server.users["theirs"] = {"id": "theirs", "userName": LEFT, "externalId": "theirs"}
        assert errors(await execute(client, server, *orders)) == [ScimTaken, ScimTaken]
        assert names(server) == [*before, LEFT]


async def test_who_waits_for_somebody_elses_name_is_tried_once_and_all_others_until_they_have_theirs(
    client: ScimClient,
) -> None:
    async with odd_scim() as server:
        await execute(client, server, *[order(number) for number in range(1, 7)])
        server.users["theirs"] = {"id": "theirs", "userName": "x@example.com", "externalId": "theirs"}
        foreign = [order(number, Ref(f"p{number}"), user_name="x@example.com") for number in (1, 2)]
        chain = [order(number, Ref(f"p{number}"), user_name=person(number + 1).user_name) for number in (3, 4, 5)]
        last = order(6, Ref("p6"), user_name="new@example.com")
        server.seen.clear()
        results = await execute(client, server, *foreign, *chain, last, concurrency=1)
        assert errors(results) == [ScimTaken, ScimTaken, None, None, None, None]
        assert [server.seen.count(f"PATCH /Users/p{number}") for number in (1, 2)] == [1, 1]


@pytest.mark.parametrize("taken", [(409, ""), (500, "")])
async def test_for_no_name_anything_is_begun_when_the_time_is_over(
    client: ScimClient, time: HandClock, taken: tuple[int, str]
) -> None:
    async with odd_scim() as server:
        await execute(client, server, *[order(number) for number in range(1, 5)])
        server.taken = taken
        wanted = [person(number % 4 + 1).user_name for number in range(1, 5)]
        orders = [order(n, Ref(f"p{n}"), user_name=wanted[n - 1]) for n in range(1, 5)]
        server.seen.clear()

        def time_passes() -> None:
            time.at += 3600

        server.meanwhile["GET /Users"] = time_passes
        results = await execute(client, server, *orders, concurrency=1)
        assert not any(isinstance(result, Done | NotStarted) for result in results)
        assert server.seen.count("GET /Users") == 1


async def test_who_was_set_aside_when_the_time_is_over_gets_the_old_name_back(
    client: ScimClient, time: HandClock
) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        before = names(server)
        orders = [order(1, Ref("p1"), user_name=person(2).user_name), order(2, Ref("p2"), user_name=LEFT_NAME)]

        def time_passes() -> None:
            time.at += 3600

        def at_the_second_change() -> None:
            server.meanwhile["PATCH /Users/p1"] = time_passes

        server.meanwhile["PATCH /Users/p1"] = at_the_second_change
        assert None not in errors(await execute(client, server, *orders, concurrency=1))
        assert names(server) == before
