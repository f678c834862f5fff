"""Lengths of time as people write them. What the kinds accept is shown in talkdesk_crds/test_fields.py."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_runtime.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "1m30s"), (3600, "1h"), (86400, "1d"), (604_800 + 3661, "7d1h1m1s")]
)
def test_a_duration_is_written_by_its_biggest_units(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(0, 10**9))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)
