"""Values judged by a JSON Schema (draft 2020-12), in words for people.

It runs in the child process of long evaluations (`evaluation`): a pattern can take for ever, and the library is only
needed where an app has a schema. Belongs here: what a schema may hold, words. Does not belong here: limits of time and
memory, and when values are checked (`values_schema`).

Nothing is ever fetched: a reference that leads out of the schema is refused.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from talkdesk_operator.templates.errors import child
from talkdesk_operator.templates.nearest import nearest
from talkdesk_runtime.shorten import shorten

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, ValidationError

__all__ = ["verdict"]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_SCHEMA: Final = "tenant.valuesSchema"
_VALUES: Final = "tenant.values"
_SHOWN: Final = 5
_LONGEST: Final = 200
"""Characters of what is said of one value."""
_DATA: Final = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose content is no schema."""
_INCOMPLETE: Final = frozenset({"required", "minProperties", "dependentRequired", "anyOf", "oneOf", "contains", "not"})
"""Keywords that an app's defaults may break, because a tenant's own values complete them."""
_BOUNDS: Final = {
    "minimum": "must be at least",
    "maximum": "must be at most",
    "exclusiveMinimum": "must be more than",
    "exclusiveMaximum": "must be less than",
    "multipleOf": "must be a multiple of",
    "pattern": "must match",
    "const": "must be",
}
_SIZES: Final = {
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} elements",
    "maxItems": "must have at most {} elements",
    "minProperties": "must have at least {} members",
    "maxProperties": "must have at most {} members",
}


class _Unusable(Exception):
    """The schema itself is no good."""


def verdict(source: str, values: Any) -> str:
    """Return what is wrong with the schema or with values, empty where nothing is.

    `source` is JSON with the members `schema`, and `partial` where values are defaults that others complete.
    """
    asked = json.loads(source)
    try:
        validator = _validator(json.dumps(asked["schema"], sort_keys=True))
        errors = sorted(validator.iter_errors(values), key=lambda error: [str(part) for part in error.absolute_path])
    except _Unusable as error:
        return str(error)
    except RecursionError:
        return f"{_SCHEMA}: refers to itself without end, or is too deep"
    if asked["partial"]:
        errors = [error for error in errors if error.validator not in _INCOMPLETE]
    return _listed(dict.fromkeys(map(_said, errors)))


@functools.lru_cache(maxsize=64)
def _validator(text: str) -> "Draft202012Validator":
    """Return the validator of a schema. Raises _Unusable."""
    # Only the child process of an app with a schema needs the library.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415
    from jsonschema_specifications import REGISTRY  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    schema = json.loads(text)
    for problem in _refused(schema, _SCHEMA, is_root=True):
        raise _Unusable(problem)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        path = functools.reduce(child, error.absolute_path, _SCHEMA)
        raise _Unusable(f"{path}: {_words(error)}") from None
    resource = DRAFT202012.create_resource(schema)
    base = resource.id() or ""
    registry = REGISTRY.with_resource(base, resource)
    for path, reference in _references(schema, _SCHEMA):
        try:
            registry.resolver(base).lookup(reference)
        except Unresolvable:
            raise _Unusable(f"{path}: {reference} leads nowhere") from None
    return Draft202012Validator(schema, registry=REGISTRY)


def _refused(schema: Any, path: str, *, is_root: bool = False) -> Iterator[str]:
    """Yield what would lead out of the schema, or means another draft."""
    for key, value in _members(schema):
        where = child(path, key)
        if key == "$schema" and isinstance(value, str) and value.rstrip("#") != _DRAFT:
            yield f"{where}: must be {_DRAFT}"
        elif key == "$id" and isinstance(value, str) and not is_root:
            yield f"{where}: only the whole schema may have an $id"
        elif key in {"$ref", "$dynamicRef"} and isinstance(value, str) and not value.startswith("#"):
            yield f"{where}: {shorten(value, _LONGEST)} leads out of the schema, and nothing is fetched: use #/$defs/…"
        if key not in _DATA:
            yield from _refused(value, where)


def _references(schema: Any, path: str) -> Iterator[tuple[str, str]]:
    for key, value in _members(schema):
        if key == "$ref" and isinstance(value, str):
            yield child(path, key), value
        if key not in _DATA:
            yield from _references(value, child(path, key))


def _members(schema: Any) -> Iterable[tuple[Any, Any]]:
    match schema:
        case dict():
            return schema.items()
        case list():
            return enumerate(schema)
        case _:
            return ()


def _said(error: "ValidationError") -> str:
    return f"{functools.reduce(child, error.absolute_path, _VALUES)}: {_words(error)}"


def _listed(said: Iterable[str]) -> str:
    every = list(said)
    more = f"; and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return "; ".join(every[:_SHOWN]) + more


def _words(error: "ValidationError | SchemaError") -> str:
    return shorten(_all_words(error), _LONGEST)


def _all_words(error: "ValidationError | SchemaError") -> str:
    keyword, expected, given = error.validator, error.validator_value, error.instance
    match keyword:
        case "type":
            return f"must be {' or '.join([expected] if isinstance(expected, str) else expected)}, not {_type(given)}"
        case "enum":
            return f"must be one of {', '.join(map(_json, expected))}"
        case "required":
            return f"without {', '.join(name for name in expected if name not in given)}"
        case "additionalProperties" | "unevaluatedProperties" if expected is False:
            return _surplus(error)
        case "format":
            return f"is not a valid {expected}"
        case "uniqueItems":
            return "must not hold an element twice"
        case "anyOf" | "oneOf":
            best = max(error.context, key=lambda each: len(each.absolute_path), default=None)
            return f"fits none, or more than one, of {keyword}" + (f"; the nearest says {_words(best)}" if best else "")
        case None:
            return "is not allowed"
        case str() if keyword in _SIZES:
            return _SIZES[keyword].format(expected)
        case str() if keyword in _BOUNDS:
            return f"{_BOUNDS[keyword]} {expected if keyword == 'pattern' else _json(expected)}"
        case _:
            return f"does not fulfill {keyword}: {_json(expected)}"


def _surplus(error: "ValidationError | SchemaError") -> str:
    """Return which member is not in the schema, with the nearest that is."""
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    known = frozenset(schema.get("properties", {}))
    if error.validator != "additionalProperties" or "patternProperties" in schema:
        return "has a member that the schema does not allow"
    surplus: Sequence[str] = sorted(set(error.instance) - known)
    named = ", ".join(f"{name}{nearest(name, known)}" for name in surplus[:_SHOWN])
    return f"no such member: {named} (there are {', '.join(sorted(known)) or 'none'})"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
