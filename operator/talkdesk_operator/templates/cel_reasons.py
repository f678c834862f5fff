"""Why an expression could not be evaluated, in words of ours.

Belongs here: what a library's exception means, without any text of it: that could quote a secret. Does not belong here:
the evaluation (`cel`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from talkdesk_operator.templates.functions import FUNCTIONS, NATIVE_FUNCTIONS
from talkdesk_operator.templates.nearest import nearest

__all__ = ["Chains", "reason_of", "walk"]

Chains: TypeAlias = tuple[tuple[str, ...], ...]

_UNDEFINED = re.compile(r"Undefined variable or function: '([\w.]+)'")
_FAILED = re.compile(r"Function '([\w.]+)' error")


def reason_of(error: Exception, variables: Mapping[str, object], chains: Chains) -> str:
    """Return why an evaluation raised this error; `chains` are the members that the expression selects."""
    text = str(error)
    if undefined := _UNDEFINED.search(text):
        name = undefined[1]
        called = name in FUNCTIONS or name in NATIVE_FUNCTIONS
        return f"{name}() does not take these arguments" if called else f"no such variable: {name}"
    if failed := _FAILED.match(text):
        return f"{failed[1]}() cannot take these arguments"
    match error:
        case KeyError():
            return _missing_key(error, variables, chains)
        case TypeError():
            return _wrong_types(variables, chains)
        case IndexError():
            return "index out of range"
        case ZeroDivisionError():
            return "division by zero"
        case OverflowError():
            return "a number is out of range"
        case _:
            return "cannot be evaluated"


def _missing_key(error: KeyError, variables: Mapping[str, object], chains: Chains) -> str:
    key = error.args[0]
    for chain in chains:
        for end in range(1, len(chain)):
            parent = walk(variables, chain[:end])
            if chain[end] == key and isinstance(parent, Mapping) and key not in parent:
                return f"no such key: {'.'.join(chain[: end + 1])}{_alike(chain[:end], key, parent)}"
    # The key of an element (`x.name`) is in the source; one that was computed can be a secret.
    named = any(key in chain[1:] for chain in chains)
    return f"no such key: {key}" if named else "no such key"


def _wrong_types(variables: Mapping[str, object], chains: Chains) -> str:
    for chain in chains:
        for end in range(1, len(chain)):
            parent = walk(variables, chain[:end])
            if parent is not _ABSENT and not isinstance(parent, Mapping):
                return f"{'.'.join(chain[:end])} is {_kind(parent)} and has no key {chain[end]}"
    return "types do not fit: int, uint, double, string, bool and null do not mix, use int(), double() or string()"


def _alike(path: tuple[str, ...], key: str, parent: Mapping[object, object]) -> str:
    """Return the value whose name was most likely meant; what other variables have is checked with the template."""
    if path[:2] != ("tenant", "values"):
        return ""
    return nearest(key, (each for each in parent if isinstance(each, str)))


class _Absent:
    """The result of `walk` when there is no such value, because None is a value."""


_ABSENT: Final = _Absent()


def walk(variables: Mapping[str, object], chain: Sequence[str]) -> object:
    """Return the value at a chain of keys that begins with a variable; `_ABSENT` when there is none."""
    value: object = variables
    for key in chain:
        if not isinstance(value, Mapping) or key not in value:
            return _ABSENT
        value = value[key]
    return value if chain else _ABSENT


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a bool"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "a list"
