"""Retry-After and Date, from whatever a server may send."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.adapters.http.headers import MAX_WAIT, retry_after, server_time

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)


@pytest.mark.case(27)
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 17 ", 17),
        ("1.5", 1.5),
        ("99999999999", 3600),
        ("Wed, 04 Mar 2026 10:00:30 GMT", 30),
        ("Wed, 04 Mar 2026 10:00:30 -0000", 30),
        ("Wednesday, 04-Mar-26 10:00:30 GMT", 30),
        ("Wed, 04 Mar 2026 09:59:30 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)
def test_a_wait_is_read(text: str, seconds: float) -> None:
    assert retry_after({"retry-after": text}, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "-1", "soon", "1e9", "\u00b2", "\u0661", "Wed, 99 Mar 2026", "1 2", "NaN", "inf"])
def test_what_cant_be_read_is_no_wait(text: str) -> None:
    assert retry_after({"retry-after": text}, NOW) is None
    assert retry_after({}, NOW) is None


@given(wait=st.timedeltas(timedelta(days=-9), timedelta(days=9)), skew=st.timedeltas(timedelta(-999), timedelta(999)))
@pytest.mark.case(27, 35)
def test_a_date_is_compared_with_the_servers_own_clock(wait: timedelta, skew: timedelta) -> None:
    server = (NOW + skew).replace(microsecond=0)
    until = (server + wait).replace(microsecond=0)
    headers = {
        "date": format_datetime(server, usegmt=True),
        "retry-after": format_datetime(until, usegmt=True),
    }
    assert retry_after(headers, NOW) == min(max(until - server, timedelta()), MAX_WAIT)
    assert server_time(headers) == server


@given(st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, [0-9]{1,20} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]{1,9}.{0,6}\Z"))
def test_any_text_gives_a_bounded_wait_or_none(text: str) -> None:
    wait = retry_after({"retry-after": text, "date": text}, NOW)
    assert wait is None or timedelta() <= wait <= MAX_WAIT
    moment = server_time({"date": text})
    assert moment is None or moment.tzinfo is UTC
