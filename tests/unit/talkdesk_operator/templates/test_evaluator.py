"""What may take long is evaluated in a child process, which ends when its time or memory is used up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from talkdesk_operator.templates.cel import Activation, Exhausted, ExpressionError, compile_expression
from talkdesk_operator.templates.evaluator import EVALUATOR, EvaluationError, Evaluator, Variables
from talkdesk_operator.templates.limits import Spent

REPEATED = "matches('((a{1,50}){1,50}){1,50}b')"
ENDLESS = f"l.exists(x, a.{REPEATED})"
MANY = {"a": "a" * 200, "l": ["x"] * 5_000}
LONGEST = 10.0
"""Seconds for anything here; without a limit each of these takes from 3 s to minutes."""


@pytest.fixture
def evaluator() -> Iterator[Evaluator]:
    made = Evaluator()
    yield made
    made.close()


def value(evaluator: Evaluator, source: str, variables: dict[str, Any]) -> Any:
    return evaluator.evaluate(source, Variables(variables))[0]


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (ENDLESS, MANY),
        (" || ".join(f"a.{REPEATED.replace('b', last)}" for last in "bcdefghijklmn"), MANY),
        ("l.exists(x, 'y' in l)", {"l": [f"{number:020}" for number in range(20_000)]}),
        ("l.exists(x, l != l)", {"l": [f"{number:020}" for number in range(5_000)]}),
        ("l.exists(x, string(m) == '1')", {"l": ["x"] * 50_000, "m": {"k": ["y"] * 20_000}}),
        ("l.all(x, base64.encode(bytes(t)) != 'x')", {"l": ["x"] * 50_000, "t": "t" * 60_000}),
        (" + ".join(["l"] * 200) + " == []", {"l": ["x" * 100] * 10_000}),
        ("l.map(x, t + x).size()", {"l": ["x"] * 400, "t": "t" * 40_000}),
    ],
)
def test_no_expression_takes_longer_than_its_limit(source: str, data: dict[str, Any]) -> None:
    expression = compile_expression(source)
    began = time.monotonic()
    with suppress(ExpressionError):
        expression.evaluate(data)
    assert time.monotonic() - began < LONGEST


def test_the_end_is_said_in_words_and_found_only_once() -> None:
    expression = compile_expression(ENDLESS)
    with pytest.raises(Exhausted, match=r"^takes more than 0\.25 s of processor time$"):
        expression.evaluate(MANY)
    before = EVALUATOR.pid
    with pytest.raises(Exhausted, match=r"^takes more than 0\.25 s of processor time$"):
        expression.evaluate(dict(MANY))
    assert EVALUATOR.pid == before


def test_others_are_evaluated_after_one_that_was_ended(evaluator: Evaluator) -> None:
    assert value(evaluator, "a.matches('^a+$')", MANY) is True
    first = evaluator.pid
    with pytest.raises(EvaluationError):
        value(evaluator, ENDLESS, MANY)
    assert value(evaluator, "a.matches('^b+$')", MANY) is False
    assert evaluator.pid not in {first, None}


def test_memory_is_bounded(evaluator: Evaluator) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(evaluator, " + ".join(["l"] * 200) + " == []", {"l": ["x" * 10_000] * 1_000})
    assert (caught.value.exhausted, caught.value.passing) == (True, False)
    assert value(evaluator, "a", {"a": 1}) == 1


def test_a_child_that_somebody_ended_is_replaced_and_nothing_is_held_against_the_expression(
    evaluator: Evaluator,
) -> None:
    assert value(evaluator, "a.size()", {"a": "xy"}) == 2
    assert evaluator.pid is not None
    os.kill(evaluator.pid, signal.SIGKILL)
    assert value(evaluator, "a.size()", {"a": "xy"}) == 2


def test_a_child_that_does_not_answer_is_ended_and_the_expression_may_be_tried_again() -> None:
    silent = Evaluator((sys.executable, "-c", "import time; time.sleep(60)"), patience=0.2)
    try:
        with pytest.raises(EvaluationError, match="machine is too busy") as caught:
            value(silent, "a", {"a": 1})
        assert (caught.value.exhausted, caught.value.passing) == (True, True)
        assert silent.pid is None
    finally:
        silent.close()


@pytest.mark.parametrize(
    "source",
    [
        "a.matches('^x')",
        "l.map(x, x + '!')",
        "{'b': l, 'a': [1, 2.5, null, true]}",
        "timestamp('2030-01-01T00:00:00Z')",
        "duration('90s')",
        "big",
        "odd",
        "missing",
        "a.b",
        "l[5]",
        "1/0",
        "b'x'",
        "dnsLabel(a) + string(true)",
    ],
)
def test_the_value_or_the_reason_is_the_same_as_in_this_process(evaluator: Evaluator, source: str) -> None:
    data: dict[str, Any] = {"a": "x ü", "l": ["p", "q"], "big": 2**62, "odd": {"": None, "ß": [1e300, -0.0]}}
    expression = compile_expression(source)
    try:
        expected: object = expression.evaluate_here(Activation(data))
    except ExpressionError as error:
        expected = error.reason
    try:
        found = value(evaluator, source, data)
    except EvaluationError as error:
        found = error.reason
    assert found == expected


def test_variables_are_sent_once_and_again_when_the_child_has_dropped_them(evaluator: Evaluator) -> None:
    sets = [Variables({"a": number}) for number in range(6)]
    for each in (*sets, *sets[::-1], *sets):
        assert evaluator.evaluate("a", each)[0] == int(each.text.split(b":")[1][:-1])


def test_what_one_pass_takes_together_is_bounded() -> None:
    activation = Activation({"t": "t" * 65_000})
    expression = compile_expression("t + 'x'")
    for _ in range(129):
        expression.evaluate(activation)
    with pytest.raises(Exhausted, match="more than 8 MiB together"):
        expression.evaluate(activation)
    spent = Spent()
    spent.seconds = 1.1
    with pytest.raises(Exhausted, match="more than 1 s of processor time together"):
        compile_expression("1").evaluate(Activation({}, spent))


def test_many_evaluations_here_are_moved_to_the_child_which_counts_their_time() -> None:
    spent = Spent()
    assert spent.takes(100)
    assert all(spent.takes(90_000_000) for _ in range(11))
    assert not spent.takes(90_000_000)
    assert spent.takes(100)
    assert not Spent().takes(200_000_000)


def test_usual_expressions_need_no_child() -> None:
    EVALUATOR.close()
    conditions = [{"type": f"T{number}", "status": "True", "message": "m" * 200} for number in range(8)]
    managed: list[dict[str, Any]] = [{"fieldsV1": {f"f:{number}": {} for number in range(150)}}]
    live = {"status": {"conditions": conditions}, "metadata": {"managedFields": managed}}
    expression = compile_expression('object.status.conditions.exists(c, c.type == "T3" && c.status == "True")')
    assert expression.evaluate({"object": live}) is True
    assert compile_expression("dnsLabel(account.name)").evaluate({"account": {"name": "acme"}}) == "acme"
    assert EVALUATOR.pid is None


def test_the_child_ends_with_its_parent() -> None:
    program = (
        "from talkdesk_operator.templates.evaluator import EVALUATOR, Variables\n"
        "import time\n"
        "EVALUATOR.evaluate('a', Variables({'a': 1}))\n"
        "print(EVALUATOR.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen((sys.executable, "-c", program), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().strip()
        assert child.exists()
        parent.kill()
    ends = time.monotonic() + LONGEST
    while _is_running(child) and time.monotonic() < ends:
        time.sleep(0.02)  # nothing tells of the end of somebody else's child
    assert not _is_running(child)


def _is_running(process: Path) -> bool:
    try:
        return process.joinpath("stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
