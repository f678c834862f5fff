"""CEL expressions: compiled once, evaluated often, with plain JSON in and out.

Belongs here: the only use of the CEL library. Does not belong here: `${ }` segments (`leaves`), which variables a
template may use (`template`), Kubernetes.

    ExpressionError    the expression is wrong, or cannot be evaluated with this data

Facts about the library (common-expression-language 0.10, over the Rust crate cel), as measured:

* A missing key raises `KeyError(key)` without its path, and with the *value* where the key was computed; a conversion
  repeats its input. So no text of the library is passed on; the reasons are ours, and name only what the source names.
* The library's `has(a.b)` is true for a null, which is how a fact that is not known is written: so it is compiled as
  `(has(a.b) && a.b != null)`. Selecting from null is a type error. int, uint and double do not mix. `.?` and `[?]`
  are not supported. Maps have no order: it differs with each evaluation.
* Building a context costs 3 to 5 us for each text and map in it, compiling 50 us, evaluating 0.5 us, calling a Python
  function 4 us. Hence `Activation`, which is built once for many expressions.
* Programs may be shared among threads. A panic becomes an exception. The parser stops at 96 levels of nesting; the
  stack of a thread of 1 MB was exhausted by 4,000 characters, not by 2,000.
* Nothing interrupts an evaluation, and comprehensions can make work and data grow: see `limits`. The library compiles a
  regular expression anew at each evaluation, for which repetitions within repetitions take 0.5 s.
"""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cel

from talkdesk_operator.templates import cel_lexer
from talkdesk_operator.templates.cel_reasons import reason_of, walk
from talkdesk_operator.templates.evaluator import EVALUATOR, EvaluationError, Variables
from talkdesk_operator.templates.functions import FUNCTIONS, NAMESPACES, NATIVE_FUNCTIONS
from talkdesk_operator.templates.here_only import TakesLong, is_here_only
from talkdesk_operator.templates.limits import (
    MAX_CONVERTED,
    MAX_EFFORT,
    MAX_SOURCE,
    TOO_MUCH_MEMORY,
    Copying,
    Effort,
    Spent,
    copying,
    effort,
    measure,
    source_excess,
)
from talkdesk_operator.templates.nearest import nearest

__all__ = ["Activation", "Exhausted", "Expression", "ExpressionError", "compile_expression"]

_TYPE_NAMES: Final = frozenset(
    {"bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string", "timestamp", "type", "uint"}
)
_VALUE_WEIGHT: Final = 256
"""Characters that can be gone through in the time that the smallest value takes."""
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


class ExpressionError(ValueError):
    """An expression is wrong, or cannot be evaluated with this data. It never contains a value of the data."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(reason)
        self.source = source
        self.reason = reason


class Exhausted(ExpressionError):
    """An evaluation takes more time or memory than any may have: a limit of ours, and no proof of whose fault it is."""

    def __init__(self, source: str, reason: str, *, passing: bool = False) -> None:
        super().__init__(source, reason)
        self.passing = passing
        """Whether it comes from the machine alone, so that the same may work the next time."""


class Activation:
    """Variables for many evaluations, converted once. Not for use by two threads at the same time."""

    def __init__(self, variables: Mapping[str, object], spent: Spent | None = None, *, converted: bool = False) -> None:
        """Convert the variables: plain JSON values under their names, however large they are where `converted` is true.

        Raises ExpressionError, naming the variable, for a value that is not JSON or not valid Unicode. `spent` is
        what the pass that they belong to has used up.
        """
        self.variables = variables
        self.spent = spent or Spent()
        self.here_only = is_here_only()
        """Whether nobody may wait for the child process."""
        self.elsewhere = Variables(variables)
        self._sizes: dict[str, tuple[int, int]] = {}
        self.context = cel.Context({}, dict(FUNCTIONS))
        self.is_large = not converted and self.size(variables)[1] > MAX_CONVERTED
        """Whether only the child process converts them."""
        for name, value in variables.items() if not self.is_large else ():
            if not _converts(self.context, name, value):
                raise ExpressionError("", f"{name} contains something that is not JSON or not valid Unicode")

    def size(self, names: Iterable[str]) -> tuple[int, int]:
        """Return the length of the longest list in these variables, and their size."""
        sizes = [self._size(name) for name in names if name in self.variables]
        return max((longest for longest, _ in sizes), default=0), sum(weight for _, weight in sizes)

    def _size(self, name: str) -> tuple[int, int]:
        if name not in self._sizes:
            self._sizes[name] = _size([self.variables[name]])
        return self._sizes[name]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    references: frozenset[str]
    """The variables it needs, without those that its comprehensions bind."""
    bound: frozenset[str]
    """The variables that its comprehensions bind."""
    chains: tuple[tuple[str, ...], ...]
    """The members that it selects, each with what they are selected from: `a.b["c"].size()` has `("a", "b", "c")`."""
    _program: cel.Program
    _macros: tuple[cel_lexer.Macro, ...]
    _copying: Copying | None
    _effort: Effort

    @property
    def may_be_long(self) -> bool:
        """Whether it can take long with data of a usual size."""
        return self._effort.always_long or self._effort.repeats

    def is_short(self, variables: Mapping[str, object]) -> bool:
        """Return whether it takes a few milliseconds at most with these variables."""
        return not self._effort.always_long and self._effort.units(*_size(variables.values())) <= MAX_EFFORT // 5

    def evaluate(self, context: Mapping[str, object] | Activation) -> Any:
        """Return the value as plain JSON: timestamps as RFC 3339 in UTC, durations as seconds such as `90s`.

        What may take long is evaluated in the child process, while this thread waits. Raises ExpressionError when a key
        is missing, types do not fit, or the result is no JSON; Exhausted beyond a limit; and, within
        `here_only`, TakesLong instead of the wait.
        """
        scope = context if isinstance(context, Activation) else Activation(context)
        self._check_work(scope.variables)
        self._check_spent(scope)
        long = self._effort.always_long or scope.is_large
        here = not long and scope.spent.takes(self._effort.units(*scope.size(self.references)))
        value = self.evaluate_here(scope) if here else self._evaluate_elsewhere(scope)
        scope.spent.results += measure([value])[1]
        self._check_spent(scope)
        return value

    def _check_spent(self, scope: Activation) -> None:
        if (excess := scope.spent.excess()) is not None:
            raise Exhausted(self.source, excess)

    def _evaluate_elsewhere(self, scope: Activation) -> Any:
        if scope.here_only:
            raise TakesLong
        try:
            value, seconds = EVALUATOR.evaluate(self.source, scope.elsewhere)
        except EvaluationError as error:
            reason, exhausted, passing = error.reason, error.exhausted, error.passing
        else:
            scope.spent.seconds += seconds
            return value
        if exhausted:
            raise Exhausted(self.source, reason, passing=passing)
        raise ExpressionError(self.source, reason)

    def evaluate_here(self, scope: Activation) -> Any:
        """Evaluate it in this process, however long that takes."""
        try:
            result, reason = self._program.execute(scope.context), ""
        except MemoryError:  # pragma: no cover - where memory is bounded, in the child process
            result, reason = None, TOO_MUCH_MEMORY
        except Exception as error:  # noqa: BLE001 - the library raises built-in exceptions of many kinds
            result, reason = None, reason_of(error, scope.variables, self.chains)
        # Raised outside the handler, so that no foreign exception with data in its text is attached to ours.
        if reason:
            raise (Exhausted if reason == TOO_MUCH_MEMORY else ExpressionError)(self.source, reason)
        return self._plain(result)

    def _check_work(self, variables: Mapping[str, object]) -> None:
        for macro in self._macros:
            if macro.name in {"map", "filter"} and isinstance(walk(variables, macro.target), Mapping):
                where = ".".join(macro.target)
                raise ExpressionError(
                    self.source, f"{where} is a map, which has no order: use keys({where}).{macro.name}"
                )
        if self._copying is not None and self._copying.is_too_much(variables.get(name) for name in self.references):
            raise ExpressionError(self.source, "too much data for a map or filter")

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
    if (meant := cel_lexer.with_null_absent(source, listed)) != source:
        program = _compiled(meant)
    macros = cel_lexer.macros(listed)
    if (excess := source_excess(listed, macros)) is not None:
        raise ExpressionError(source, excess)
    _check_functions(source, program)
    bound = frozenset(macro.bound for macro in macros)
    references = frozenset(program.variables()) - bound - _TYPE_NAMES - NAMESPACES
    return Expression(
        source,
        references,
        bound,
        cel_lexer.chains(listed),
        program,
        macros,
        copying(listed, macros),
        effort(listed, macros, FUNCTIONS.keys()),
    )


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
            raise ExpressionError(source, f"unknown function {name}(){nearest(name, known, alike=0.6)}")


def _converts(context: cel.Context, name: str, value: object) -> bool:
    try:
        context.add_variable(name, value)
    except (ValueError, TypeError):
        return False
    return True


def _size(values: Iterable[object]) -> tuple[int, int]:
    return measure(values, each=_VALUE_WEIGHT, most=MAX_EFFORT)


def _seconds(value: dt.timedelta) -> str:
    micros = value // dt.timedelta(microseconds=1)
    whole, fraction = divmod(abs(micros), 1_000_000)
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole}" + (f".{fraction:06}".rstrip("0") if fraction else "") + "s"
