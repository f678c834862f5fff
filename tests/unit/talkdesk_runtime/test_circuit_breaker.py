"""After some failures in a row a host gets no calls for a while, then one at a time."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import Attempt, BreakerLimits, CircuitBreakers

API = "api.example.com"
OTHER = "other.example.com"
OPEN_TIME = Backoff(first=timedelta(seconds=5), longest=timedelta(seconds=60))

pytestmark = pytest.mark.case(27)


@dataclass
class Bench:
    """Breakers of three failures, on time that tests move; chance is at its most unless it is set."""

    seconds: float = 1000.0
    chance: float = 1.0
    breakers: CircuitBreakers[str] = field(init=False)

    def __post_init__(self) -> None:
        limits = BreakerLimits(failures=3, open_time=OPEN_TIME)
        self.breakers = CircuitBreakers(limits, monotonic=lambda: self.seconds, chance=lambda: self.chance, size=50)

    def call(self, *, failed: bool | None, host: str = API) -> None:
        """Make a call, whether the circuit is open or not, as an urgent one is."""
        with self.breakers.attempt(host) as attempt:
            attempt.failed = failed

    def fail(self, times: int = 3, host: str = API) -> None:
        for _ in range(times):
            self.call(failed=True, host=host)

    def wait_of(self, host: str = API) -> float:
        return self.breakers.wait(host)

    def is_open(self, host: str = API) -> bool:
        return host in self.breakers.open_keys()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_circuit_opens_after_so_many_failures_in_a_row(bench: Bench) -> None:
    bench.fail(2)
    assert (bench.wait_of(), bench.is_open()) == (0, False)
    bench.fail(1)
    assert (bench.wait_of(), bench.is_open()) == (5, True)
    bench.seconds += 2
    assert bench.wait_of() == 3


def test_a_success_in_between_resets_the_count(bench: Bench) -> None:
    for _ in range(5):
        bench.fail(2)
        bench.call(failed=False)
    assert bench.wait_of() == 0


def test_a_probe_that_succeeds_closes_the_circuit(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    assert (bench.wait_of(), bench.is_open()) == (0, True)
    bench.call(failed=False)
    assert not bench.is_open()
    bench.fail(2)
    assert bench.wait_of() == 0


def test_each_probe_that_fails_doubles_the_open_time_up_to_the_bound(bench: Bench) -> None:
    bench.fail()
    waits = []
    for _ in range(8):
        waits.append(bench.wait_of())
        bench.seconds += waits[-1]
        bench.fail(1)
    assert waits == [5, 10, 20, 40, 60, 60, 60, 60]


def test_the_bound_holds_after_any_number_of_failures(bench: Bench) -> None:
    bench.fail()
    for _ in range(3000):
        bench.seconds += 60
        bench.fail(1)
    assert bench.wait_of() == 60


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 2.5), (0.5, 3.75), (1.0, 5.0)])
def test_half_of_the_open_time_is_random(bench: Bench, chance: float, wait: float) -> None:
    bench.chance = chance
    bench.fail()
    assert bench.wait_of() == wait


# --- Calls at the same time.


def test_only_one_call_is_the_probe_and_the_others_wait(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.attempt(API) as probe:
        assert [bench.wait_of() for _ in range(3)] == [5, 5, 5]
        probe.failed = False
    assert bench.wait_of() == 0


@pytest.mark.parametrize("error", [asyncio.CancelledError, ZeroDivisionError])
def test_when_a_probe_is_cancelled_the_next_call_is_the_probe(bench: Bench, error: type[BaseException]) -> None:
    bench.fail()
    bench.seconds += 5
    with pytest.raises(error), bench.breakers.attempt(API):
        raise error
    assert (bench.wait_of(), bench.is_open()) == (0, True)
    bench.fail(1)
    assert bench.wait_of() == 10


def test_a_cancelled_call_counts_neither_as_failure_nor_as_success(bench: Bench) -> None:
    bench.call(failed=None)
    bench.fail(2)
    bench.call(failed=None)
    bench.fail(1)
    assert bench.wait_of() == 5
    bench.call(failed=None)
    assert bench.wait_of() == 5


def test_calls_that_began_before_the_circuit_opened_do_not_make_the_open_time_longer(bench: Bench) -> None:
    with (
        bench.breakers.attempt(API) as first,
        bench.breakers.attempt(API) as second,
        bench.breakers.attempt(API) as third,
    ):
        bench.fail()
        bench.seconds += 1
        first.failed = second.failed = third.failed = True
    assert bench.wait_of() == 4
    bench.seconds += 4
    with bench.breakers.attempt(API) as probe:
        # A straggler is no probe: it neither ends the probing nor lets another in.
        bench.call(failed=True)
        assert bench.wait_of() == 5
        probe.failed = True
    assert bench.wait_of() == 10


def test_a_call_that_began_before_and_succeeds_later_closes_the_circuit(bench: Bench) -> None:
    with bench.breakers.attempt(API) as slow:
        bench.fail()
        slow.failed = False
    assert (bench.wait_of(), bench.is_open()) == (0, False)


def test_a_probe_that_fails_after_another_call_succeeded_counts_as_one_failure(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.attempt(API) as probe:
        bench.call(failed=False)
        probe.failed = True
    assert bench.wait_of() == 0
    bench.fail(2)
    assert bench.wait_of() == 5


# --- Calls that do not wait.


@pytest.mark.case(33)
def test_a_call_that_does_not_wait_changes_the_open_time_only_by_success(bench: Bench) -> None:
    bench.fail()
    for _ in range(20):
        bench.call(failed=True)
    assert bench.wait_of() == 5
    bench.seconds += 5
    with bench.breakers.attempt(API):
        bench.call(failed=True)
    bench.call(failed=False)
    assert (bench.wait_of(), bench.is_open()) == (0, False)


def test_a_call_that_does_not_wait_can_be_the_probe(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.attempt(API) as probe:
        assert bench.wait_of() == 5
        probe.failed = True
    assert bench.wait_of() == 10


# --- Many hosts.


def test_each_host_is_judged_by_itself(bench: Bench) -> None:
    bench.fail()
    assert bench.wait_of(OTHER) == 0
    bench.call(failed=False, host=OTHER)
    assert bench.wait_of() == 5


def test_a_host_without_a_failure_for_an_hour_is_forgotten(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 1800
    bench.fail(host=OTHER)
    bench.seconds += 1799
    assert (bench.is_open(), bench.is_open(OTHER)) == (True, True)
    bench.seconds += 1
    assert (bench.is_open(), bench.is_open(OTHER)) == (False, True)
    bench.fail(2)
    assert bench.wait_of() == 0


def test_memory_is_bounded_and_the_host_that_failed_longest_ago_is_forgotten_first(bench: Bench) -> None:
    hosts = [f"customer-{number}.example.com" for number in range(52)]
    for host in hosts:
        bench.fail(host=host)
        bench.call(failed=True, host=hosts[0])
    assert len(bench.breakers.open_keys()) == 50
    assert [bench.wait_of(host) > 0 for host in hosts] == [True] + [False] * 2 + [True] * 49


def test_a_probe_may_end_after_its_host_was_forgotten(bench: Bench) -> None:
    bench.fail()
    bench.seconds += 5
    with bench.breakers.attempt(API):
        bench.seconds += 4000
        assert bench.breakers.open_keys() == []
    assert bench.wait_of() == 0


OUTCOMES = st.sampled_from([True, False, None])


@given(st.lists(st.tuples(OUTCOMES, st.booleans(), st.integers(0, 30)), max_size=60))
def test_no_wait_is_longer_than_the_bound(calls: list[tuple[bool | None, bool, int]]) -> None:
    bench = Bench()
    for failed, urgent, seconds in calls:
        bench.seconds += seconds
        if urgent or bench.wait_of() == 0:
            bench.call(failed=failed)
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
def test_however_calls_overlap_there_is_one_probe_at_a_time_and_the_circuit_closes_in_the_end(
    steps: list[tuple[str, Any]], random: Random
) -> None:
    bench = Bench()
    under_way: list[tuple[ExitStack, Attempt]] = []
    probing: list[Attempt] = []
    for step, value in steps:
        match step:
            case "start" if value or bench.wait_of() == 0:
                probes = bench.is_open() and not value
                stack = ExitStack()
                attempt = stack.enter_context(bench.breakers.attempt(API))
                under_way.append((stack, attempt))
                if probes:
                    probing.append(attempt)
            case "end" if under_way:
                stack, attempt = under_way.pop(random.randrange(len(under_way)))
                attempt.failed = value
                stack.close()
                probing = [other for other in probing if other is not attempt and bench.is_open()]
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


def test_without_chance_the_open_time_has_no_jitter() -> None:
    breakers: CircuitBreakers[str] = CircuitBreakers(BreakerLimits(1, OPEN_TIME), monotonic=lambda: 7.0)
    with breakers.attempt(API) as attempt:
        attempt.failed = True
    assert breakers.wait(API) == 5


def test_the_wait_for_a_probe_can_be_set() -> None:
    seconds = [0.0]
    limits = BreakerLimits(1, OPEN_TIME, probe_time=timedelta(seconds=1))
    breakers: CircuitBreakers[str] = CircuitBreakers(limits, monotonic=lambda: seconds[0])
    with breakers.attempt(API) as attempt:
        attempt.failed = True
    seconds[0] = 5
    with breakers.attempt(API):
        assert breakers.wait(API) == 1
