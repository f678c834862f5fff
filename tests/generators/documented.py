"""Enumerations of our code with the sentence that stands below each member in the source."""

import ast
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

__all__ = ["documented"]


def documented(enum: type[StrEnum]) -> Iterator[tuple[str, str]]:
    """Yield the members of an enumeration with the sentence that stands below each in the source."""
    texts = dict(_sentences(enum))
    for member in enum:
        yield f"`{member.value}`", texts[member.name]


def _sentences(enum: type[StrEnum]) -> Iterator[tuple[str, str]]:
    source = Path(str(__import__(enum.__module__, fromlist=["__file__"]).__file__)).read_text(encoding="utf-8")
    (found,) = (
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == enum.__name__
    )
    for first, second in zip(found.body, found.body[1:], strict=False):
        match first, second:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())
            case _:
                pass
