"""Conditions keep the time of their last change, and reasons fit where they are written."""

import re
from datetime import timedelta

import pytest

from builders.objects import NOON, condition
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, is_true, merged, transitioned

LATER = NOON + timedelta(hours=1)


@pytest.mark.parametrize("word", [*ConditionType, *Reason])
def test_every_type_and_reason_is_a_word_that_the_api_conventions_allow(word: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]+", word)


def test_reasons_have_one_spelling_each() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason)


def test_a_condition_is_found_by_its_type() -> None:
    ready, stalled = condition(ConditionType.READY), condition(ConditionType.STALLED, "False")
    assert find((stalled, ready), ConditionType.READY) is ready
    assert find((stalled,), ConditionType.READY) is None


def test_only_true_is_true() -> None:
    assert is_true((condition(ConditionType.READY),), ConditionType.READY)
    assert not is_true((condition(ConditionType.READY, "Unknown"),), ConditionType.READY)
    assert not is_true((), ConditionType.READY)


def changed(status: str) -> Condition:
    (settled,) = transitioned(
        [condition(ConditionType.READY)], [condition(ConditionType.READY, status, "Pending")], LATER
    )
    return settled


def test_a_change_of_status_is_a_transition() -> None:
    assert changed("False").last_transition_time == LATER


def test_a_change_of_reason_alone_is_none() -> None:
    assert changed("True").last_transition_time == NOON
    assert changed("True").reason == "Pending"


def test_a_new_condition_begins_now_to_the_second() -> None:
    (settled,) = transitioned([], [condition(ConditionType.READY)], LATER.replace(microsecond=7))
    assert settled.last_transition_time == LATER


def test_conditions_are_merged_by_type() -> None:
    before = condition(ConditionType.ANSWERED), condition(ConditionType.READY), foreign("Theirs")
    after = merged(
        before, [condition(ConditionType.READY, "False", "Pending"), condition(ConditionType.STALLED)], LATER
    )
    assert [(c.type, c.status, c.last_transition_time) for c in after] == [
        ("Answered", "True", NOON),
        ("Ready", "False", LATER),
        ("Theirs", "True", NOON),
        ("Stalled", "True", LATER),
    ]


def foreign(kind: str) -> Condition:
    return condition(ConditionType.READY).model_copy(update={"type": kind})


def test_a_condition_of_a_type_that_is_not_ours_stays() -> None:
    assert transitioned([foreign("Theirs")], [condition(ConditionType.READY)], LATER)[1:] == (foreign("Theirs"),)


def test_a_condition_that_is_no_longer_told_goes() -> None:
    assert transitioned([condition(ConditionType.STALLED)], [], LATER) == ()
