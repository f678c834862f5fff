"""What goes wrong between the operator and a service: each in its own words, and nothing personal in any of them."""

import asyncio
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from builders.scim import CANARIES, HandClock, order, person, service
from scripted_talkdesk import Responder, ScriptedTalkdesk, cut, reply, serve_bytes, silence
from talkdesk_operator.adapters.scim import ScimClient, ScimSettings
from talkdesk_operator.domain.ports.scim import Deactivate, Done, Failed, NotStarted, Order, Ref, Result
from talkdesk_operator.domain.ports.scim_errors import (
    ScimCircuitOpen,
    ScimError,
    ScimForbidden,
    ScimMalformed,
    ScimNotFound,
    ScimRateLimited,
    ScimRedirected,
    ScimRefused,
    ScimUnauthorized,
    ScimUnavailable,
    ScimUnreachable,
    ScimUnseen,
)
from talkdesk_runtime.networks import parse_networks

MINUTE = timedelta(minutes=1)
NOBODY = reply(content={"totalResults": 0})
CONFIG = {"patch": {"supported": True}, "filter": {"supported": True}, "etag": {"supported": True}}
BULK = CONFIG | {"bulk": {"supported": True, "maxOperations": 10, "maxPayloadSize": 100_000}}
KNOWN = Ref("p1", '"1"')
SAID = {"detail": f"{person().name} <{person().email}> is no good", "scimType": "invalidValue"}


class Place:
    """A scripted service, by the paths below its base URL."""

    def __init__(self, server: ScriptedTalkdesk, client: ScimClient) -> None:
        self.server = server
        self.client = client
        self.on("/ServiceProviderConfig", reply(content=CONFIG))
        self.on("/Users", reply(201, {"id": "p1"}))
        self.finds(NOBODY)

    def on(self, path: str, *answers: Responder) -> None:
        self.server.on(f"/scim{path}", *answers)

    def finds(self, *answers: Responder, number: int = 1) -> None:
        """Answer a search for the person's external id."""
        query = f"filter=externalId%20eq%20%22{person(number).external_id}%22&count=2&attributes=externalId,userName"
        self.on(f"/Users?{query}", *answers)

    def names(self, *answers: Responder, number: int = 1) -> None:
        """Answer a search for the person's user name."""
        name = person(number).user_name
        self.on(f"/Users?filter=userName%20eq%20%22{name}%22&count=2&attributes=externalId,userName", *answers)

    async def execute(self, *orders: Order, **how: Any) -> tuple[tuple[Result, ...], ScimError | None]:
        where = service(f"{self.server.url}/scim", **how)
        results, error = await self.client.execute(where, orders or [order()], within=MINUTE)
        check(error, *(result.error for result in results if isinstance(result, Failed)))
        return results, error

    async def one(self, what: Order | None = None, **how: Any) -> Result:
        (result,), error = await self.execute(what or order(), **how)
        assert error is None
        return result

    async def whole(self, what: Order | None = None, **how: Any) -> ScimError:
        results, error = await self.execute(what or order(), **how)
        assert results == (NotStarted(),)
        assert error is not None
        assert error.concerns_all
        return error

    def bodies(self, path: str) -> list[bytes]:
        return [seen.body for seen in self.server.calls(f"/scim{path}")]


def check(*errors: ScimError | None) -> None:
    for error in errors:
        if error is not None:
            said = "".join(traceback.format_exception(error)).lower() + repr(error).lower() + error.kind
            assert not any(canary in said.replace("canaries", "") for canary in CANARIES), said


@pytest.fixture
def place(scripted: ScriptedTalkdesk, client: ScimClient) -> Place:
    return Place(scripted, client)


@pytest.mark.case(29, 64)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ScimUnauthorized), (403, ScimForbidden), (302, ScimRedirected), (307, ScimRedirected)],
)
async def test_a_service_that_refuses_our_token_gets_no_further_calls(place: Place, status: int, kind: type) -> None:
    place.on("/ServiceProviderConfig", reply(status, SAID, Location="https://evil.example/"))
    assert type(await place.whole()) is kind
    assert len(place.server.seen) == 1


async def test_an_address_without_a_service_is_not_found(place: Place) -> None:
    place.on("/ServiceProviderConfig", reply(404))
    place.finds(reply(404))
    assert isinstance(await place.whole(), ScimNotFound)


async def test_a_service_without_a_list_of_users_is_not_found(place: Place) -> None:
    place.on("/Users", reply(404))
    assert isinstance(await place.whole(), ScimNotFound)


async def test_when_the_service_is_gone_no_user_counts_as_gone(place: Place) -> None:
    place.on("/Users/p1", reply(404))
    place.finds(reply(404))
    assert isinstance(await place.whole(Deactivate(person().external_id, KNOWN)), ScimNotFound)


@pytest.mark.case(64)
@pytest.mark.parametrize("status", [400, 403, 406, 410, 413, 422])
async def test_a_refusal_concerns_one_user(place: Place, status: int) -> None:
    place.on("/Users", reply(status, SAID))
    result = await place.one()
    assert isinstance(result, Failed)
    assert type(result.error) is ScimRefused
    assert result.error.kind == f"{status} invalidValue"


@pytest.mark.parametrize("body", [b"<html>canary</html>", b"[]", b"\xff", b'{"scimType": ["canary"]}'])
async def test_a_refusal_without_a_scim_body_concerns_one_user_too(place: Place, body: bytes) -> None:
    place.on("/Users", reply(400, body=body))
    result = await place.one()
    assert isinstance(result, Failed)
    assert result.error.kind == "400"


@pytest.mark.case(64)
@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
async def test_a_server_error_is_transient(place: Place, status: int) -> None:
    place.on("/Users", reply(status, SAID))
    result = await place.one()
    assert isinstance(result, Failed)
    assert type(result.error) is ScimUnavailable


@pytest.mark.case(64)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(body=b"<html>canary</html>"), "is not JSON"),
        (reply(body=b'{"id": "can'), "is not JSON"),
        (reply(body=b"[]"), "is JSON but no object"),
        (reply(body=b'"canary"'), "is JSON but no object"),
        (reply(body=b" " * (5 << 20)), "is too big"),
        (reply(body=b"\x1f\x8b", Content_Encoding="gzip"), "is compressed"),
    ],
)
@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/Users", "search", "/Users/p1"])
async def test_a_response_that_cant_be_read_is_malformed(
    place: Place, path: str, answer: Responder, words: str
) -> None:
    if path == "search":
        place.finds(answer)
    else:
        place.on(path, answer)
    results, error = await place.execute(order(ref=KNOWN) if path == "/Users/p1" else order())
    (result,) = results
    problem = error if error is not None else result.error if isinstance(result, Failed) else None
    assert isinstance(problem, ScimMalformed)
    assert words in problem.message


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "search"])
async def test_an_empty_response_to_a_read_is_malformed(place: Place, path: str) -> None:
    if path == "search":
        place.finds(reply(body=b""))
    else:
        place.on(path, reply(body=b""))
    results, error = await place.execute()
    problem = error or (results[0].error if isinstance(results[0], Failed) else None)
    assert isinstance(problem, ScimMalformed)
    assert "is empty" in problem.message


async def test_a_change_may_be_answered_without_a_body(place: Place) -> None:
    place.on("/Users/p1", reply(204, body=b""))
    assert await place.one(order(ref=KNOWN)) == Done(Ref("p1"))
    place.on("/Users/p1", reply(200, {"id": "another", "meta": {"version": '"2"'}}))
    assert await place.one(order(ref=KNOWN)) == Done(Ref("p1", '"2"'))


async def test_a_new_users_id_may_stand_in_the_location_alone(place: Place) -> None:
    place.on("/Users", reply(201, body=b"", Location="/scim/Users/p7"))
    assert await place.one() == Done(Ref("p7"))


async def test_a_new_user_without_an_id_in_the_response_is_searched(place: Place) -> None:
    place.on("/Users", reply(201, {"id": None}))
    mine = {"totalResults": 1, "Resources": [{"id": "p8", "externalId": person().external_id}]}
    place.finds(NOBODY, reply(content=mine))
    assert await place.one() == Done(Ref("p8"))
    place.finds(NOBODY)
    result = await place.one()
    assert isinstance(result, Failed)
    assert "which user was made" in result.error.message


async def test_a_service_that_ignores_filters_gets_no_change_of_other_users(place: Place) -> None:
    anybody = {"totalResults": 2, "Resources": [{"id": "p3", "externalId": "other"}, {"id": "p4"}]}
    place.finds(reply(content=anybody))
    place.names(reply(content=anybody))
    assert await place.one() == Done(Ref("p1"))


async def test_a_service_in_a_network_to_which_nothing_is_sent_is_told_from_one_that_is_away(place: Place) -> None:
    client = ScimClient(ScimSettings(denied_networks=parse_networks("127.0.0.0/8")), proxies={})
    results, error = await client.execute(service(f"{place.server.url}/scim"), [order()], within=MINUTE)
    await client.aclose()
    assert results == (NotStarted(),)
    assert isinstance(error, ScimUnreachable)
    assert "denied_networks" in error.message
    assert place.server.seen == []


# What was not seen is not done.


UNKNOWN = Deactivate(person().external_id, None)
OTHERS = {"totalResults": 1, "Resources": [{"id": "p3", "externalId": "other"}]}
UNNAMED = {"totalResults": 1, "Resources": [{"id": "p3"}]}
MORE = {"totalResults": 9, "Resources": [{"id": "p3", "externalId": "other"}]}


@pytest.mark.case(74)
@pytest.mark.parametrize(
    "answer", [reply(400), reply(501), reply(405), reply(content=UNNAMED), reply(content=MORE)], ids=range(5)
)
async def test_a_user_without_a_known_id_that_cant_be_looked_for_may_be_active(place: Place, answer: Responder) -> None:
    place.finds(answer)
    for _ in range(2):
        result = await place.one(UNKNOWN)
        assert isinstance(result, Failed)
        assert isinstance(result.error, ScimUnseen)


@pytest.mark.case(74)
@pytest.mark.parametrize("content", [{"totalResults": 0}, OTHERS])
async def test_a_user_that_a_complete_search_does_not_find_is_not_active(place: Place, content: Any) -> None:
    place.finds(reply(content=content))
    assert await place.one(UNKNOWN) == Done(None)


@pytest.mark.case(74)
async def test_a_created_user_whose_answer_was_lost_stays_unknown_at_a_service_that_refuses_the_filter(
    place: Place,
) -> None:
    place.on("/Users", reply(504))
    assert isinstance(await place.one(), Failed)
    place.finds(reply(400))
    result = await place.one(UNKNOWN)
    assert isinstance(result, Failed)
    assert isinstance(result.error, ScimUnseen)


@pytest.mark.case(74)
async def test_a_user_is_not_done_that_the_service_shows_as_active_afterwards(place: Place) -> None:
    place.on("/Users/p1", reply(content={"id": "p1", "active": True}), reply(content={"id": "p1", "active": False}))
    result = await place.one(Deactivate(person().external_id, KNOWN))
    assert isinstance(result, Failed)
    assert isinstance(result.error, ScimUnseen)
    assert isinstance(await place.one(Deactivate(person().external_id, KNOWN)), Done)


@pytest.mark.case(74)
async def test_where_no_search_is_possible_a_user_counts_as_gone_only_while_the_service_is_there(place: Place) -> None:
    place.on("/Users/p1", reply(404))
    place.finds(reply(400))
    anybody = "/Users?count=1&attributes=externalId,userName"
    place.on(anybody, reply(404), reply(content={"totalResults": 3, "Resources": []}))
    assert isinstance(await place.whole(Deactivate(person().external_id, KNOWN)), ScimNotFound)
    assert await place.one(Deactivate(person().external_id, KNOWN)) == Done(None)


async def test_of_two_users_with_one_external_id_the_first_is_used(place: Place) -> None:
    mine = [{"id": each, "externalId": person().external_id} for each in ("p5", "p6")]
    place.finds(reply(content={"totalResults": 2, "Resources": mine}))
    place.on("/Users/p5", reply(204, body=b""))
    assert await place.one() == Done(Ref("p5"))


async def test_a_user_that_is_read_again_must_have_an_id(place: Place) -> None:
    place.on("/Users/p1", reply(412), reply(content={}))
    result = await place.one(order(ref=KNOWN))
    assert isinstance(result, Failed)
    assert "holds no id" in result.error.message


async def test_a_user_that_is_replaced_must_have_an_id(place: Place) -> None:
    place.on("/ServiceProviderConfig", reply(content=CONFIG | {"patch": {"supported": False}}))
    place.on("/Users/p1", reply(content={}))
    result = await place.one(order(ref=KNOWN))
    assert isinstance(result, Failed)
    assert "holds no id" in result.error.message


async def test_an_id_of_any_characters_is_escaped_in_the_path(place: Place) -> None:
    place.on("/Users/a%2Fb%3Fc%23%2541", reply(204, body=b""))
    assert await place.one(order(ref=Ref("a/b?c#%41"))) == Done(Ref("a/b?c#%41"))


# Time.


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_short_pause_is_waited_out(place: Place, time: HandClock, form: str) -> None:
    now = datetime.now(UTC)
    wait = "7" if form == "seconds" else format_datetime(now + timedelta(seconds=7), usegmt=True)
    headers: dict[str, Any] = {"Retry_After": wait} | (
        {"Date": format_datetime(now, usegmt=True)} if form == "date" else {}
    )
    place.on("/Users", reply(429, **headers), reply(201, {"id": "p1"}))
    assert await place.one() == Done(Ref("p1"))
    assert time.slept == [pytest.approx(7, abs=1)]


async def test_a_long_pause_ends_the_batch(place: Place) -> None:
    place.on("/Users", reply(429, Retry_After="120"))
    error = await place.whole()
    assert isinstance(error, ScimRateLimited)
    assert error.retry_after is not None
    assert error.retry_after > timedelta(seconds=100)
    sent = len(place.server.seen)
    again = await place.whole()
    assert isinstance(again, ScimRateLimited)
    assert len(place.server.seen) == sent, "nothing is sent before the pause is over"


async def test_a_call_that_gets_429_is_tried_three_times(place: Place, time: HandClock) -> None:
    place.on("/Users", reply(429))
    assert isinstance(await place.whole(), ScimRateLimited)
    assert len(place.bodies("/Users")) == 3
    assert time.slept == [1, 1]


async def test_a_pause_holds_for_a_503_too(place: Place, time: HandClock) -> None:
    place.on("/Users", reply(503, Retry_After="5"), reply(201, {"id": "p1"}))
    first = await place.one()
    assert isinstance(first, Failed)
    assert isinstance(first.error, ScimUnavailable)
    assert first.error.retry_after == timedelta(seconds=5)
    assert await place.one() == Done(Ref("p1"))
    assert time.slept == [5]


@pytest.mark.case(64)
async def test_a_service_that_keeps_failing_gets_no_calls_until_the_open_time_is_over(
    place: Place, time: HandClock
) -> None:
    place.finds(reply(500))
    for _ in range(8):
        assert isinstance(await place.one(), Failed)
    sent = len(place.server.seen)
    error = await place.whole()
    assert isinstance(error, ScimCircuitOpen)
    assert error.retry_after is not None
    assert timedelta() < error.retry_after <= timedelta(seconds=30)
    assert len(place.server.seen) == sent
    time.at += 31
    place.finds(NOBODY)
    assert await place.one() == Done(Ref("p1"))


async def test_a_time_out_concerns_one_user(place: Place) -> None:
    place.on("/Users", silence)
    result = await place.one(timeout=timedelta(seconds=0.1))
    assert isinstance(result, Failed)
    assert "no answer in time" in result.error.message


async def test_a_cut_connection_is_reported(place: Place) -> None:
    place.on("/Users", cut)
    result = await place.one()
    assert isinstance(result, Failed)
    assert "the connection was cut" in result.error.message


async def test_a_service_that_cant_be_reached_is_reported(client: ScimClient) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    results, error = await client.execute(service(f"http://127.0.0.1:{port}"), [order()], within=MINUTE)
    assert results == (NotStarted(),)
    assert isinstance(error, ScimUnreachable)
    assert "no connection" in error.message


async def test_what_is_not_http_is_malformed(client: ScimClient) -> None:
    async with serve_bytes(b"HTTP/9 canary\r\n\r\n") as url:
        _, error = await client.execute(service(url), [order()], within=MINUTE)
    assert isinstance(error, ScimMalformed)
    check(error)


# Bulk.


def operation(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {"bulkId": str(number), "status": status, "location": f"/scim/Users/b{number}"} | more


async def in_bulk(place: Place, *operations: Any) -> tuple[Result, ...]:
    place.on("/ServiceProviderConfig", reply(content=BULK))
    place.on("/Bulk", reply(content={"Operations": list(operations)}))
    for number in (1, 2):
        place.on(f"/Users/k{number}", reply(204, body=b""))
    results, error = await place.execute(order(1, Ref("k1")), order(2, Ref("k2")))
    assert error is None
    return results


async def test_results_of_a_bulk_request_may_come_in_any_order(place: Place) -> None:
    results = await in_bulk(place, operation(1, "200", version='"2"'), operation(0, "204"))
    assert results == (Done(Ref("k1")), Done(Ref("k2", '"2"')))
    assert place.bodies("/Users/k1") == []


@pytest.mark.parametrize("status", ["302", "400", "403", "500", "503"])
async def test_a_failed_result_of_a_bulk_request_concerns_one_user(place: Place, status: str) -> None:
    first, second = await in_bulk(place, operation(0, "200"), operation(1, status, response=SAID))
    assert isinstance(first, Done)
    assert isinstance(second, Failed)
    assert second.error.kind == f"{status} invalidValue"


@pytest.mark.parametrize("status", ["404", "409", "412", "429"])
async def test_an_order_that_a_bulk_request_leaves_open_is_done_by_a_single_one(place: Place, status: str) -> None:
    results = await in_bulk(place, operation(0, "200"), operation(1, status))
    assert results == (Done(Ref("k1")), Done(Ref("k2")))
    assert len(place.bodies("/Users/k2")) == 1


def unnumbered(number: int, status: str, **more: Any) -> dict[str, Any]:
    """Results for users that exist need no bulkId."""
    return {"status": status, "location": f"https://example.com/scim/Users/k{number}"} | more


@pytest.mark.case(60)
async def test_a_result_without_a_bulk_id_belongs_to_the_user_at_its_location(place: Place) -> None:
    assert await in_bulk(place, unnumbered(2, "204"), unnumbered(1, "200", version='"2"')) == (
        Done(Ref("k1", '"2"')),
        Done(Ref("k2")),
    )
    refused, _ = await in_bulk(place, unnumbered(2, "204"), unnumbered(1, "400", response=SAID))
    assert isinstance(refused, Failed)
    assert place.bodies("/Users/k1") == place.bodies("/Users/k2") == []


@pytest.mark.parametrize("answered", [[], [None, 1, "x"], [{"status": "200"}], [{"bulkId": "1"}]])
async def test_results_that_cant_be_read_are_ignored(place: Place, answered: list[Any]) -> None:
    assert await in_bulk(place, operation(0, "200"), *answered) == (Done(Ref("k1")), Done(Ref("k2")))
    assert len(place.bodies("/Users/k2")) == 1


@pytest.mark.parametrize("content", [{}, {"Operations": None}, {"Operations": {}}])
async def test_after_a_bulk_response_without_results_orders_are_done_singly(place: Place, content: Any) -> None:
    place.on("/ServiceProviderConfig", reply(content=BULK))
    place.on("/Bulk", reply(content=content))
    for number in (1, 2):
        place.on(f"/Users/k{number}", reply(204, body=b""))
    results, error = await place.execute(order(1, Ref("k1")), order(2, Ref("k2")))
    assert error is None
    assert results == (Done(Ref("k1")), Done(Ref("k2")))


@pytest.mark.parametrize(("status", "kind"), [(401, ScimUnauthorized), (403, ScimForbidden), (302, ScimRedirected)])
async def test_a_forbidden_bulk_request_ends_the_batch(place: Place, status: int, kind: type) -> None:
    place.on("/ServiceProviderConfig", reply(content=BULK))
    place.on("/Bulk", reply(status))
    results, error = await place.execute(order(1, Ref("k1")), order(2, Ref("k2")))
    assert results == (NotStarted(), NotStarted())
    assert type(error) is kind


@pytest.mark.parametrize(("status", "kind"), [(401, ScimUnauthorized), (403, ScimForbidden)])
async def test_a_forbidden_search_ends_the_batch(place: Place, status: int, kind: type) -> None:
    place.server.scripts.clear()
    place.on("/ServiceProviderConfig", reply(content=BULK))
    both = "%20or%20".join(f"externalId%20eq%20%22{person(n).external_id}%22" for n in (1, 2))
    place.on(f"/Users?filter={both}&count=4&attributes=externalId,userName", reply(status))
    results, error = await place.execute(order(1), order(2))
    assert results == (NotStarted(), NotStarted())
    assert type(error) is kind


@pytest.mark.parametrize("answer", [reply(500), reply(503), reply(400), reply(body=b"x"), cut])
async def test_after_a_failed_search_for_many_each_user_is_searched_alone(place: Place, answer: Responder) -> None:
    both = "%20or%20".join(f"externalId%20eq%20%22{person(n).external_id}%22" for n in (1, 2))
    place.on(f"/Users?filter={both}&count=4&attributes=externalId,userName", answer)
    for number in (1, 2):
        mine = {"id": f"p{number}", "externalId": person(number).external_id}
        place.finds(reply(content={"totalResults": 1, "Resources": [mine]}), number=number)
        place.on(f"/Users/p{number}", reply(204, body=b""))
    assert await place.execute(order(1), order(2)) == ((Done(Ref("p1")), Done(Ref("p2"))), None)


async def test_the_configuration_of_a_service_is_cached_for_a_while(place: Place, time: HandClock) -> None:
    for _ in range(2):
        await place.one()
    assert len(place.bodies("/ServiceProviderConfig")) == 1
    time.at += ScimSettings().config_ttl.total_seconds()
    await place.one()
    assert len(place.bodies("/ServiceProviderConfig")) == 2


async def test_a_token_goes_to_the_service_and_nowhere_else(place: Place) -> None:
    await place.one()
    assert {seen.headers["Authorization"] for seen in place.server.seen} == {"Bearer canary-scim-token"}
    assert {seen.headers.get("Content-Type") for seen in place.server.calls("/scim/Users")} == {"application/scim+json"}
