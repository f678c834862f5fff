"""How much work CEL expressions may cause, and which of them may be evaluated in this process.

Belongs here: the limits and their reasons. Does not belong here: enforcing the limits of functions' results
(`functions`), the process in which everything else is evaluated (`evaluator`).

Nothing interrupts an evaluation. So one that may take long, by a generous estimate from its source and the data, is
made in a child process, which the kernel ends when its processor time is used up. What is left takes milliseconds.

Without comprehensions the work is proportional to the source and the data. With them it is not: the library's `map` and
`filter` copy their whole result for each element (1,000 numbers take 0.06 s, 8,000 take 4 s), a nested one would take
cubic time, and `x + x` in one `map` after another doubles a text each time. Hence one `map` or `filter` per expression,
no nesting, and an estimate of what it copies before it is evaluated.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from talkdesk_operator.templates.cel_lexer import Macro, Token, TokenKind

__all__ = [
    "EVALUATION_MEMORY",
    "EVALUATION_SECONDS",
    "MAX_CONVERTED",
    "MAX_EFFORT",
    "MAX_EXPRESSIONS",
    "MAX_ITEMS",
    "MAX_LIST",
    "MAX_PASS_SECONDS",
    "MAX_SOURCE",
    "MAX_TEXT",
    "TOO_MUCH_MEMORY",
    "Copying",
    "Effort",
    "Spent",
    "copying",
    "effort",
    "measure",
    "source_excess",
]

MAX_SOURCE: Final = 1024
"""Characters of an expression. Twice as many do not exhaust the stack of a thread of 1 MB, four times as many do."""
MAX_LIST: Final = 500
"""Elements of a list that a function returns."""
MAX_TEXT: Final = 65_536
"""Characters of a text that a function returns: about 20 times a PEM key."""

EVALUATION_SECONDS: Final = 0.25
"""Processor time of one evaluation in the child process."""
EVALUATION_MEMORY: Final = 128 * 1024 * 1024
"""Bytes that the child process may take beside what it has at its start."""
TOO_MUCH_MEMORY: Final = "takes too much memory"
MAX_EFFORT: Final = 100_000_000
"""Units of an evaluation in this process: about 20 ms, as measured with the worst of each kind."""
_SMALL_EFFORT: Final = 1_000_000
"""Units of an evaluation that is not worth counting."""
MAX_CONVERTED: Final = 10_000_000
"""Size of variables that are converted in this process: about 10 ms."""
MAX_EXPRESSIONS: Final = 10_000
"""Expressions of a template: 20 for each of 500 objects. Compiling one takes 70 us."""
MAX_ITEMS: Final = 100
"""Elements of a step's `forEach`: each costs as much as the variables do, some hundred us."""
MAX_PASS_EFFORT: Final = 1_000_000_000
"""Units of all evaluations with the same variables in this process that are worth counting: about 0.2 s."""
MAX_PASS_SECONDS: Final = 1.0
"""Processor time of all evaluations with the same variables in the child process."""
MAX_PASS_RESULTS: Final = 8 * 1024 * 1024
"""Size of all values that are filled in with the same variables; etcd takes 1.5 MiB for an object."""

_MAX_COMPREHENSIONS = 4
_MAX_TOKENS = 128
"""Tokens of an expression with comprehensions: enough to look up four conditions of a status."""
_MAX_COPIED = 2_000_000_000
"""Bytes that a `map` or `filter` may copy; about a second."""
_COPY_OVERHEAD = 256
"""Bytes that could be copied in the time that it takes to copy the smallest element."""
_COPYING = frozenset({"map", "filter"})
_CALLBACK_FACTOR: Final = 5
"""How much more it costs to hand data to a function in Python than to compare it."""


class Spent:
    """What one pass over a template has used up so far."""

    __slots__ = ("effort", "results", "seconds")

    def __init__(self) -> None:
        self.effort = 0
        self.seconds = 0.0
        self.results = 0

    def takes(self, effort: int) -> bool:
        """Return whether an evaluation of so many units may be made in this process, and count it."""
        if effort <= _SMALL_EFFORT:
            return True
        if effort > MAX_EFFORT or self.effort + effort > MAX_PASS_EFFORT:
            return False
        self.effort += effort
        return True

    def excess(self) -> str | None:
        """Return what was used up; None if nothing was."""
        if self.seconds > MAX_PASS_SECONDS:
            return f"the expressions take more than {MAX_PASS_SECONDS:.0f} s of processor time together"
        if self.results > MAX_PASS_RESULTS:
            return f"what is filled in has more than {MAX_PASS_RESULTS // 1024**2} MiB together"
        return None


@dataclass(frozen=True, slots=True)
class Effort:
    """What the source shows of the work of one evaluation."""

    pieces: int
    """How often it may go through the data: names, texts, and what `+` copies."""
    repeats: bool
    """Whether all of that may be done for each element of a list."""
    longest: int
    """Elements of the longest list that does not come from the data."""
    always_long: bool
    """Whether no data is so small that it ends soon: compiling a regular expression can take seconds."""

    def units(self, longest: int, weight: int) -> int:
        """Return the work with data of that longest list and size; one unit is about 0.2 ns."""
        return (max(longest, self.longest) if self.repeats else 1) * self.pieces * weight


def effort(tokens: Sequence[Token], macros: Sequence[Macro], callbacks: AbstractSet[str]) -> Effort:
    """Return what the source shows of the work; `callbacks` are the functions in Python."""
    names = sum(token.kind in {TokenKind.NAME, TokenKind.STRING} for token in tokens)
    joins = 1 + sum(token.text == "+" for token in tokens)
    calls = any(token.text in callbacks for token in tokens)
    pieces = max(1, names) * joins * (_CALLBACK_FACTOR if calls and macros else 1)
    longest = MAX_LIST if calls else 1 + sum(token.text == "," for token in tokens)
    return Effort(pieces, bool(macros), longest, always_long=any(token.text == "matches" for token in tokens))


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
        longest, weight = measure(values)
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


def measure(values: Iterable[object], each: int = 0, most: int = sys.maxsize) -> tuple[int, int]:
    """Return the length of the longest list or map in the values, and their size: in characters, and `each` a value.

    It stops where the size is more than `most`.
    """
    longest = weight = 0
    pending = list(values)
    while pending and weight <= most:
        weight += each
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
