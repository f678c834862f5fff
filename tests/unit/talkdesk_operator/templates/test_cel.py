import contextlib
import json
import logging
import secrets
import threading
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.templates.cel import Activation, ExpressionError, compile_expression
from talkdesk_operator.templates.limits import MAX_SOURCE

DATA: dict[str, Any] = {
    "a": {"b": 1, "none": None, "half": 1.5, "text": "x", "yes": True, "list": [3, 1], "map": {"k": "v", "j": "w"}}
}


def evaluate(source: str, data: dict[str, Any] | None = None) -> Any:
    return compile_expression(source).evaluate(DATA if data is None else data)


def reason(source: str, data: dict[str, Any] | None = None) -> str:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, data)
    assert caught.value.source in {source, ""}
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.b", 1),
        ("a.half", 1.5),
        ("a.yes ? a.text : 'no'", "x"),
        ("a.none", None),
        ("[a.b, {'z': a.none}]", [1, {"z": None}]),
        ("has(a.c) ? a.c : 'default'", "default"),
        ("has(a.none)", False),
        ("has(a.text) && has(a.map) && has(a.list) && has(a.b) && has(a.yes)", True),
        ("has(a.none) || !has(a.c) && has(a.text)", True),
        ("!has(a.none) ? 'unknown' : a.none", "unknown"),
        ("[a].filter(x, has(x.none)).size()", 0),
        ("[a].filter(x, has(x.text)).size()", 1),
        ("'has(a.none)'", "has(a.none)"),
        ("a['text'] + 'y'", "xy"),
        ("timestamp('2026-01-02T03:04:05+01:00')", "2026-01-02T02:04:05Z"),
        ("duration('90s')", "90s"),
        ("duration('-1.5s')", "-1.5s"),
        ("a.list.map(x, x * 2)", [6, 2]),
        ("keys(a.map).map(k, a.map[k])", ["w", "v"]),
        ("a.map.exists(k, k == 'j')", True),
        ("type(a.b) == int", True),
        ("string(a.yes) + string(1)", "true1"),
        ("a.list.sort()", [1, 3]),
        ("math.greatest(a.list)", 3),
        ("'a,b'.split(',').join('-').upperAscii()", "A-B"),
        ("'a-b'.replace('-', '.', 1)", "a.b"),
        ("base64.encode('hi')", "aGk="),
        ("dnsLabel('acme')", "acme"),
    ],
)
def test_an_expression_returns_plain_json(source: str, expected: object) -> None:
    value = evaluate(source)

    assert value == expected
    assert type(value) is type(expected)


def test_a_map_is_returned_in_a_stable_order() -> None:
    assert {json.dumps(evaluate("{'c': 1, 'a': 2, 'b': 3}")) for _ in range(20)} == {'{"a": 2, "b": 3, "c": 1}'}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.c", "no such key: a.c"),
        ("a.map.zz", "no such key: a.map.zz"),
        ("a['c.d']", "no such key: a.c.d"),
        ("has(a.c) ? a.c : a.d", "no such key: a.d"),
        ("[a].map(x, x.zz)", "no such key: zz"),
        ("{'p': 1}[a.text]", "no such key"),
        ("a.none.x", "a.none is null and has no key x"),
        ("a.b.x", "a.b is a number and has no key x"),
        ("a.yes.x", "a.yes is a bool and has no key x"),
        ("a.text.x", "a.text is a string and has no key x"),
        ("a.list.x", "a.list is a list and has no key x"),
        ("a.list[5]", "index out of range"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "a number is out of range"),
        ("zz.y", "no such variable: zz"),
        ("size(1)", "size() does not take these arguments"),
        ("int('x')", "int() cannot take these arguments"),
        ("substring('abc', 9)", "substring() cannot take these arguments"),
        ("dnsLabel(1)", "dnsLabel() cannot take these arguments"),
        ("string([1])", "string() cannot take these arguments"),
        ("Foo{a: 1}", "cannot be evaluated"),
        ("b'x'", "the result is bytes: use base64.encode() or string()"),
        ("{1: 2}", "a key of the resulting map is not a string"),
        ("double('NaN')", "the result is not a JSON value"),
        ("1.0 / 0.0", "the result is not a JSON value"),
        ("a.map.map(k, k)", "a.map is a map, which has no order: use keys(a.map).map"),
        ("a.map.filter(k, true)", "a.map is a map, which has no order: use keys(a.map).filter"),
    ],
)
def test_an_evaluation_error_is_reported_in_plain_words(source: str, expected: str) -> None:
    assert reason(source) == expected


def test_mismatched_operands_are_reported_in_plain_words() -> None:
    assert reason("a.b + a.half").startswith("types do not fit")
    assert reason("1 + 'x'").startswith("types do not fit")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "empty expression"),
        (" // nothing", "empty expression"),
        ("1 +", "syntax error at column 4: mismatched input '<EOF>'"),
        ("1\n+", "syntax error at line 2, column 2: mismatched input '<EOF>'"),
        ("nope(1)", "unknown function nope()"),
        ("a.?b", "syntax error at column 2: unsupported syntax '.?'"),
        ("'\ud800'", "cannot be parsed"),
        ("1" * (MAX_SOURCE + 1), "longer than 1024 characters"),
    ],
)
def test_a_bad_source_is_refused_when_it_is_compiled(source: str, expected: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)

    assert caught.value.reason == expected


def test_references_leave_out_bound_variables_types_and_namespaces() -> None:
    expression = compile_expression("type(a.b) == int && b.exists(x, x == math.abs(c.credentials) && has(d.e))")

    assert expression.references == {"a", "b", "c", "d"}
    assert expression.bound == {"x"}


@pytest.mark.case(61)
@pytest.mark.parametrize(
    "source",
    [
        "{'a': 1}[s.secret]",
        "duration(s.secret)",
        "int(s.secret)",
        "timestamp(s.secret)",
        "bool(s.secret)",
        "base64.decode(s.secret)",
        "s.secret < 1",
        "s[s.secret]",
        "s.secret.x",
        "join([s], s.secret)",
        "'x'.matches('(' + s.secret)",
    ],
)
def test_no_value_appears_in_an_error_or_a_log(source: str, caplog: pytest.LogCaptureFixture) -> None:
    canary = f"canary {secrets.token_hex(16)} ("
    with caplog.at_level(logging.DEBUG), pytest.raises(ExpressionError) as caught:
        evaluate(source, {"s": {"secret": canary}})

    everything = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert canary.split()[1] not in everything
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", [object(), {1, 2}, "\ud800", {"k": "\udfff"}])
def test_an_activation_names_the_variable_that_is_not_json(value: object) -> None:
    with pytest.raises(ExpressionError, match=r"^a contains something that is not JSON or not valid Unicode$"):
        Activation({"a": value})


@pytest.mark.parametrize(
    "source",
    ["(" * MAX_SOURCE, "[" * 32 + "]" * 32, "!" * 1000 + "a.yes", "a.b" + "+a.b" * 255, "a" + "[a]" * 340],
)
def test_hostile_nesting_does_not_exhaust_the_stack_of_a_small_thread(source: str) -> None:
    outcomes = []

    def work() -> None:
        try:
            outcomes.append(evaluate(source))
        except ExpressionError as error:
            outcomes.append(error)

    previous = threading.stack_size(1024 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(previous)
    thread.join()

    assert len(outcomes) == 1


@given(st.text(max_size=200) | st.text("ab.([{'\"$}])?:+ 1,", max_size=60))
def test_any_source_is_compiled_or_refused(source: str) -> None:
    with contextlib.suppress(ExpressionError):
        compile_expression(source)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_json_value_is_returned_unchanged(value: object) -> None:
    assert evaluate("a", {"a": value}) == value
