import json
import time
from typing import Any

import pytest

from talkdesk_operator.templates.cel import ExpressionError, compile_expression
from talkdesk_operator.templates.limits import MAX_LIST, MAX_SOURCE


def reason(source: str, data: dict[str, Any] | None = None) -> str:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source).evaluate(data or {})
    return caught.value.reason


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1" * (MAX_SOURCE + 1), "longer than 1024 characters"),
        (" && ".join(["a.all(x, x)"] * 5), "more than 4 comprehensions (map, filter, all, exists, exists_one)"),
        ("a.filter(x, x).map(x, x)", "more than one map or filter; map(x, condition, value) does both"),
        ("a.map(x, b.exists(y, y == x))", "a comprehension is nested in another"),
        (f"a.map(x, [{'x,' * 70}x])", "more than 128 tokens in an expression with a comprehension"),
    ],
)
def test_an_expression_with_unbounded_work_is_refused_whatever_the_data(source: str, expected: str) -> None:
    assert reason(source) == expected


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("a.map(x, x)", [0] * 4_000),
        ("(a + a + a + a).map(x, x)", [0] * 1_000),
        ("a.filter(x, true)", ["z" * 50_000] * 300),
        ("a.map(x, [x, x, x, x, x])", [{"k" * 5_000: (1, 2)}] * 600),
        ("a.map(x, x.replace('a', 'aa'))", ["a"] * 300),
        ("a[0].split('').map(x, [x, a, a, a])", ["z" * 5_000]),
    ],
)
def test_too_much_data_for_a_map_is_refused(source: str, data: object) -> None:
    assert reason(source, {"a": data}) == "too much data for a map or filter"


def test_hundreds_of_elements_are_allowed_and_unreferenced_data_does_not_count() -> None:
    expression = compile_expression("a.map(x, x != null, x.name + ':' + string(x.seats)).join(',')")
    plan = {"name": "voice agent", "seats": 10}

    assert expression.evaluate({"a": [plan, None] * 100, "b": [0] * 9_999}).count("voice agent:10") == 100


def test_without_a_comprehension_any_size_is_allowed() -> None:
    assert compile_expression("a.size()").evaluate({"a": [0] * 9_999}) == 9_999


def test_four_conditions_can_be_looked_up() -> None:
    one = 'object.status.conditions.exists(c, c.type == "A" && c.status == "True")'
    status = {"conditions": [{"type": "A", "status": "True"}]}

    assert compile_expression(" && ".join([one] * 4)).evaluate({"object": {"status": status}}) is True


@pytest.mark.parametrize(
    "source",
    [
        "a.map(x, " + "+".join(["s"] * 50) + ").size()",
        "a.map(x, [" + ",".join(["x"] * 50) + "]).size()",
        "(a + a).filter(x, x == x).size()",
        "'a,'" + ".replace('a', 'aaaaaaaa')" * 20,
        "['aaaa', 'aaaa'].join('b')" + ".split('a').join('aaaaaaaa')" * 20,
        "[a, a, a].flatten().map(x, [x, x, x]).size()",
        " && ".join(["a.all(x, s.contains(string(x) + s))"] * 4),
    ],
)
def test_every_accepted_expression_ends_in_time(source: str) -> None:
    started = time.monotonic()
    try:
        result = compile_expression(source).evaluate({"a": list(range(MAX_LIST)), "s": "z" * 4096})
    except ExpressionError:
        result = None

    # Under a second where nothing else runs; what it guards against takes minutes, or all memory.
    assert time.monotonic() - started < 10
    assert len(json.dumps(result)) < 1_000_000
