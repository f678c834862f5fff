"""Talkdesk's JSON is read leniently: only what nothing can be done without is missed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.adapters.talkdesk import wire
from talkdesk_operator.adapters.talkdesk.answers import Reply
from talkdesk_operator.domain.talkdesk import Account, RemoteState, Subscription

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = "id name state reason updated_at _embedded total_licenses access_token expires_in token_type"
FIELDS = st.sampled_from(NAMES.split())
STATES = st.dictionaries(st.sampled_from(["state", "reason", "updated_at"]), ANY)
OBJECTS = st.dictionaries(FIELDS, ANY | st.fixed_dictionaries({"state": STATES}))


def of(content: dict[str, Any]) -> Reply:
    return Reply(content, None)


def test_numbers_count_as_text_and_long_text_is_cut() -> None:
    account = wire.to_account(of({"id": 17, "name": "n" * 1000, "timezone": {"x": 1}, "company_name": None}))
    assert account == Account("17", "n" * 512)


@pytest.mark.parametrize(
    ("embedded", "state", "standing"),
    [
        ({"state": {"state": "completed"}}, "completed", RemoteState.DONE),
        ({"state": "pending"}, "pending", RemoteState.PENDING),
        ({"state": None}, "", RemoteState.UNKNOWN),
        ({}, "", RemoteState.UNKNOWN),
        ([], "", RemoteState.UNKNOWN),
    ],
)
def test_the_state_is_found_or_unknown(embedded: Any, state: str, standing: RemoteState) -> None:
    found = wire.to_installation(of({"_embedded": embedded}), "i1")
    assert (found.id, found.state, found.standing) == ("i1", state, standing)


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
    wire.to_subscription(of(content))
    for convert in (wire.to_account, wire.to_token):
        try:
            convert(of(content))
        except wire.UnusableError as error:
            assert str(error).startswith("holds ")  # noqa: PT017 - most objects raise, some don't
