"""Talkdesk's JSON is read leniently: only what nothing can be done without is missed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.adapters.talkdesk import pages, wire
from talkdesk_operator.adapters.talkdesk.lenient import UnusableError
from talkdesk_operator.adapters.talkdesk.responses import Reply
from talkdesk_operator.domain.ports.talkdesk import Account, RemoteState, RemoteTrial, Subscription

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "id name state reason updated_at _embedded _links total total_licenses access_token expires_in token_type "
    "expires_at ended_at ended_reason"
)
FIELDS = st.sampled_from(NAMES.split())
STATES = st.dictionaries(st.sampled_from(["state", "reason", "updated_at"]), ANY)
LINKS = st.dictionaries(st.sampled_from(["self", "next", "href"]), ANY | st.dictionaries(st.just("href"), ANY))
CREATORS = st.recursive(ANY, lambda inner: st.dictionaries(st.sampled_from(["user", "id", "_links"]), inner | LINKS))
EMBEDDED = st.fixed_dictionaries({}, optional={"state": STATES, "created_by": CREATORS, "users": st.lists(CREATORS)})
OBJECTS = st.dictionaries(FIELDS, ANY | EMBEDDED | LINKS)


def of(content: dict[str, Any]) -> Reply:
    return Reply(content, None)


def test_numbers_count_as_text_and_long_text_is_cut() -> None:
    account = wire.to_account(of({"id": 17, "name": "n" * 1000, "timezone": {"x": 1}, "company_name": None}))
    assert account == Account("17", "n" * 512)


@pytest.mark.parametrize(
    ("embedded", "state", "entitlement"),
    [
        ({"state": {"state": "completed"}}, "completed", RemoteState.DONE),
        ({"state": "pending"}, "pending", RemoteState.PENDING),
        ({"state": None}, "", RemoteState.UNKNOWN),
        ({}, "", RemoteState.UNKNOWN),
        ([], "", RemoteState.UNKNOWN),
    ],
)
def test_the_state_is_found_or_unknown(embedded: Any, state: str, entitlement: RemoteState) -> None:
    found = wire.to_installation(of({"_embedded": embedded}), "i1")
    assert (found.id, found.state, found.classified_state) == ("i1", state, entitlement)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2016-06-14T16:23:07Z", datetime(2016, 6, 14, 16, 23, 7, tzinfo=UTC)),
        ("2017-08-18T10:29:52.000+00:00", datetime(2017, 8, 18, 10, 29, 52, tzinfo=UTC)),
        ("2017-08-18T10:29:52", datetime(2017, 8, 18, 10, 29, 52, tzinfo=UTC)),
        ("yesterday", None),
        ([], None),
    ],
)
@pytest.mark.case(35)
def test_moments_have_a_zone_or_are_absent(text: Any, moment: datetime | None) -> None:
    found = wire.to_installation(of({"_embedded": {"state": {"updated_at": text}}}), "i1")
    assert found.updated_at == moment


@pytest.mark.parametrize(("value", "licenses"), [(3, 3), ("10", 10), (-1, None), (2**40, None), ("many", None)])
def test_licenses_are_a_count_or_absent(value: Any, licenses: int | None) -> None:
    assert wire.to_subscription(of({"total_licenses": value})) == Subscription(licenses=licenses)


@pytest.mark.parametrize(
    ("creator", "user_id"),
    [
        ({"id": "u1", "email": "x"}, "u1"),
        ({"user": {"id": "u1"}}, "u1"),
        ({"user": "u1"}, "u1"),
        ({"user": 17}, "17"),
        ("u1", "u1"),
        ({"_links": {"self": {"href": "https://api.talkdeskapp.com/users/u%201"}}}, "u 1"),
        ({"user": {"_links": {"self": {"href": "/users/u1/"}}}}, "u1"),
        ({"id": None, "_links": {"self": {"href": "/users/u1"}}}, "u1"),
        ({"id": "u1", "user": {"id": "u2"}}, "u1"),
        ({"_links": {"self": {"href": "/users/"}}}, None),
        ({"_links": {"self": {"href": "/users/u1/more"}}}, None),
        ({"_links": {"self": {"href": "/users/" + "u" * 9999}}}, None),
        ({"_links": {"self": {"href": 5}}}, None),
        ({"_links": {"self": []}}, None),
        ({"_links": "x"}, None),
        ({"user": {"user": {"user": "u1"}}}, None),
        ({"id": "u" * 513}, None),
        ({"id": {}}, None),
        ({"id": ["u1"]}, None),
        ({"user": []}, None),
        ({}, None),
        ([], None),
        ("", None),
        (True, None),
        (None, None),
    ],
)
def test_the_installing_user_is_found_in_every_form_or_absent(creator: Any, user_id: str | None) -> None:
    found = wire.to_installation(of({"_embedded": {"created_by": creator, "state": "pending"}}), "i1")
    assert (found.created_by, found.state) == (user_id, "pending")


@pytest.mark.parametrize("odd", [None, 1, True, "x", "", "x" * 10_000, [], {}, {"state": "started"}, -1, 1e308])
@pytest.mark.parametrize("name", ["state", "started_at", "expires_at", "ended_at", "ended_reason", "subscription_name"])
@pytest.mark.case(8)
def test_a_trial_is_read_whatever_its_members_are(name: str, odd: Any) -> None:
    whole = {"state": "started", "expires_at": "2026-03-31T09:00:00Z", "ended_at": None, "ended_reason": None}
    expected = RemoteTrial("started", datetime(2026, 3, 31, 9, tzinfo=UTC))
    found = wire.to_trial(of(whole | {name: odd}))
    for member in ("state", "started_at", "expires_at", "ended_at", "ended_reason"):
        value = getattr(found, member)
        if member != name:
            assert value == getattr(expected, member)
        elif odd is None or isinstance(odd, list | dict):
            assert not value
        assert not isinstance(value, str) or len(value) <= 512
        assert not isinstance(value, datetime) or value.tzinfo is not None


def test_an_empty_trial_is_still_a_trial() -> None:
    assert wire.to_trial(of({})) == RemoteTrial("")


@pytest.mark.parametrize(
    ("value", "seconds"), [(300, 300), ("300", 300), (None, 600), ("x", 600), (10**9, 86_400), (0, 0)]
)
def test_a_tokens_lifetime_is_bounded_and_has_the_documented_default(value: Any, seconds: int) -> None:
    token = wire.to_token(of({"access_token": "canary", "expires_in": value}))
    assert token.lifetime == timedelta(seconds=seconds)
    assert "canary" not in repr(token)


@given(OBJECTS)
@pytest.mark.case(8, 30)
def test_any_object_is_read_or_refused_in_words(content: dict[str, Any]) -> None:
    found = wire.to_installation(of(content), "i1")
    assert found.id
    assert found.updated_at is None or found.updated_at.tzinfo is not None
    assert found.created_by is None or 0 < len(found.created_by) <= 512
    trial = wire.to_trial(of(content))
    assert all(moment is None or moment.tzinfo for moment in (trial.expires_at, trial.ended_at))
    wire.to_subscription(of(content))
    for convert in (wire.to_account, wire.to_token, pages.to_users):
        try:
            convert(of(content))
        except UnusableError as error:
            assert str(error).startswith("holds ")  # noqa: PT017 - most objects raise, some don't
