from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talkdesk_operator.templates.cel import Activation
from talkdesk_operator.templates.errors import Problem, RenderError
from talkdesk_operator.templates.leaves import compile_tree, expressions, fill

DATA: dict[str, Any] = {"a": {"n": 3, "f": 1.0, "yes": True, "none": None, "list": [1], "text": "x", "${": "k"}}


def filled(tree: object, data: dict[str, Any] | None = None) -> Any:
    problems: list[Problem] = []
    node = compile_tree(tree, "m", problems)
    assert problems == []
    scope = Activation(DATA if data is None else data)
    return fill(node, lambda _: scope)


def problems_of(tree: object) -> list[str]:
    problems: list[Problem] = []
    compile_tree(tree, "m", problems)
    return [problem.message for problem in problems]


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ("${a.n}", 3),
        ("${ a.yes }", True),
        ("${a.none}", None),
        ("${a.list}", [1]),
        ("${ {'k': {'j': 1}}.k.j }", 1),
        ("${'}'}", "}"),
        ("${a['${']}", "k"),
        ("n=${a.n} f=${a.f} yes=${a.yes} text=${a.text}", "n=3 f=1.0 yes=true text=x"),
        ("${a.n}${a.n}", "33"),
        (" ${a.n}", " 3"),
        ("$${a.n}", "${a.n}"),
        ("$$${a.n}", "$${a.n}"),
        ("${a.n}$${a.n}${a.n}", "3${a.n}3"),
        ("${'$'}${a.n}", "$3"),
        ("$5 and $ and {}", "$5 and $ and {}"),
        ("", ""),
    ],
)
def test_a_leaf_is_filled_in(leaf: str, expected: object) -> None:
    value = filled(leaf)

    assert value == expected
    assert type(value) is type(expected)


def test_a_tree_keeps_its_shape() -> None:
    tree = {"a": ["${a.n}", None, True, 1.5, {"b": "x"}], "c": ("y",)}

    assert filled(tree) == {"a": [3, None, True, 1.5, {"b": "x"}], "c": ["y"]}


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ({"k": "${a"}, "m.k: the expression after ${ has no closing brace"),
        ({"k": "x ${'a}"}, "m.k: syntax error at column 1: token recognition error at: ''a'"),
        ({"k": "${" + "1" * 2000 + "}"}, "m.k: the expression after ${ is longer than 1024 characters"),
        ({"k": ["${}"]}, "m.k[0]: empty expression"),
        ({"${a}": 1}, 'm["${a}"]: a key cannot contain ${ }'),
        ({"x.y/z": "${1 +}"}, "m[\"x.y/z\"]: syntax error at column 4: mismatched input '<EOF>'"),
        ({1: "x"}, "m: the key 1 is not a string"),
        ({"k": float("nan")}, "m.k: is not a JSON value: float"),
        ({"k": b"x"}, "m.k: is not a JSON value: bytes"),
    ],
)
def test_a_problem_is_reported_with_its_path(tree: object, problem: str) -> None:
    assert problems_of(tree) == [problem]


def test_all_problems_are_reported() -> None:
    assert len(problems_of({"a": "${", "b": ["${1 +}", "${}"]})) == 3


TERNARY = "a.text == 'y' ? '' : null"
LONG = f"m.k: {TERNARY} is null, which cannot be part of a text:"


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ("${a.zz}", "m.k: no such key: a.zz"),
        ("x${a.zz}", "m.k: no such key: a.zz"),
        ("x${a.none}", "m.k: a.none is null, which cannot be part of a text: write ${a.none != null ? a.none : ''}"),
        ("x${a.text == 'y' ? '' : null}", f"{LONG} write ${{({TERNARY}) != null ? ({TERNARY}) : ''}}"),
        ("x${a.list}", "m.k: a.list is a list, which cannot be part of a text: write ${a.list.join(',')}"),
        ("x${a}", "m.k: a is a map, which cannot be part of a text"),
    ],
)
def test_a_leaf_that_cannot_be_filled_in_is_reported_with_its_path(leaf: str, message: str) -> None:
    with pytest.raises(RenderError) as caught:
        filled({"k": leaf})

    assert str(caught.value) == message


def test_expressions_come_with_the_paths_of_their_leaves() -> None:
    problems: list[Problem] = []
    node = compile_tree({"a": ["x", "${p} ${q}"], "b": "${r}", "c": 1}, "m", problems)

    assert [(path, found.source) for path, found in expressions(node)] == [
        ("m.a[1]", "p"),
        ("m.a[1]", "q"),
        ("m.b", "r"),
    ]


@pytest.mark.case(57)
@given(st.text())
@example("${a.n}")
@example("$${")
@example("\u30a2\u30af\u30e1 \U0001f600 \"quotes\" 'and' \\ ${credentials.clientSecret}\n" + "x" * 300)
def test_any_value_is_filled_in_unchanged(value: str) -> None:
    assert filled("${v}", {"v": value}) == value
    assert filled({"k": "<${v}|${v}>"}, {"v": value}) == {"k": f"<{value}|{value}>"}


@given(st.text() | st.text("${}a'", max_size=12))
def test_any_text_can_be_written_with_escapes(text: str) -> None:
    assert filled(text.replace("${", "$${")) == text


@given(st.text("${}a'\"\\/ \n.", max_size=30))
def test_any_leaf_is_compiled_or_reported(leaf: str) -> None:
    assert all(message.startswith("m: ") for message in problems_of(leaf))
