"""Odd and boundary values for a field, made from its schema and from what it holds now.

What the schema does not allow is among them, one step beyond each bound: the API server has to say so.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fields.schema import Field

__all__ = ["REMOVED", "Value", "values"]


@dataclass(frozen=True)
class Value:
    """What a field is given."""

    name: str
    """Tells it from the other values of its field."""
    content: Any
    """JSON; REMOVED takes the field away."""


REMOVED: Final = object()
"""In place of a value: the field is taken away."""
_DURATIONS: Final = {
    "nothing": "0s",
    "a second": "1s",
    "a million days": "999999d",
    "the longest": "999999d999999h999999m999999s",
    "an hour twice": "1h1h",
    "less than nothing": "-1s",
}
_URLS: Final = {
    "nobody": "http://127.0.0.1:9/nobody",
    "unknown host": "https://nowhere.invalid/x",
    "IPv6": "https://[::1]:9/x",
    "a cloud's own": "http://169.254.169.254/latest",
    "with a password": "http://user:made-up@127.0.0.1:9/",
    "port 99999": "https://127.0.0.1:99999/",
    "another scheme": "ftp://127.0.0.1/",
    "open bracket": "http://[::1",
}
_NAMES: Final = {"unknown": "nobody-has-this-name", "two dots": "a..b", "a hyphen first": "-a", "capitals": "Nobody"}
_TIMES: Final = {
    "the first day": "0001-01-01T00:00:00Z",
    "the last day": "9999-12-31T23:59:59Z",
    "a far zone": "2026-01-01T00:00:00+14:00",
    "nanoseconds": "2026-01-01T00:00:00.123456789Z",
    "no zone": "2026-01-01T00:00:00",
    "a word": "yesterday",
}
_TEXTS: Final = {
    "emoji": "Zürich \U0001f680",
    "control characters": "a\u0000\u001b[2J\n\u202eb",
    "quotes": "a'b\"c`d\\",
    "an open expression": "${",
    "an expression": "${account.id}",
    "a wrong expression": "${nobody.knows}",
    "braces": "{account} {{ x }}",
    "spaces": "  ",
}
_INTEGERS: Final = {"zero": 0, "minus one": -1, "the largest": 2**63 - 1, "the smallest": -(2**63), "a text": "1"}


def _nested(levels: int) -> Any:
    return json.loads('{"a":' * levels + "1" + "}" * levels)


_FREE: Final = {
    "empty": {},
    "nested 90": _nested(90),
    "nested 101": _nested(101),
    "odd keys": {"": 1, "a.b/c": {"": 2}, "${x}": 3, "\U0001f680": [None, [[]]]},
    "numbers": {"large": 1e308, "small": 5e-324, "integer": 2**63 - 1, "minus": -0.0},
    "long": {"text": "x" * 50_000},
    "an open expression": {"text": "${"},
    "an unknown name": {"text": "${tenant.values.nobody_knows}"},
}


def values(field: Field, now: Any) -> list[Value]:
    """Return the values for a field that holds `now` (REMOVED: nothing), none of which is what it holds."""
    found = [Value("removed", REMOVED)] if now is not REMOVED else []
    found += [Value("null", None), *_of_type(field.schema, now)]
    return [each for each in found if each.content is None or not _same(each.content, now)]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _of_type(schema: dict[str, Any], now: Any) -> Iterator[Value]:
    match schema.get("type"):
        case "string":
            yield Value("a number", 7)
            yield from _texts(schema)
        case "integer":
            yield from _integers(schema)
        case "boolean":
            yield from (Value("true", True), Value("false", False), Value("a text", "true"))
        case "array":
            yield from _lists(schema, [] if now is REMOVED else now)
        case _ if schema.get("x-kubernetes-preserve-unknown-fields"):
            yield Value("a text", "text")
            yield from (Value(name, content) for name, content in _FREE.items())
        case _:
            yield from (Value("empty", {}), Value("a text", "text"), Value("a list", []))
            if isinstance(now, dict):
                yield Value("an unknown member", now | {"nobodyKnows": 1})


def _texts(schema: dict[str, Any]) -> Iterator[Value]:
    if "enum" in schema:
        yield from (Value(f"member {each}", each) for each in schema["enum"])
        yield from (Value("no member", "Nobody"), Value("small letters", schema["enum"][0].lower()), Value("empty", ""))
        return
    if schema.get("format") == "date-time":
        yield from (Value(name, content) for name, content in _TIMES.items())
        return
    yield from (Value("empty", ""), Value("one character", "x"))
    known = {**_special(schema.get("pattern", "")), **_TEXTS}
    yield from (Value(name, content) for name, content in known.items())
    if "maxLength" in schema:
        yield Value("the longest", _long(schema, schema["maxLength"]))
        yield Value("too long", _long(schema, schema["maxLength"] + 1))


def _special(pattern: str) -> dict[str, str]:
    if pattern.startswith("^https?"):
        return _URLS
    if "d)?" in pattern:
        return _DURATIONS
    return _NAMES if pattern else {"unknown": "nobody-has-this-name"}


def _long(schema: dict[str, Any], length: int) -> str:
    start = "https://127.0.0.1:9/" if schema.get("pattern", "").startswith("^https?") else ""
    end = "s" if "d)?" in schema.get("pattern", "") else ""
    return start + "1" * (length - len(start) - len(end)) + end


def _integers(schema: dict[str, Any]) -> Iterator[Value]:
    known = dict(_INTEGERS)
    if "minimum" in schema:
        known |= {"the minimum": schema["minimum"], "below the minimum": schema["minimum"] - 1}
    if "maximum" in schema:
        known |= {"the maximum": schema["maximum"], "above the maximum": schema["maximum"] + 1}
    yield from (Value(name, content) for name, content in known.items())


def _lists(schema: dict[str, Any], now: list[Any]) -> Iterator[Value]:
    yield from (Value("empty", []), Value("a text", "text"), Value("with null", [*now, None]))
    if now:
        yield Value("the first twice", [now[0], *now])
        yield Value("the other way round", now[::-1])
    most = schema.get("maxItems")
    item = schema["items"]
    if most and item.get("type") == "string" and "enum" not in item:
        end = "h" if "d)?" in item.get("pattern", "") else ""
        full = [f"{number}{end}" for number in range(1, most + 2)]
        yield from (Value("as many as there can be", full[:-1]), Value("one too many", full))
    elif item.get("enum"):
        yield Value("all", list(item["enum"]))
    elif most and now and item.get("type") == "object":
        copies = [{**now[-1], "name": f"copy-{number}"} for number in range(most + 1)]
        yield Value("one too many", [*now, *copies][: most + 1])
