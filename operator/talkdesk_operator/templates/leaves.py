"""`${ CEL }` in the string leaves of a manifest: found and compiled once, filled in for each account.

Belongs here: the scanner, the compiled tree and how it is filled in. Does not belong here: Kubernetes, which variables
may be used where (`template`).

Rules: only values are templates, never keys. `$${` stands for a literal `${`. A leaf that is a single expression keeps
the type of its value; otherwise the parts are joined as text, with numbers and bools as in JSON. The value of an
expression is never scanned again, so a value that contains `${` stays text and no value can inject structure. The text
`$` directly before an expression is written `${"$"}${...}`.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from talkdesk_operator.templates.cel import Activation, Exhausted, Expression, ExpressionError, compile_expression
from talkdesk_operator.templates.cel_lexer import closing_brace
from talkdesk_operator.templates.errors import Problem, RenderError, child
from talkdesk_operator.templates.limits import MAX_SOURCE, Spent

__all__ = [
    "Constant",
    "Leaf",
    "ListNode",
    "MapNode",
    "Node",
    "activation",
    "compile_leaf",
    "compile_map",
    "compile_tree",
    "expressions",
    "fill",
]


_SELECTION: Final = re.compile(r"[\w.]+")


@dataclass(frozen=True, slots=True)
class Constant:
    """A leaf without expressions: text, number, bool or null."""

    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf with expressions."""

    path: str
    parts: tuple[str | Expression, ...]
    """Text and expressions in their order. A single expression is the whole leaf."""


@dataclass(frozen=True, slots=True)
class MapNode:
    """A map."""

    items: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    items: tuple["Node", ...]


Node = Constant | Leaf | MapNode | ListNode


def compile_tree(tree: object, path: str, problems: list[Problem]) -> Node:
    """Compile a manifest or a part of it; problems are added to `problems`, with their paths."""
    match tree:
        case str():
            return compile_leaf(tree, path, problems)
        case Mapping():
            return compile_map(tree, path, problems)
        case list() | tuple():
            return ListNode(tuple(compile_tree(item, child(path, index), problems) for index, item in enumerate(tree)))
        case None | bool() | int():
            return Constant(tree)
        case float() if math.isfinite(tree):
            return Constant(tree)
        case _:
            problems.append(Problem(path, f"is not a JSON value: {type(tree).__name__}"))
            return Constant(None)


def compile_map(tree: Mapping[Any, object], path: str, problems: list[Problem]) -> MapNode:
    """Compile a map, such as a whole manifest; problems are added to `problems`, with their paths."""
    return MapNode(tuple(_items(tree, path, problems)))


def _items(tree: Mapping[Any, object], path: str, problems: list[Problem]) -> Iterator[tuple[str, Node]]:
    for key, value in tree.items():
        if not isinstance(key, str):
            problems.append(Problem(path, f"the key {key!r} is not a string"))
            continue
        if "${" in key:
            problems.append(Problem(child(path, key), "a key cannot contain ${ }"))
        yield key, compile_tree(value, child(path, key), problems)


def compile_leaf(text: str, path: str, problems: list[Problem]) -> Constant | Leaf:
    """Compile one string leaf; problems are added to `problems`."""
    parts: list[str | Expression] = []
    try:
        for literal, source in _segments(text):
            if literal:
                parts.append(literal)
            if source is not None:
                parts.append(compile_expression(source))
    except ExpressionError as error:
        problems.append(Problem(path, error.reason))
        return Constant(None)
    if any(isinstance(part, Expression) for part in parts):
        return Leaf(path, tuple(parts))
    return Constant("".join(part for part in parts if isinstance(part, str)))


def _segments(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield pairs of literal text and the source of the expression after it; None at the end and after an escape."""
    start = 0
    while (dollar := text.find("${", start)) >= 0:
        if dollar > start and text[dollar - 1] == "$":
            yield text[start : dollar - 1] + "${", None
            start = dollar + 2
            continue
        end = closing_brace(text, dollar + 2, MAX_SOURCE)
        if end is None:
            reason = (
                f"is longer than {MAX_SOURCE} characters" if len(text) - dollar > MAX_SOURCE else "has no closing brace"
            )
            raise ExpressionError(text[dollar : dollar + MAX_SOURCE], f"the expression after ${{ {reason}")
        yield text[start:dollar], text[dollar + 2 : end].strip()
        start = end + 1
    yield text[start:], None


def expressions(node: Node) -> Iterator[tuple[str, Expression]]:
    """Yield each expression of the tree with the path of its leaf."""
    match node:
        case Constant():
            return
        case Leaf():
            yield from ((node.path, part) for part in node.parts if isinstance(part, Expression))
        case MapNode():
            for _, item in node.items:
                yield from expressions(item)
        case ListNode():
            for item in node.items:
                yield from expressions(item)
        case _:
            assert_never(node)


def activation(context: Mapping[str, Any], names: frozenset[str], path: str, spent: Spent | None = None) -> Activation:
    """Return those variables of the context that are in `names`. Raises RenderError with `path`."""
    try:
        return Activation({name: context[name] for name in sorted(names) if name in context}, spent)
    except ExpressionError as error:
        reason = error.reason
    # Raised outside the handler, so that no foreign exception with data in its text is attached to ours.
    raise RenderError(path, reason)


def fill(node: Node, activation_for: Callable[[Expression], Activation]) -> Any:
    """Return the tree as new, plain JSON. Raises RenderError with the path of the first leaf that cannot be filled in.

    `activation_for` returns the variables that an expression may see.
    """
    match node:
        case Constant():
            return node.value
        case Leaf():
            return _filled(node, activation_for)
        case MapNode():
            return {key: fill(item, activation_for) for key, item in node.items}
        case ListNode():
            return [fill(item, activation_for) for item in node.items]
        case _:
            assert_never(node)


def _filled(leaf: Leaf, activation_for: Callable[[Expression], Activation]) -> Any:
    values = []
    for part in leaf.parts:
        if isinstance(part, str):
            values.append(part)
            continue
        try:
            value = part.evaluate(activation_for(part))
            values.append(value if len(leaf.parts) == 1 else _text(value, part.source))
        except ExpressionError as error:
            reason, exhausted = error.reason, isinstance(error, Exhausted)
            passing = isinstance(error, Exhausted) and error.passing
        else:
            continue
        raise RenderError(leaf.path, reason, exhausted=exhausted, passing=passing)
    return values[0] if len(values) == 1 else "".join(values)


def _text(value: object, source: str) -> str:
    """Return the value as text; raise ExpressionError for one that has none, and say how it can be written."""
    match value:
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
        case None:
            value = source if _SELECTION.fullmatch(source) else f"({source})"
            reason = f"{source} is null, which cannot be part of a text: write ${{{value} != null ? {value} : ''}}"
        case list():
            reason = f"{source} is a list, which cannot be part of a text: write ${{{source}.join(',')}}"
        case _:
            reason = f"{source} is a map, which cannot be part of a text"
    raise ExpressionError(source, reason)
