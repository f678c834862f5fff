"""Lexical analysis of CEL: where an expression ends, which names it binds, which keys it reads.

Belongs here: what can be seen from the tokens alone. The parser is the CEL library's, but it returns no syntax tree. So
what it does not return (the names that a macro binds, the path of a missing key) is read from the tokens.
Does not belong here: evaluation (`cel`), `${ }` segments (`leaves`).

The lexical rules are those of the CEL language definition, section "Syntax".
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

__all__ = ["MACROS", "Macro", "Token", "TokenKind", "chains", "closing_brace", "macros", "tokenize"]


class TokenKind(Enum):
    """The kind of a token; blanks and comments are not tokens."""

    STRING = auto()
    NUMBER = auto()
    NAME = auto()
    PUNCTUATION = auto()


class Token(NamedTuple):
    """A token and its position in the text (offsets in characters)."""

    kind: TokenKind
    text: str
    start: int
    end: int


class Macro(NamedTuple):
    """A comprehension such as `list.map(x, x + 1)`."""

    name: str
    bound: str
    """The variable that it binds."""
    target: tuple[str, ...]
    """What it iterates over, if that is a plain chain such as `tenant.values.env`; otherwise empty."""
    start: int
    """Index of the token that is its name."""
    arguments: range
    """Indices of the tokens within its parentheses."""


MACROS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})
"""The comprehensions of CEL; each binds the name that is its first argument."""

_PATTERN = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*)
  | (?P<string>
        [bB]?[rR](?:\"{3}[\s\S]*?\"{3} | '{3}[\s\S]*?'{3} | "[^"\r\n]*" | '[^'\r\n]*')
      | [bB]?(?:\"{3}(?:\\[\s\S]|[^\\])*?\"{3} | '{3}(?:\\[\s\S]|[^\\])*?'{3})
      | [bB]?(?:"(?:\\.|[^"\\\r\n])*" | '(?:\\.|[^'\\\r\n])*')
    )
  | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<punctuation>[\s\S])
    """,
    re.VERBOSE,
)
_KINDS: Final = {
    "string": TokenKind.STRING,
    "number": TokenKind.NUMBER,
    "name": TokenKind.NAME,
    "punctuation": TokenKind.PUNCTUATION,
}


def tokenize(text: str, start: int = 0, end: int | None = None) -> Iterator[Token]:
    """Yield the tokens of `text[start:end]`. Never fails: an unclosed quote is a punctuation token."""
    for match in _PATTERN.finditer(text, start, len(text) if end is None else end):
        if (kind := _KINDS.get(str(match.lastgroup))) is not None:
            yield Token(kind, match.group(), match.start(), match.end())


def closing_brace(text: str, start: int, limit: int) -> int | None:
    """Return where the brace that was opened just before `start` is closed, within `limit` characters; None if not.

    Braces within CEL's strings, comments and map literals do not count.
    """
    depth = 1
    for token in tokenize(text, start, min(len(text), start + limit + 1)):
        if token.kind is not TokenKind.PUNCTUATION:
            continue
        depth += (token.text == "{") - (token.text == "}")
        if depth == 0:
            return token.start
    return None


def chains(tokens: Sequence[Token]) -> tuple[tuple[str, ...], ...]:
    """Return each chain of member selections: `a.b["c"].size()` has the chain `("a", "b", "c")`."""
    found = []
    for index, token in enumerate(tokens):
        if token.kind is TokenKind.NAME and not (index and tokens[index - 1].text == "."):
            found.append(_chain(tokens, index))
    return tuple(found)


def _chain(tokens: Sequence[Token], index: int) -> tuple[str, ...]:
    chain = [tokens[index].text]
    index += 1
    while step := _selection(tokens[index : index + 4]):
        key, length = step
        chain.append(key)
        index += length
    return tuple(chain)


def _selection(ahead: Sequence[Token]) -> tuple[str, int] | None:
    """Return the key that `.key` or `["key"]` selects, and how many tokens that takes; None for anything else."""
    match [(token.kind, token.text) for token in ahead]:
        case [(_, "."), (TokenKind.NAME, _), (_, "("), *_]:
            return None  # a method
        case [(_, "."), (TokenKind.NAME, key), *_]:
            return key, 2
        case [(_, "["), (TokenKind.STRING, key), (_, "]"), *_] if key[0] in "\"'" and "\\" not in key:
            return key[1:-1], 3
        case _:
            return None


def with_null_absent(text: str, tokens: Sequence[Token]) -> str:
    """Return the text with each `has(a.b)` as `(has(a.b) && a.b != null)`: what is null is not there."""
    pieces, done = [], 0
    for index in range(len(tokens) - 2):
        name, opening, first = tokens[index : index + 3]
        is_method = index > 0 and tokens[index - 1].text == "."
        if (name.text, opening.text) != ("has", "(") or first.kind is not TokenKind.NAME or is_method:
            continue
        closing = _closing_parenthesis(tokens, index + 2)
        if closing < len(tokens):
            end = tokens[closing].end
            selected = text[first.start : tokens[closing].start]
            pieces += [text[done : name.start], f"({text[name.start : end]} && {selected} != null)"]
            done = end
    return "".join([*pieces, text[done:]])


def macros(tokens: Sequence[Token]) -> tuple[Macro, ...]:
    """Return the comprehensions in the order of the text."""
    found = []
    for index in range(1, len(tokens) - 2):
        dot, name, opening, bound = tokens[index - 1 : index + 3]
        if name.text in MACROS and (dot.text, opening.text) == (".", "(") and bound.kind is TokenKind.NAME:
            arguments = range(index + 2, _closing_parenthesis(tokens, index + 2))
            found.append(Macro(name.text, bound.text, _target(tokens, index - 1), index, arguments))
    return tuple(found)


def _closing_parenthesis(tokens: Sequence[Token], start: int) -> int:
    """Return the index of the token that closes the parenthesis opened just before `start`, or the end."""
    depth = 1
    for index in range(start, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    return len(tokens)


def _target(tokens: Sequence[Token], dot: int) -> tuple[str, ...]:
    """Return the chain that ends just before the token at `dot`; empty if something else is there."""
    start = dot
    while start >= 1 and tokens[start - 1].kind is TokenKind.NAME:
        start -= 1
        if not (start >= 1 and tokens[start - 1].text == "."):
            return tuple(token.text for token in tokens[start:dot:2])
        start -= 1
    return ()
