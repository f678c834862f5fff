"""What is evaluated at once, and what beside the event loop: by the expression, and by how much data there is."""

from typing import Any

import pytest

from talkdesk_operator.templates.cel import compile_expression
from talkdesk_operator.templates.render import takes_long
from talkdesk_operator.templates.template import CompiledTemplate, StepSource

LARGE = ["x" * 1000] * 10_000


@pytest.mark.parametrize(
    ("source", "value", "short"),
    [
        ("object.status.phase == 'Ready'", "Ready", True),
        ("object.status.phase.matches('a+')", "a", False),
        ("object.status.phase.exists(x, x in object.status.phase)", ["a"], True),
        ("object.status.phase.exists(x, x in object.status.phase)", LARGE, False),
    ],
    ids=["short", "a regular expression", "every element, of which there is one", "every element of many"],
)
def test_an_expression_is_short_by_what_it_says_and_by_its_data(source: str, value: Any, *, short: bool) -> None:
    assert compile_expression(source).is_short({"object": {"status": {"phase": value}}}) is short


@pytest.mark.parametrize(
    ("value", "data", "long"),
    [
        ("${account.name}", "acme", False),
        ("${account.name.matches('a+') ? 'a' : 'b'}", "acme", True),
        ("${string(size(account.name))}", LARGE, True),
    ],
    ids=["short", "a regular expression", "much data"],
)
def test_rendering_takes_long_by_its_expressions_and_by_its_data(value: str, data: Any, *, long: bool) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": value}}
    template = CompiledTemplate.compile("td-${account.id}", [StepSource("base", [manifest])], "1")
    assert takes_long(template, {"account": {"id": "a", "name": data}}) is long
