"""Orders at a strict SCIM 2.0 service, over a real socket."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from builders.scim import HandClock, order, person, service
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.domain.ports.scim import Deactivate, Done, Failed, NotStarted, Order, Ref, Result
from talkdesk_operator.domain.ports.scim_errors import (
    ScimError,
    ScimOutdated,
    ScimRateLimited,
    ScimRefused,
    ScimTaken,
    ScimUnauthorized,
)
from talkdesk_sandbox.scim import ScimServer
from talkdesk_sandbox.simulator.faults import Malformed, Status

Serve = Callable[..., Awaitable[ScimServer]]

MINUTE = timedelta(minutes=1)
ABILITIES: Sequence[dict[str, bool]] = (
    {},
    {"bulk": False},
    {"etag": False},
    {"patch": False},
    {"filter": False},
    {"config": False},
    {"bulk": False, "patch": False, "etag": False},
    {"bulk": False, "patch": False, "etag": False, "filter": False, "config": False},
)


async def execute(client: ScimClient, server: ScimServer, *orders: Order) -> tuple[Result, ...]:
    results, error = await client.execute(service(server.url), orders, within=MINUTE)
    assert error is None
    return results


async def carried_out(client: ScimClient, server: ScimServer, *orders: Order) -> list[Ref]:
    results = await execute(client, server, *orders)
    assert all(isinstance(result, Done) for result in results), results
    return [result.ref for result in results if isinstance(result, Done) and result.ref is not None]


def refusal(result: Result) -> ScimError:
    assert isinstance(result, Failed)
    return result.error


@pytest.mark.parametrize("abilities", ABILITIES, ids=str)
async def test_users_are_created_changed_and_deactivated_whatever_a_service_can_do(
    client: ScimClient, scim: Serve, abilities: dict[str, bool]
) -> None:
    server = await scim(**abilities)
    refs = await carried_out(client, server, order(1, admin=True), order(2), order(3, active=False))
    assert {user["externalId"] for user in server.users()} == {person(n).external_id for n in (1, 2, 3)}
    first = server.user(person(1).external_id)
    assert first["userName"] == first["emails"][0]["value"] == person(1).email
    assert first["displayName"] == first["name"]["formatted"] == person(1).name
    assert first["active"]
    assert first["roles"] == [{"value": "admin", "primary": True}]
    assert server.user(person(2).external_id)["roles"] == [{"value": "standard", "primary": True}]
    assert not server.user(person(3).external_id)["active"]

    changed = await carried_out(
        client,
        server,
        order(1, refs[0], user_name="new@example.com", email="new@example.com"),
        Deactivate(person(2).external_id, refs[1]),
        order(3, refs[2]),
    )
    assert [ref.id for ref in changed] == [ref.id for ref in refs]
    assert server.user(person(1).external_id)["emails"][0]["value"] == "new@example.com"
    assert not server.user(person(2).external_id)["active"]
    assert server.user(person(3).external_id)["active"]
    assert len(server.users()) == 3


async def test_one_order_alone_is_no_bulk_request(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    await carried_out(client, server, order())
    assert server.count("POST", "/Bulk") == 0


async def test_many_users_are_created_by_few_bulk_requests(client: ScimClient, scim: Serve) -> None:
    server = await scim(max_operations=30, max_payload=8192)
    await carried_out(client, server, *[order(number) for number in range(100)])
    assert len(server.users()) == 100
    assert 4 <= server.count("POST", "/Bulk") <= 7
    assert server.count("GET", "/Users") == 4
    assert server.count("POST", "/Users") == 0


async def test_the_configuration_is_read_once(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    for _ in range(3):
        await carried_out(client, server, order())
    assert server.count("GET", "/ServiceProviderConfig") == 1


@pytest.mark.case(60)
@pytest.mark.parametrize("abilities", ABILITIES[:4], ids=str)
async def test_an_existing_user_is_found_by_the_external_id(
    client: ScimClient, scim: Serve, abilities: dict[str, bool]
) -> None:
    server = await scim(**abilities)
    first = await carried_out(client, server, order(1), order(2))
    again = await carried_out(client, server, order(1, user_name="new@example.com"), order(2))
    assert [ref.id for ref in again] == [ref.id for ref in first]
    assert len(server.users()) == 2
    assert server.user(person(1).external_id)["userName"] == "new@example.com"


@pytest.mark.parametrize(
    "hostile", ['a" or userName pr or externalId eq "', "a\\", "ä/ö?#&%2e", "a&b=c+d,e", "\N{PILE OF POO}", "..", " "]
)
async def test_an_external_id_of_any_characters_finds_its_own_user_only(
    client: ScimClient, scim: Serve, hostile: str
) -> None:
    server = await scim()
    await carried_out(client, server, order(1))
    made = await carried_out(client, server, order(2, external_id=hostile))
    assert await carried_out(client, server, order(2, external_id=hostile, name="B")) == [Ref(made[0].id, 'W/"3"')]
    assert len(server.users()) == 2


@pytest.mark.parametrize("bulk", [True, False])
async def test_a_user_of_the_same_name_without_an_external_id_is_adopted(
    client: ScimClient, scim: Serve, *, bulk: bool
) -> None:
    server = await scim(bulk=bulk)
    by_hand = server.ask("POST", "/Users", _by_hand(person(1).user_name.upper()))
    refs = await carried_out(client, server, order(1), order(2))
    assert refs[0].id == by_hand["id"]
    assert server.user(person(1).external_id)["id"] == by_hand["id"]


@pytest.mark.parametrize("bulk", [True, False])
async def test_a_user_of_the_same_name_with_another_external_id_is_not_changed(
    client: ScimClient, scim: Serve, *, bulk: bool
) -> None:
    server = await scim(bulk=bulk)
    server.ask("POST", "/Users", _by_hand(person(1).user_name) | {"externalId": "of another system"})
    taken, other = await execute(client, server, order(1), order(2))
    assert isinstance(refusal(taken), ScimTaken)
    assert isinstance(other, Done)
    assert server.user("of another system")["displayName"] == "By hand"


@pytest.mark.parametrize("bulk", [True, False])
async def test_a_known_user_that_was_deleted_is_created_again(client: ScimClient, scim: Serve, *, bulk: bool) -> None:
    server = await scim(bulk=bulk)
    before = await carried_out(client, server, order(1), order(2))
    server.ask("DELETE", f"/Users/{before[0].id}")
    after = await carried_out(client, server, order(1, before[0]), order(2, before[1]))
    assert after[0].id != before[0].id
    assert after[1].id == before[1].id
    assert server.user(person(1).external_id)["id"] == after[0].id


async def test_a_known_user_that_moved_to_another_id_is_found(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    (there,) = await carried_out(client, server, order(1))
    assert (await carried_out(client, server, order(1, Ref("old id"))))[0].id == there.id
    assert (await carried_out(client, server, Deactivate(person(1).external_id, Ref("old id"))))[0].id == there.id
    assert not server.user(person(1).external_id)["active"]


async def test_deactivating_a_user_that_is_gone_is_done(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    assert await execute(client, server, Deactivate("nobody", Ref("p1"))) == (Done(None),)


@pytest.mark.parametrize("abilities", ABILITIES[:4], ids=str)
async def test_a_user_to_be_deactivated_without_a_known_id_is_searched(
    client: ScimClient, scim: Serve, abilities: dict[str, bool]
) -> None:
    server = await scim(**abilities)
    first, second = await carried_out(client, server, order(1), order(2))
    orders = [Deactivate(external_id, None) for external_id in (person(1).external_id, "nobody", person(2).external_id)]
    results = await execute(client, server, *orders)
    ids = [result.ref.id if isinstance(result, Done) and result.ref is not None else None for result in results]
    assert ids == [first.id, None, second.id]
    assert not any(user["active"] for user in server.users())
    assert await execute(client, server, orders[1]) == (Done(None),)


@pytest.mark.parametrize("bulk", [True, False])
async def test_a_user_that_was_changed_in_between_is_read_again(client: ScimClient, scim: Serve, *, bulk: bool) -> None:
    server = await scim(bulk=bulk)
    refs = await carried_out(client, server, order(1), order(2))
    server.ask("PATCH", f"/Users/{refs[0].id}", _patch("nickName", "A"))
    after = await carried_out(client, server, order(1, refs[0], name="B"), order(2, refs[1], name="B"))
    assert server.user(person(1).external_id)["nickName"] == "A"
    assert server.user(person(1).external_id)["displayName"] == "B"
    assert after[0].version not in {None, refs[0].version}


async def test_a_user_that_changes_all_the_time_fails_for_now(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    (ref,) = await carried_out(client, server, order(1))
    server.faults.set(Status(route="PATCH *", status=412))
    (result,) = await execute(client, server, order(1, ref, name="B"))
    assert isinstance(refusal(result), ScimOutdated)
    assert server.count("PATCH") == 2


@pytest.mark.parametrize("patch", [True, False])
async def test_attributes_of_the_service_itself_are_not_changed(
    client: ScimClient, scim: Serve, *, patch: bool
) -> None:
    server = await scim(patch=patch)
    (ref,) = await carried_out(client, server, order(1))
    server.ask(
        "PUT",
        f"/Users/{ref.id}",
        server.user(person(1).external_id)
        | {
            "nickName": "A",
            "name": {"givenName": "G", "formatted": "F"},
            "roles": [{"value": "auditor", "primary": True}],
        },
    )
    await carried_out(client, server, order(1, Ref(ref.id), roles=False, name="B"))
    user = server.user(person(1).external_id)
    assert (user["nickName"], user["name"]) == ("A", {"givenName": "G", "formatted": "B"})
    assert user["roles"] == [{"value": "auditor", "primary": True}]
    await carried_out(client, server, order(1, Ref(ref.id), roles=True, admin=True))
    assert server.user(person(1).external_id)["roles"] == [{"value": "admin", "primary": True}]


async def test_attributes_that_talkdesk_leaves_out_are_not_sent(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    (ref,) = await carried_out(client, server, order(1))
    await carried_out(client, server, order(1, ref, email=None, name=None))
    assert server.user(person(1).external_id)["displayName"] == person(1).name
    await carried_out(client, server, order(2, email=None, name=None, user_name="2"))
    assert "emails" not in server.user(person(2).external_id)


@pytest.mark.parametrize("bulk", [True, False])
async def test_a_refused_user_does_not_delay_the_others(client: ScimClient, scim: Serve, *, bulk: bool) -> None:
    server = await scim(bulk=bulk)
    results = await execute(client, server, order(1), order(2, email="canary without at"), order(3))
    assert [type(result) for result in results] == [Done, Failed, Done]
    error = refusal(results[1])
    assert isinstance(error, ScimRefused)
    assert error.kind == "400 invalidValue"
    assert "canary" not in error.message
    assert "127.0.0.1" in error.message


async def test_a_wrong_token_ends_the_batch_at_once(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    wrong = service(server.url, token=SecretStr("canary-wrong"))
    results, error = await client.execute(wrong, [order(1), order(2)], within=MINUTE)
    assert results == (NotStarted(), NotStarted())
    assert isinstance(error, ScimUnauthorized)
    assert "canary" not in str(error)
    assert len(server.journal.records()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Status(route="POST */Bulk", status=413),
        Status(route="POST */Bulk", status=404),
        Status(route="POST */Bulk", status=501),
    ],
    ids=lambda fault: str(fault.status),
)
async def test_a_service_that_takes_no_bulk_after_all_gets_single_requests(
    client: ScimClient, scim: Serve, fault: Status
) -> None:
    server = await scim()
    server.faults.set(fault)
    for batch in ((1, 2), (3, 4)):
        await carried_out(client, server, *[order(number) for number in batch])
    assert server.count("POST", "/Bulk") == 1
    assert server.count("POST", "/Users") == 4


@pytest.mark.parametrize(
    "fault",
    [Status(route="POST */Bulk", status=503, after_effect=True), Malformed(route="POST */Bulk", after_effect=True)],
    ids=lambda fault: fault.kind,
)
async def test_a_bulk_request_whose_outcome_is_unknown_creates_no_user_twice(
    client: ScimClient, scim: Serve, fault: Status | Malformed
) -> None:
    server = await scim()
    server.faults.set(fault)
    await carried_out(client, server, order(1), order(2))
    assert len(server.users()) == 2
    assert server.count("POST", "/Users") == 0


async def test_a_service_without_or_in_filters_gets_single_searches(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    await carried_out(client, server, order(1))
    server.faults.set(Status(route="GET */Users", status=400, count=1))
    refs = await carried_out(client, server, order(1), order(2))
    assert len(refs) == len(server.users()) == 2


async def test_after_an_incomplete_search_missing_users_are_searched_alone(client: ScimClient, scim: Serve) -> None:
    server = await scim(max_results=1)
    first = await carried_out(client, server, order(1), order(2), order(3))
    again = await carried_out(client, server, order(1), order(2), order(3))
    assert [ref.id for ref in again] == [ref.id for ref in first]


async def test_nothing_is_begun_when_the_time_is_over(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    results, error = await client.execute(service(server.url), [order(1), order(2)], within=timedelta())
    assert (results, error) == ((NotStarted(), NotStarted()), None)
    assert server.users() == []


async def test_without_orders_nothing_but_the_configuration_is_read(client: ScimClient, scim: Serve) -> None:
    server = await scim()
    assert await execute(client, server) == ()


async def test_every_request_is_counted(scim: Serve) -> None:
    server = await scim(bulk=False)
    seen: list[tuple[str, str]] = []
    client = ScimClient(proxies={}, observe=lambda call, outcome, _seconds: seen.append((call, outcome)))
    await execute(client, server, order(1))
    await client.aclose()
    assert seen == [("scim config", "ok"), ("scim find", "ok"), ("scim create", "ok")]


def _by_hand(user_name: str) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user_name,
        "displayName": "By hand",
    }


def _patch(path: str, value: Any) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": path, "value": value}],
    }


async def test_without_filters_a_user_of_the_same_name_is_not_adopted(client: ScimClient, scim: Serve) -> None:
    server = await scim(filter=False)
    server.ask("POST", "/Users", _by_hand(person(1).user_name))
    (result,) = await execute(client, server, order(1))
    assert isinstance(refusal(result), ScimTaken)


@pytest.mark.parametrize("bulk", [True, False])
async def test_orders_not_begun_when_the_time_is_over_are_not_started(
    scim: Serve, time: HandClock, *, bulk: bool
) -> None:
    server = await scim(bulk=bulk, max_operations=2)

    def passes(call: str, _outcome: str, _seconds: float) -> None:
        time.at += 100 if call in {"scim bulk", "scim create"} else 0

    client = ScimClient(proxies={}, clock=time.clock, observe=passes)
    where = service(server.url, concurrency=1)
    results, error = await client.execute(where, [order(number) for number in range(5)], within=MINUTE)
    await client.aclose()
    assert error is None
    done = [isinstance(result, Done) for result in results]
    assert done == [True] * (2 if bulk else 1) + [False] * (3 if bulk else 4)
    assert all(isinstance(result, NotStarted) for result in results[2:])


async def test_a_pause_is_not_waited_out_when_the_time_is_over(scim: Serve, time: HandClock) -> None:
    server = await scim(bulk=False)
    server.faults.set(Status(route="POST */Users", status=429))

    def passes(_call: str, _outcome: str, _seconds: float) -> None:
        time.at += 100

    client = ScimClient(proxies={}, clock=time.clock, observe=passes)
    results, error = await client.execute(service(server.url), [order(1)], within=timedelta(seconds=250))
    await client.aclose()
    assert results == (NotStarted(),)
    assert isinstance(error, ScimRateLimited)
    assert server.count("POST") == 1
