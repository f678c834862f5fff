import pytest
from pydantic import TypeAdapter, ValidationError

from talkdesk_sandbox.simulator.faults.book import FaultBook
from talkdesk_sandbox.simulator.faults.kinds import Delay, Drop, Duplicate, Fault, Hold, Status


@pytest.mark.parametrize(
    ("route", "method", "path", "hits"),
    [
        ("*", "GET", "/account", True),
        ("/account", "GET", "/account", True),
        ("POST /apps/*/state", "POST", "/apps/a/installations/i/state", True),
        ("post /apps/*/state", "POST", "/apps/a/installations/i/state", True),
        ("* */state", "POST", "/apps/a/installations/i/state", True),
        ("POST /apps/*/state", "GET", "/apps/a/installations/i/state", False),
        ("/account", "GET", "/accounts", False),
    ],
)
def test_a_route_is_a_method_and_a_path_with_stars(route: str, method: str, path: str, hits: bool) -> None:  # noqa: FBT001 - a table's column
    book = FaultBook()
    book.set(Drop(route=route))
    assert bool(book.on_request(method, path)) is hits


def test_a_fault_first_skips_and_then_hits_count_times() -> None:
    book = FaultBook()
    book.set(Status(skip=1, count=2))
    assert [len(book.on_request("GET", "/")) for _ in range(5)] == [0, 1, 1, 0, 0]
    ((number, _, hits),) = book.listed()
    assert (number, hits) == (1, 2)


def test_the_same_seed_gives_the_same_hits() -> None:
    def run(seed: int) -> list[int]:
        book = FaultBook(seed)
        book.set(Drop(probability=0.5))
        return [len(book.on_request("GET", "/")) for _ in range(50)]

    assert run(1) == run(1) != run(2)
    assert 10 < sum(run(1)) < 40


def test_a_probability_of_one_always_hits_and_of_zero_never() -> None:
    book = FaultBook()
    book.set(Drop(probability=0))
    assert book.on_request("GET", "/") == []
    book.set(Drop(probability=1))
    assert len(book.on_request("GET", "/")) == 1


def test_events_are_matched_by_type_and_installation() -> None:
    book = FaultBook()
    book.set(Hold(event="app.trial_*", installation="i1"))
    assert book.on_delivery("app.trial_ended", "i1")
    assert not book.on_delivery("app.trial_ended", "i2")
    assert not book.on_delivery("app.installed", "i1")


def test_a_fault_of_events_never_hits_requests_and_the_other_way_round() -> None:
    book = FaultBook()
    book.set(Delay())
    book.set(Duplicate())
    assert [type(fault) for fault in book.on_request("GET", "/")] == [Delay]
    assert [type(fault) for fault in book.on_delivery("app.installed", "i")] == [Duplicate]


def test_one_fault_or_all_are_cleared() -> None:
    book = FaultBook()
    first, _ = book.set(Drop()), book.set(Delay())
    assert book.clear(first)
    assert not book.clear(first)
    assert [fault.kind for _, fault, _ in book.listed()] == ["delay"]
    assert book.clear()
    assert book.listed() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "nope"},
        {},
        {"kind": "status", "status": 99},
        {"kind": "drop", "probability": 2},
        {"kind": "drop", "count": 0},
        {"kind": "redirect"},
        {"kind": "hold", "route": "*"},
        {"kind": "delay", "seconds": -1},
    ],
)
def test_a_wrong_fault_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Fault).validate_python(wrong)
