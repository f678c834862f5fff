"""The same orders at services that are each odd in another way."""

from typing import Any

import pytest

from builders.odd_scim import ODDITIES, execute, ids, odd_scim
from builders.scim import order, person
from talkdesk_crds.app import SCIM_ATTRIBUTES, ScimAttribute
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.domain.ports.scim import Deactivate, Done, Failed, Ref
from talkdesk_operator.domain.ports.scim_errors import ScimRefused, ScimTaken


@pytest.mark.case(60)
@pytest.mark.parametrize("oddity", ODDITIES)
async def test_users_are_created_found_again_changed_and_deactivated(client: ScimClient, oddity: str) -> None:
    async with odd_scim(**ODDITIES[oddity]) as server:
        made = ids(await execute(client, server, order(1), order(2)))
        assert made == ["p1", "p2"]
        again = ids(await execute(client, server, order(1, name="New"), order(2)))
        assert again == made
        assert server.user(person(1).external_id)["displayName"] == "New"
        orders = [Deactivate(person(number).external_id, Ref(f"p{number}")) for number in (1, 2)]
        assert ids(await execute(client, server, *orders)) == made
        assert [user["active"] for user in server.users.values()] == [False, False]


@pytest.mark.case(60)
@pytest.mark.parametrize("oddity", ODDITIES)
async def test_a_user_that_was_made_by_hand_becomes_ours(client: ScimClient, oddity: str) -> None:
    async with odd_scim(**ODDITIES[oddity]) as server:
        server.users["p1"] = {"id": "p1", "userName": person(1).user_name.upper(), "nickName": "A"}
        assert ids(await execute(client, server, order(1), order(2))) == ["p1", "p2"]
        assert server.user(person(1).external_id)["id"] == "p1"


@pytest.mark.case(60)
@pytest.mark.parametrize("oddity", ODDITIES)
async def test_somebody_elses_user_is_left_alone(client: ScimClient, oddity: str) -> None:
    async with odd_scim(**ODDITIES[oddity]) as server:
        theirs = {"id": "p1", "userName": person(1).user_name, "externalId": "theirs"}
        server.users["p1"] = dict(theirs)
        refused, other = await execute(client, server, order(1), order(2))
        assert isinstance(refused, Failed)
        assert isinstance(refused.error, ScimTaken | ScimRefused)
        assert isinstance(other, Done)
        assert server.users["p1"] == theirs


@pytest.mark.case(60)
@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.parametrize("count", [2, 3, 5])
async def test_users_may_exchange_their_addresses_in_a_circle(client: ScimClient, oddity: str, count: int) -> None:
    odd = ODDITIES[oddity]
    if odd.get("taken") not in {None, (400, "uniqueness")}:
        odd = odd | {"taken": (409, "")}
    async with odd_scim(**odd) as server:
        made = ids(await execute(client, server, *[order(number) for number in range(count)]))
        wanted = [person((number + 1) % count).user_name for number in range(count)]
        orders = [order(n, Ref(str(made[n])), user_name=wanted[n], email=wanted[n]) for n in range(count)]
        assert ids(await execute(client, server, *orders)) == made
        assert [server.users[str(user_id)]["userName"] for user_id in made] == wanted


@pytest.mark.case(60)
async def test_a_new_user_gets_the_address_that_another_one_leaves(client: ScimClient) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1))
        moved = order(1, Ref("p1"), user_name="moved@example.com")
        results = await execute(client, server, order(2, user_name=person(1).user_name), moved, concurrency=1)
        assert ids(results) == ["p2", "p1"]


@pytest.mark.case(60)
@pytest.mark.parametrize("taken", [(409, ""), (400, "uniqueness"), (500, "")])
async def test_of_two_users_who_want_one_address_the_first_gets_it_and_nobody_is_renamed(
    client: ScimClient, taken: tuple[int, str]
) -> None:
    async with odd_scim(taken=taken) as server:
        await execute(client, server, order(1), order(2))
        both = [order(number, Ref(f"p{number}"), user_name="x@example.com") for number in (1, 2)]
        first, second = await execute(client, server, *both, concurrency=1)
        assert isinstance(first, Done)
        assert isinstance(second, Failed)
        assert [user["userName"] for user in server.users.values()] == ["x@example.com", person(2).user_name]


@pytest.mark.case(60)
async def test_addresses_are_exchanged_where_a_change_to_a_taken_name_is_said_with_a_500(client: ScimClient) -> None:
    async with odd_scim() as server:
        await execute(client, server, order(1), order(2))
        server.taken = (500, "")
        names = [person(number).user_name for number in (2, 1)]
        orders = [order(number, Ref(f"p{number}"), user_name=names[number - 1]) for number in (1, 2)]
        assert ids(await execute(client, server, *orders)) == ["p1", "p2"]
        assert [user["userName"] for user in server.users.values()] == names


async def test_nobody_is_renamed_for_an_address_that_stays_taken(client: ScimClient) -> None:
    async with odd_scim() as server:
        server.users["theirs"] = {"id": "theirs", "userName": "x@example.com", "externalId": "theirs"}
        await execute(client, server, order(1), order(2))
        before = {key: dict(user) for key, user in server.users.items()}
        orders = [order(1, Ref("p2"), user_name="x@example.com"), order(2, Ref("p3"), user_name="X@example.com")]
        for result in await execute(client, server, *orders):
            assert isinstance(result, Failed)
            assert isinstance(result.error, ScimTaken)
        assert server.users == before


@pytest.mark.case(60)
async def test_a_filter_that_was_refused_once_is_used_again_in_the_next_batch(client: ScimClient) -> None:
    async with odd_scim(filters=frozenset()) as server:
        await execute(client, server, order(1))
        server.filters = frozenset({"externalId", "userName"})
        gone = Deactivate(person(1).external_id, None)
        assert ids(await execute(client, server, gone)) == ["p1"]
        assert server.users["p1"]["active"] is False


NAMES = (ScimAttribute.EXTERNAL_ID, ScimAttribute.GIVEN_NAME, ScimAttribute.FAMILY_NAME, ScimAttribute.EMAILS)


@pytest.mark.case(60)
@pytest.mark.parametrize("patch", [True, False])
@pytest.mark.parametrize(
    ("name", "given", "family"),
    [
        ("Ana Canary", "Ana", "Canary"),
        ("Ana  de la  Canary", "Ana de la", "Canary"),
        ("Ana", "Ana", "Ana"),
        (None, "canary1", "canary1"),
        (" ", "canary1", "canary1"),
    ],
)
async def test_the_app_says_which_attributes_a_service_gets(
    client: ScimClient, name: str | None, given: str, family: str, *, patch: bool
) -> None:
    wants = frozenset({"name.givenName", "name.familyName"})
    async with odd_scim(refuses=frozenset({"roles", "displayName"}), requires=wants, patch=patch) as server:
        (refused,) = await execute(client, server, order(1))
        assert isinstance(refused, Failed)
        assert isinstance(refused.error, ScimRefused)
        mine: dict[str, Any] = {"attributes": NAMES, "name": name}
        assert ids(await execute(client, server, order(1, **mine), attributes=NAMES)) == ["p1"]
        assert ids(await execute(client, server, order(1, Ref("p1"), **mine), attributes=NAMES)) == ["p1"]
        user = server.user(person(1).external_id)
        assert user["name"] == {"givenName": given, "familyName": family}
        assert {"roles", "displayName"}.isdisjoint(user)


@pytest.mark.case(60)
async def test_a_service_that_has_no_external_ids_is_asked_by_name_alone(client: ScimClient) -> None:
    sent = tuple(each for each in SCIM_ATTRIBUTES if each is not ScimAttribute.EXTERNAL_ID)
    async with odd_scim(refuses=frozenset({"externalId"}), filters=frozenset({"userName"})) as server:
        orders = [order(number, attributes=sent) for number in (1, 2)]
        made = ids(await execute(client, server, *orders, attributes=sent))
        assert ids(await execute(client, server, *orders, attributes=sent)) == made == ["p1", "p2"]
