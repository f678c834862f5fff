"""A host that is down is left alone for a while, then asked by one call at a time."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.adapters.talkdesk import BreakerLimits
from talkdesk_operator.adapters.talkdesk.breaker import Breakers, Host, HostKind, Passage
from talkdesk_operator.domain.ports.talkdesk import TalkdeskUnavailable

API = Host("team/sentiment", HostKind.API, "api.example.com")
ACME = Host("team/sentiment", HostKind.TOKEN, "acme.example.com")

pytestmark = pytest.mark.case(27)


@dataclass
class Bench:
    """Breakers of three failures, on time that tests move; chance is at its most unless told otherwise."""

    seconds: float = 1000.0
    rng: float = 1.0
    breakers: Breakers = field(init=False)

    def __post_init__(self) -> None:
        limits = BreakerLimits(failures=3, shortest=timedelta(seconds=5), longest=timedelta(seconds=60))
        self.breakers = Breakers(limits, monotonic=lambda: self.seconds, rng=lambda: self.rng, size=50)

    def call(self, *, failed: bool | None, host: Host = API, urgent: bool = False) -> None:
        with self.breakers.passing(host, "reading", urgent=urgent) as passage:
            passage.failed = failed

    def fail(self, times: int = 3, host: Host = API) -> None:
        for _ in range(times):
            self.call(failed=True, host=host)

    def wait_of(self, host: Host = API) -> float:
        """Return how long the host is left alone; 0 when a call may go."""
        try:
            self.breakers.check(host, "reading")
        except TalkdeskUnavailable as error:
            return (error.retry_after or timedelta()).total_seconds()
        return 0

    def is_open(self, host: Host = API) -> bool:
        return self.breakers.open()[host.region_key, host.kind.value] > 0


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_host_is_left_alone_after_so_many_failures_in_a_row(bench: Bench) -> None:
    bench.fail(2)
    assert (bench.wait_of(), bench.is_open()) == (0, False)
    bench.fail(1)
    assert (bench.wait_of(), bench.is_open()) == (5, True)
    bench.seconds += 2
    with pytest.raises(
        TalkdeskUnavailable, match=r"^reading: nothing was sent, as calls there keep failing"
    ) as failure:
        bench.call(failed=False)
    assert failure.value.retry_after == timedelta(seconds=3)


def test_an_answer_in_between_lets_the_count_start_anew(bench: Bench) -> None:
    for _ in range(5):
        bench.fail(2)
        bench.call(failed=False)
    assert bench.wait_of() == 0


def test_a_probe_that_works_ends_it(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    assert (bench.wait_of(), bench.is_open()) == (0, True)
    bench.call(failed=False)
    assert not bench.is_open()
    bench.fail(2)
    assert bench.wait_of() == 0


def test_each_probe_that_fails_doubles_the_time_up_to_the_bound(bench: Bench) -> None:
    bench.fail()
    waits = []
    for _ in range(8):
        waits.append(bench.wait_of())
        bench.seconds += waits[-1]
        bench.fail(1)
    assert waits == [5, 10, 20, 40, 60, 60, 60, 60]


def test_no_number_of_failures_is_too_many(bench: Bench) -> None:
    bench.fail()
    for _ in range(3000):
        bench.seconds += 60
        bench.fail(1)
    assert bench.wait_of() == 60


@pytest.mark.parametrize(("rng", "wait"), [(0.0, 2.5), (0.5, 3.75), (1.0, 5.0)])
def test_half_of_the_time_is_random(bench: Bench, rng: float, wait: float) -> None:
    bench.rng = rng
    bench.fail()
    assert bench.wait_of() == wait


# --- Calls at the same time.


def test_only_one_call_probes_and_the_others_are_told_to_come_again(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.passing(API, "probing") as probe:
        for _ in range(3):
            with pytest.raises(TalkdeskUnavailable) as failure:
                bench.call(failed=False)
            assert failure.value.retry_after == timedelta(seconds=5)
        probe.failed = False
    bench.call(failed=False)


@pytest.mark.parametrize("error", [asyncio.CancelledError, ZeroDivisionError])
def test_a_probe_that_is_given_up_leaves_its_place_to_the_next(bench: Bench, error: type[BaseException]) -> None:
    bench.fail()
    bench.seconds += 5
    with pytest.raises(error), bench.breakers.passing(API, "probing"):
        raise error
    assert (bench.wait_of(), bench.is_open()) == (0, True)
    bench.fail(1)
    assert bench.wait_of() == 10


def test_a_call_that_is_given_up_says_nothing(bench: Bench) -> None:
    bench.call(failed=None)
    bench.fail(2)
    bench.call(failed=None)
    bench.fail(1)
    assert bench.wait_of() == 5
    bench.call(failed=None, urgent=True)
    assert bench.wait_of() == 5


def test_calls_that_left_before_and_fail_later_make_nothing_longer(bench: Bench) -> None:
    with (
        bench.breakers.passing(API, "a") as first,
        bench.breakers.passing(API, "b") as second,
        bench.breakers.passing(API, "c") as third,
    ):
        bench.fail()
        bench.seconds += 1
        first.failed = second.failed = third.failed = True
    assert bench.wait_of() == 4
    bench.seconds += 4
    with bench.breakers.passing(API, "probing") as probe:
        # A straggler is no probe: it neither ends the probing nor lets another in.
        bench.call(failed=True, urgent=True)
        assert bench.wait_of() == 5
        probe.failed = True
    assert bench.wait_of() == 10


def test_a_call_that_left_before_and_is_answered_later_ends_it(bench: Bench) -> None:
    with bench.breakers.passing(API, "slow") as slow:
        bench.fail()
        slow.failed = False
    assert (bench.wait_of(), bench.is_open()) == (0, False)


def test_a_probe_that_fails_after_somebody_else_was_answered_is_one_failure_among_others(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.passing(API, "probing") as probe:
        bench.call(failed=False, urgent=True)
        probe.failed = True
    assert bench.wait_of() == 0
    bench.fail(2)
    assert bench.wait_of() == 5


# --- Urgent calls.


@pytest.mark.case(33)
def test_an_urgent_call_always_goes(bench: Bench) -> None:
    bench.fail()
    for _ in range(20):
        bench.call(failed=True, urgent=True)
    assert bench.wait_of() == 5
    bench.seconds += 5
    with bench.breakers.passing(API, "probing"):
        bench.call(failed=True, urgent=True)
    bench.call(failed=False, urgent=True)
    assert (bench.wait_of(), bench.is_open()) == (0, False)


def test_an_urgent_call_can_be_the_probe(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.passing(API, "answering", urgent=True) as probe:
        assert bench.wait_of() == 5
        probe.failed = True
    assert bench.wait_of() == 10


# --- Whom it concerns.


@pytest.mark.parametrize(
    "other",
    [
        API._replace(region_key="team/other"),
        API._replace(name="api.example.org"),
        ACME,
        Host("team/sentiment", HostKind.TOKEN, "api.example.com"),
    ],
)
def test_each_host_of_each_app_is_judged_by_itself(bench: Bench, other: Host) -> None:
    bench.fail()
    assert bench.wait_of(other) == 0
    bench.call(failed=False, host=other)
    assert bench.wait_of() == 5


def test_open_ones_are_counted_by_app_and_kind_without_a_customers_name(bench: Bench) -> None:
    assert bench.breakers.open() == {}
    bench.fail()
    for name in ("acme", "other"):
        bench.fail(host=ACME._replace(name=f"{name}.example.com"))
    bench.fail(2, host=API._replace(region_key="team/well"))
    assert bench.breakers.open() == {("team/sentiment", "api"): 1, ("team/sentiment", "token"): 2}


def test_what_nobody_called_for_an_hour_is_forgotten(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 1800
    bench.fail(host=ACME)
    bench.seconds += 1799
    assert (bench.is_open(), bench.is_open(ACME)) == (True, True)
    bench.seconds += 1
    assert (bench.is_open(), bench.is_open(ACME)) == (False, True)
    bench.fail(2)
    assert bench.wait_of() == 0


def test_memory_is_bounded_and_what_failed_longest_ago_goes_first(bench: Bench) -> None:
    hosts = [ACME._replace(name=f"customer-{number}.example.com") for number in range(52)]
    for host in hosts:
        bench.fail(host=host)
        bench.call(failed=True, host=hosts[0], urgent=True)
    assert bench.breakers.open() == {("team/sentiment", "token"): 50}
    assert [bench.wait_of(host) > 0 for host in hosts] == [True] + [False] * 2 + [True] * 49


def test_a_probe_whose_host_was_forgotten_meanwhile_harms_nothing(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.passing(API, "probing"):
        bench.seconds += 4000
        assert bench.breakers.open() == {}
    assert bench.wait_of() == 0


OUTCOMES = st.sampled_from([True, False, None])


@given(st.lists(st.tuples(OUTCOMES, st.booleans(), st.integers(0, 30)), max_size=60))
def test_a_host_is_never_shut_out_for_longer_than_the_bound(calls: list[tuple[bool | None, bool, int]]) -> None:
    bench = Bench()
    for failed, urgent, seconds in calls:
        bench.seconds += seconds
        if urgent or bench.wait_of() == 0:
            bench.call(failed=failed, urgent=urgent)
        assert bench.wait_of() <= 60
    bench.seconds += 60
    assert bench.wait_of() == 0
    bench.call(failed=False)
    assert not bench.is_open()


STEPS = st.one_of(
    st.tuples(st.just("start"), st.booleans()),
    st.tuples(st.just("end"), OUTCOMES),
    st.tuples(st.just("wait"), st.integers(0, 70)),
)


@given(st.lists(STEPS, max_size=80), st.randoms())
def test_however_calls_overlap_one_probes_at_a_time_and_nothing_sticks(
    steps: list[tuple[str, Any]], random: Random
) -> None:
    bench = Bench()
    under_way: list[tuple[ExitStack, Passage]] = []
    probing: list[Passage] = []
    for step, value in steps:
        match step:
            case "start" if value or bench.wait_of() == 0:
                probes = bench.is_open() and not value
                stack = ExitStack()
                passage = stack.enter_context(bench.breakers.passing(API, "reading", urgent=value))
                under_way.append((stack, passage))
                if probes:
                    probing.append(passage)
            case "end" if under_way:
                stack, passage = under_way.pop(random.randrange(len(under_way)))
                passage.failed = value
                stack.close()
                probing = [other for other in probing if other is not passage and bench.is_open()]
            case "wait":
                bench.seconds += value
            case _:
                pass
        assert len(probing) <= 1
    for stack, _ in under_way:
        stack.close()
    bench.seconds += 60
    bench.call(failed=False)
    assert not bench.is_open()
