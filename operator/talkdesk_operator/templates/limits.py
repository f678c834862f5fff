"""How much work one CEL expression may cause. Nothing interrupts an evaluation, so it is bounded before it starts.

Belongs here: the limits and their reasons. Does not belong here: enforcing the limits of functions' results
(`functions`).

Without comprehensions the work is proportional to the source and the data. With them it is not: the library's `map` and
`filter` copy their whole result for each element (1,000 numbers take 0.06 s, 8,000 take 4 s), a nested one would take
cubic time, and `x + x` in one `map` after another doubles a text each time. Hence one `map` or `filter` per expression,
no nesting, and an estimate of what it copies before it is evaluated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from talkdesk_operator.templates.cel_lexer import Macro, Token, TokenKind

__all__ = ["MAX_LIST", "MAX_SOURCE", "MAX_TEXT", "Copying", "copying", "source_excess"]

MAX_SOURCE: Final = 1024
"""Characters of an expression. Twice as many do not exhaust the stack of a thread of 1 MB, four times as many do."""
MAX_LIST: Final = 500
"""Elements of a list that a function returns."""
MAX_TEXT: Final = 65_536
"""Characters of a text that a function returns: about 20 times a PEM key."""

_MAX_COMPREHENSIONS = 4
_MAX_TOKENS = 128
"""Tokens of an expression with comprehensions: enough to look up four conditions of a status."""
_MAX_COPIED = 2_000_000_000
"""Bytes that a `map` or `filter` may copy; about a second."""
_COPY_OVERHEAD = 256
"""Bytes that could be copied in the time that it takes to copy the smallest element."""
_COPYING = frozenset({"map", "filter"})


@dataclass(frozen=True, slots=True)
class Copying:
    """What the source shows about how much its `map` or `filter` copies."""

    lists: int
    """How many lists may be joined by `+` to the one that it iterates over."""
    longest_list: int
    """Elements of the longest list that does not come from the data."""
    pieces: int
    """How many names and texts may make up an element of the result."""
    longest_text: int
    """Characters of the longest text that does not come from the data."""

    def is_too_much(self, values: Iterable[object]) -> bool:
        """Return whether this would be too much work with the data that the expression refers to."""
        longest, weight = _measure(values)
        elements = self.lists * max(longest, self.longest_list)
        return elements**2 // 2 * self.pieces * (max(weight, self.longest_text) + _COPY_OVERHEAD) > _MAX_COPIED


def source_excess(tokens: Sequence[Token], macros: Sequence[Macro]) -> str | None:
    """Return why an expression is too much work, whatever the data is; None if it is not."""
    if len(macros) > _MAX_COMPREHENSIONS:
        return f"more than {_MAX_COMPREHENSIONS} comprehensions (map, filter, all, exists, exists_one)"
    if sum(macro.name in _COPYING for macro in macros) > 1:
        return "more than one map or filter; map(x, condition, value) does both"
    if any(inner.start in outer.arguments for outer in macros for inner in macros):
        return "a comprehension is nested in another"
    if macros and len(tokens) > _MAX_TOKENS:
        return f"more than {_MAX_TOKENS} tokens in an expression with a comprehension"
    return None


def copying(tokens: Sequence[Token], macros: Sequence[Macro]) -> Copying | None:
    """Return an estimate from the source of what its only `map` or `filter` copies; None if it has none."""
    for macro in macros:
        if macro.name in _COPYING:
            inside = [tokens[index] for index in macro.arguments]
            outside = [token for index, token in enumerate(tokens) if index not in macro.arguments]
            return Copying(
                lists=1 + sum(token.text == "+" for token in outside),
                longest_list=MAX_LIST if _calls(outside, {"split", "flatten"}) else _MAX_TOKENS // 2,
                pieces=sum(token.kind in {TokenKind.NAME, TokenKind.STRING} for token in inside),
                longest_text=MAX_TEXT if _calls(inside, {"replace", "join"}) else MAX_SOURCE,
            )
    return None


def _calls(tokens: Iterable[Token], names: set[str]) -> bool:
    return any(token.text in names for token in tokens)


def _measure(values: Iterable[object]) -> tuple[int, int]:
    """Return the length of the longest list or map in the values, and the approximate size of all in characters."""
    longest = weight = 0
    pending = list(values)
    while pending:
        match pending.pop():
            case str() as text:
                weight += len(text)
            case Mapping() as mapping:
                longest = max(longest, len(mapping))
                weight += sum(map(len, mapping))
                pending.extend(mapping.values())
            case list() | tuple() as items:
                longest = max(longest, len(items))
                pending.extend(items)
            case _:
                pass
    return longest, weight
