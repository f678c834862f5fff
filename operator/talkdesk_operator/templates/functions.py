"""Functions that templates have in addition to the CEL core: strings, lists and math extensions, and a few of our own.

Belongs here: pure functions with bounded results, under the names of cel-go's extension libraries where those exist.
Does not belong here: anything that reads a clock, a random source or the outside world.

Each runs as a callback of the CEL library, which logs the text of an exception that a callback raises. Arguments can be
secrets, so every error becomes one fixed text here. Left out on purpose: `lists.range` (makes lists of any size from a
short expression), `contains` for lists (`in` does it), `first`, `last` (their results are optionals, for which this CEL
has no syntax), `reverse` (no known use).
"""

import functools
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from cel.stdlib import EXTENSIONS

from talkdesk_crds.names import dns_label
from talkdesk_operator.templates.limits import MAX_LIST, MAX_TEXT

__all__ = ["FUNCTIONS", "NAMESPACES", "NATIVE_FUNCTIONS"]

_FROM_LIBRARY = (
    *("bool", "charAt", "indexOf", "lastIndexOf", "substring", "replace", "split", "join", "lowerAscii"),
    *("upperAscii", "trim", "distinct", "flatten", "slice", "sort", "base64.encode", "base64.decode"),
    *("math.greatest", "math.least", "math.abs", "math.sign", "math.ceil", "math.floor", "math.round", "math.trunc"),
)


def _string(value: Any) -> str:
    """Return a bool as text; the library's own `string()` does not accept bools."""
    if not isinstance(value, bool):
        raise TypeError
    return json.dumps(value)


def _keys(value: Any) -> list[str]:
    """Return a map's keys, sorted, because CEL's own iteration over a map has no stable order."""
    return sorted(value.keys())


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    """Replace as the library does, but fail before a huge text is made."""
    count = text.count(old) if limit < 0 else min(limit, text.count(old))
    if len(text) + count * (len(new) - len(old)) > MAX_TEXT:
        raise ValueError
    return text.replace(old, new, limit)


def _join(items: list[str], separator: str = "") -> str:
    """Join as the library does, but fail before a huge text is made."""
    if sum(map(len, items)) + len(items) * len(separator) > MAX_TEXT:
        raise ValueError
    return separator.join(items)


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        try:
            result = function(*args)
            fits = not isinstance(result, list) or len(result) <= MAX_LIST
        except Exception:  # noqa: BLE001 - any text of the library could hold an argument, which can be a secret
            fits = False
        if not fits:
            raise ValueError("unsuitable arguments")
        return result

    return call


def _functions() -> dict[str, Callable[..., Any]]:
    library = {name: function for extension in EXTENSIONS.values() for name, function in extension.items()}
    ours: dict[str, Callable[..., Any]] = {
        "string": _string,
        "keys": _keys,
        "dnsLabel": dns_label,
        "replace": _replace,
        "join": _join,
    }
    return {
        name: _guarded(function) for name, function in ({name: library[name] for name in _FROM_LIBRARY} | ours).items()
    }


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(_functions())
"""Functions registered with each evaluation, by their CEL name. `string` only adds bools to the native one."""

NAMESPACES: Final = frozenset(name.partition(".")[0] for name in FUNCTIONS if "." in name)
"""The namespaces of functions, which look like variables to the library: `math`, `base64`."""

NATIVE_FUNCTIONS: Final = frozenset(
    {
        *("size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes"),
        *("timestamp", "duration", "type", "dyn", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
    }
)
"""Functions of the CEL core that the library has. `size` of a string counts UTF-8 bytes there."""
