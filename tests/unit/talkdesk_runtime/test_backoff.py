"""Exponential back-off with jitter."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_runtime.backoff import Backoff

SECOND = timedelta(seconds=1)
BACKOFF = Backoff(first=SECOND, longest=timedelta(minutes=5))


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (10**9, 300)])
def test_delays_double_up_to_the_bound(failures: int, seconds: int) -> None:
    assert BACKOFF.delay(failures, 1) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)])
def test_half_of_a_delay_is_random(chance: float, seconds: float) -> None:
    assert BACKOFF.delay(2, chance) == timedelta(seconds=seconds)


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_no_delay_is_shorter_than_half_the_first_or_longer_than_the_bound(failures: int, chance: float) -> None:
    assert SECOND / 2 <= BACKOFF.delay(failures, chance) <= BACKOFF.longest
