"""CEL expressions: compiled once, evaluated often, with plain JSON in and out.

Belongs here: the only use of the CEL library. Does not belong here: `${ }` segments (`leaves`), which variables a
template may use (`template`), Kubernetes.

    ExpressionError    the expression is wrong, or cannot be evaluated with this data

Facts about the library (common-expression-language 0.10, over the Rust crate cel), as measured:

* A missing key raises `KeyError(key)` without its path, and with the *value* where the key was computed; a conversion
  repeats its input. So no text of the library is passed on; the reasons are ours, and name only what the source names.
* `has(a.b)` is true for a null; selecting from null is a type error. int, uint and double do not mix. `.?` and `[?]`
  are not supported. Maps have no order: it differs with each evaluation.
* Building a context costs 3 to 5 us for each text and map in it, compiling 50 us, evaluating 0.5 us, calling a Python
  function 4 us. Hence `Activation`, which is built once for many expressions.
* Programs may be shared among threads. A panic becomes an exception. The parser stops at 96 levels of nesting; the
  stack of a thread of 1 MB was exhausted by 4,000 characters, not by 2,000.
* Nothing interrupts an evaluation, and comprehensions can make work and data grow: see `limits`.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cel

from talkdesk_operator.templates import cel_lexer
from talkdesk_operator.templates.functions import FUNCTIONS, NAMESPACES, NATIVE_FUNCTIONS
from talkdesk_operator.templates.limits import MAX_SOURCE, Copying, copying, source_excess

__all__ = ["Activation", "Expression", "ExpressionError", "compile_expression"]

_TYPE_NAMES: Final = frozenset(
    {"bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string", "timestamp", "type", "uint"}
)
_UNDEFINED = re.compile(r"Undefined variable or function: '([\w.]+)'")
_FAILED = re.compile(r"Function '([\w.]+)' error")
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


class ExpressionError(ValueError):
    """An expression is wrong, or cannot be evaluated with this data. It never contains a value of the data."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(reason)
        self.source = source
        self.reason = reason


class Activation:
    """Variables for many evaluations, converted once. Not for use by two threads at the same time."""

    def __init__(self, variables: Mapping[str, object]) -> None:
        """Convert the variables: plain JSON values under their names.

        Raises ExpressionError, naming the variable, for a value that is not JSON or not valid Unicode.
        """
        self.variables = variables
        self.context = cel.Context({}, dict(FUNCTIONS))
        for name, value in variables.items():
            if not _converts(self.context, name, value):
                raise ExpressionError("", f"{name} contains something that is not JSON or not valid Unicode")


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    references: frozenset[str]
    """The variables it needs, without those that its comprehensions bind."""
    bound: frozenset[str]
    """The variables that its comprehensions bind."""
    _program: cel.Program
    _chains: tuple[tuple[str, ...], ...]
    _macros: tuple[cel_lexer.Macro, ...]
    _copying: Copying | None

    def evaluate(self, context: Mapping[str, object] | Activation) -> Any:
        """Return the value as plain JSON: timestamps as RFC 3339 in UTC, durations as seconds such as `90s`.

        Raises ExpressionError when a key is missing, types do not fit, or the result is no JSON.
        """
        scope = context if isinstance(context, Activation) else Activation(context)
        self._check_work(scope.variables)
        try:
            result, reason = self._program.execute(scope.context), ""
        except Exception as error:  # noqa: BLE001 - the library raises built-in exceptions of many kinds
            result, reason = None, self._reason(error, scope.variables)
        # Raised outside the handler, so that no foreign exception with data in its text is attached to ours.
        if reason:
            raise ExpressionError(self.source, reason)
        return self._plain(result)

    def _check_work(self, variables: Mapping[str, object]) -> None:
        for macro in self._macros:
            if macro.name in {"map", "filter"} and isinstance(_walk(variables, macro.target), Mapping):
                where = ".".join(macro.target)
                raise ExpressionError(
                    self.source, f"{where} is a map, which has no order: use keys({where}).{macro.name}"
                )
        if self._copying is not None and self._copying.is_too_much(variables.get(name) for name in self.references):
            raise ExpressionError(self.source, "too much data for a map or filter")

    def _reason(self, error: Exception, variables: Mapping[str, object]) -> str:
        text = str(error)
        if undefined := _UNDEFINED.search(text):
            name = undefined[1]
            called = name in FUNCTIONS or name in NATIVE_FUNCTIONS
            return f"{name}() does not take these arguments" if called else f"no such variable: {name}"
        if failed := _FAILED.match(text):
            return f"{failed[1]}() cannot take these arguments"
        match error:
            case KeyError():
                return self._missing_key(error, variables)
            case TypeError():
                return self._wrong_types(variables)
            case IndexError():
                return "index out of range"
            case ZeroDivisionError():
                return "division by zero"
            case OverflowError():
                return "a number is out of range"
            case _:
                return "cannot be evaluated"

    def _missing_key(self, error: KeyError, variables: Mapping[str, object]) -> str:
        key = error.args[0]
        for chain in self._chains:
            for end in range(1, len(chain)):
                parent = _walk(variables, chain[:end])
                if chain[end] == key and isinstance(parent, Mapping) and key not in parent:
                    return f"no such key: {'.'.join(chain[: end + 1])}"
        # The key of an element (`x.name`) is in the source; one that was computed can be a secret.
        named = any(key in chain[1:] for chain in self._chains)
        return f"no such key: {key}" if named else "no such key"

    def _wrong_types(self, variables: Mapping[str, object]) -> str:
        for chain in self._chains:
            for end in range(1, len(chain)):
                parent = _walk(variables, chain[:end])
                if parent is not _ABSENT and not isinstance(parent, Mapping):
                    return f"{'.'.join(chain[:end])} is {_kind(parent)} and has no key {chain[end]}"
        return "types do not fit: int, uint, double, string, bool and null do not mix, use int(), double() or string()"

    def _plain(self, value: object) -> Any:
        match value:
            case None | bool() | int() | str():
                return value
            case float() if math.isfinite(value):
                return value
            case dt.datetime():
                return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
            case dt.timedelta():
                return _seconds(value)
            case list():
                return [self._plain(item) for item in value]
            case dict() if all(isinstance(key, str) for key in value):
                return {key: self._plain(value[key]) for key in sorted(value)}
            case dict():
                raise ExpressionError(self.source, "a key of the resulting map is not a string")
            case bytes():
                raise ExpressionError(self.source, "the result is bytes: use base64.encode() or string()")
            case _:
                raise ExpressionError(self.source, "the result is not a JSON value")


def compile_expression(source: str) -> Expression:
    """Compile `source`. Raises ExpressionError for bad syntax, unknown functions and exceeded limits."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError(source, f"longer than {MAX_SOURCE} characters")
    listed = tuple(cel_lexer.tokenize(source))
    if not listed:
        raise ExpressionError(source, "empty expression")
    program = _compiled(source)
    macros = cel_lexer.macros(listed)
    if (excess := source_excess(listed, macros)) is not None:
        raise ExpressionError(source, excess)
    _check_functions(source, program)
    bound = frozenset(macro.bound for macro in macros)
    references = frozenset(program.variables()) - bound - _TYPE_NAMES - NAMESPACES
    return Expression(source, references, bound, program, cel_lexer.chains(listed), macros, copying(listed, macros))


def _compiled(source: str) -> cel.Program:
    try:
        return cel.compile(source)
    except ValueError as error:  # a syntax error, or text that is not valid Unicode
        found = _SYNTAX.search(str(error))
    if found is None:
        raise ExpressionError(source, "cannot be parsed")
    line, column, explanation = found.groups()
    place = f"column {column}" if line == "1" else f"line {line}, column {column}"
    # The parser adds what it would have accepted instead: a list of about twenty tokens.
    raise ExpressionError(source, f"syntax error at {place}: {explanation.partition(' expecting {')[0]}")


def _check_functions(source: str, program: cel.Program) -> None:
    known = NATIVE_FUNCTIONS | {name.rpartition(".")[2] for name in FUNCTIONS}
    for name in program.functions():
        # Operators and what macros expand to have names such as `_+_` and `@in`.
        if name.isidentifier() and name not in known:
            raise ExpressionError(source, f"unknown function {name}()")


def _converts(context: cel.Context, name: str, value: object) -> bool:
    try:
        context.add_variable(name, value)
    except (ValueError, TypeError):
        return False
    return True


class _Absent:
    """The result of `_walk` when there is no such value, because None is a value."""


_ABSENT: Final = _Absent()


def _walk(variables: Mapping[str, object], chain: Sequence[str]) -> object:
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


def _seconds(value: dt.timedelta) -> str:
    micros = value // dt.timedelta(microseconds=1)
    whole, fraction = divmod(abs(micros), 1_000_000)
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole}" + (f".{fraction:06}".rstrip("0") if fraction else "") + "s"
