"""The rules themselves, evaluated as the API server does: `tests/integration/crds` shows that it takes them."""

from datetime import timedelta
from itertools import permutations, product
from typing import Any

import cel
import pytest

from builders.objects import NOON
from talkdesk_crds import order

LATER = NOON + timedelta(seconds=1)
REQUESTS = [
    {"type": kind, "eventId": event, "eventTime": at}
    for kind, event, at in product(("Install", "Update", "Uninstall"), "ab", (NOON, LATER))
]
TRIALS = [
    {"state": state, "eventId": event, "eventTime": at}
    for state, event, at in product(("Started", "Extended", "Ended"), "ab", (NOON, LATER))
]
CREDENTIALS = [
    {"secretName": event, "eventId": event, "eventTime": at} | origin
    for origin, event, at in product(({}, {"origin": "Install"}, {"origin": "Rotation"}), "ab", (NOON, LATER))
]


def replaces(register: dict[str, Any], new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Return whether the API server lets `new` take the place of `old`."""
    rules = [each["rule"] for each in register["x-kubernetes-validations"]]
    return all(cel.evaluate(rule, {"self": new, "oldSelf": old}) for rule in rules)


@pytest.mark.case(1, 2, 3, 15, 19, 20)
@pytest.mark.parametrize(
    ("register", "states", "moment"),
    [
        (order.REQUEST, REQUESTS, "eventTime"),
        (order.TRIAL, TRIALS, "eventTime"),
        (order.CREDENTIALS, CREDENTIALS, "eventTime"),
    ],
    ids=["request", "trial", "credentials"],
)
def test_a_duplicate_passes_a_newer_one_wins_and_an_event_never_wins_over_itself(
    register: dict[str, Any], states: list[dict[str, Any]], moment: str
) -> None:
    assert all(replaces(register, one, one) for one in states)
    for new, old in permutations(states, 2):
        if new["eventId"] == old["eventId"] and new.get("type") != old.get("type"):
            assert not replaces(register, new, old)
        elif new[moment] != old[moment]:
            assert replaces(register, new, old) == (new[moment] > old[moment])
        elif new["eventId"] == old["eventId"]:
            assert not replaces(register, new, old)


@pytest.mark.case(19, 20)
@pytest.mark.parametrize(
    ("register", "states"), [(order.TRIAL, TRIALS), (order.CREDENTIALS, CREDENTIALS)], ids=["trial", "credentials"]
)
def test_of_two_events_of_one_instant_exactly_one_wins_in_either_order(
    register: dict[str, Any], states: list[dict[str, Any]]
) -> None:
    for one, other in permutations(states, 2):
        if one["eventId"] != other["eventId"]:
            assert replaces(register, one, other) != replaces(register, other, one)


@pytest.mark.parametrize("register", [order.REQUEST, order.TRIAL, order.CREDENTIALS])
def test_no_rule_reads_what_the_api_server_takes_for_text_without_bounds(register: dict[str, Any]) -> None:
    assert not [each for each in register["x-kubernetes-validations"] if "orValue" in each["rule"]]


def test_what_was_answered_does_not_become_an_uninstall() -> None:
    install, uninstall = (
        {"type": kind, "eventId": "a", "eventTime": at} for kind, at in (("Install", NOON), ("Uninstall", LATER))
    )
    assert not replaces(order.REQUEST, uninstall, install)
    assert replaces(order.REQUEST, uninstall | {"eventId": "b"}, install)
