"""What is one host for the circuit breakers, and the error of a call that may not be made."""

from datetime import timedelta

import pytest

from talkdesk_operator.adapters.talkdesk.host_breakers import Host, HostBreakers, HostKind
from talkdesk_operator.domain.ports.talkdesk import TalkdeskUnavailable
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits

API = Host("team/sentiment", HostKind.API, "api.example.com")
ACME = Host("team/sentiment", HostKind.TOKEN, "acme.example.com")

pytestmark = pytest.mark.case(27)


@pytest.fixture
def breakers() -> HostBreakers:
    return HostBreakers(BreakerLimits(3, Backoff(timedelta(seconds=5), timedelta(minutes=1))), monotonic=lambda: 1000.0)


def fail(breakers: HostBreakers, host: Host = API, times: int = 3) -> None:
    for _ in range(times):
        with breakers.attempt(host, "reading") as attempt:
            attempt.failed = True


def test_a_call_to_a_host_whose_circuit_is_open_says_when_to_come_again(breakers: HostBreakers) -> None:
    fail(breakers)
    for refused in (breakers.check, breakers.attempt):
        with pytest.raises(TalkdeskUnavailable, match=r"^reading: nothing was sent") as failure:
            refused(API, "reading")
        assert failure.value.retry_after == timedelta(seconds=5)


@pytest.mark.case(33)
def test_an_urgent_call_is_always_made_and_its_success_closes_the_circuit(breakers: HostBreakers) -> None:
    fail(breakers)
    for failed in (True, False):
        with breakers.attempt(API, "answering", urgent=True) as attempt:
            attempt.failed = failed
    breakers.check(API, "reading")


@pytest.mark.parametrize(
    "other",
    [
        API._replace(region_key="team/other"),
        API._replace(name="api.example.org"),
        ACME,
        Host("team/sentiment", HostKind.TOKEN, "api.example.com"),
    ],
)
def test_each_host_of_each_app_is_judged_by_itself(breakers: HostBreakers, other: Host) -> None:
    fail(breakers)
    breakers.check(other, "reading")


def test_open_circuits_are_counted_by_app_and_kind_without_a_customers_name(breakers: HostBreakers) -> None:
    assert breakers.count_open() == {}
    fail(breakers)
    for name in ("acme", "other"):
        fail(breakers, ACME._replace(name=f"{name}.example.com"))
    fail(breakers, API._replace(region_key="team/well"), times=2)
    assert breakers.count_open() == {("team/sentiment", "api"): 1, ("team/sentiment", "token"): 2}
