"""What to change in an object that does not fit the schema of its kind, from what the API server says of it.

The API server's field manager names a path and a type, in the words of its schema. Whoever writes a template thinks in
values and expressions, so this says what to write instead. It never repeats a value of the object.

Belongs here: words for people, pure. Does not belong here: which failure it is (`error_policy`).
"""

import re
from typing import Final

__all__ = ["advice"]

_MOST: Final = 3
"""Problems that are named; the API server lists all of them."""
_PATCH: Final = re.compile(r"failed to create typed patch object \(.*?\): (?:errors:)?")
_PROBLEM: Final = re.compile(
    r"(?P<path>(?:\.[^\s:\[\]]+|\[[^\]]*\])*)(?:: )?(?:element \d+: )?"
    r"(?P<problem>expected (?:string|numeric|boolean|list|map|any scalar)|field not declared in schema"
    r"|duplicate entries for key|associative list.* omits|associative list)"
)
_KEYS: Final = re.compile(r"\[[^\]]*[^\d\]][^\]]*\]")
"""What tells the entries of a list apart, in a path: it may be a value, unlike a position."""
_ADVICE: Final = {
    "expected string": "must be a string: write ${string(...)}, or quotes around the value",
    "expected numeric": "must be a number: write ${int(...)} or ${double(...)}, or leave out the quotes",
    "expected boolean": "must be true or false: write ${bool(...)} or a comparison, or leave out the quotes",
    "expected list": "must be a list",
    "expected map": "must be a map",
    "expected any scalar": "must be a single value",
    "field not declared in schema": "is no field of this kind: correct its name or its place",
    "duplicate entries for key": "has two entries for the same key: keep one of them",
    "associative list": "has an entry that is null or of a wrong type: leave it out",
}
_OMITS: Final = "has an entry without the field that tells the entries apart, such as its name"
_FORMS: Final = {
    "quantities must match": "a quantity is a number with a unit, such as 500m or 2Gi, without a blank",
    "illegal base64": "data of a Secret and binaryData of a ConfigMap are base64: write ${base64.encode(bytes(...))}, "
    "or put text under stringData or data",
    "parsing time": "a point in time looks like 2026-01-31T12:00:00Z",
    "cannot unmarshal": "a value has a type that its field does not take",
    "cannot convert": "a value has a type that its field does not take",
}
_LIVE: Final = ("failed to create typed live object", "failed to create manager for existing fields")
_LIVE_ADVICE: Final = "the object in the cluster does not fit the present schema of its kind: correct or delete it"


def advice(message: str) -> str:
    """Return what to change, by the API server's message; empty where nothing is known."""
    if message.startswith(_LIVE):
        return _LIVE_ADVICE
    start = _PATCH.match(message)
    if start is None:
        return next((words for part, words in _FORMS.items() if part in message), "")
    lines = message[start.end() :].splitlines()
    found = {_one(match) for line in lines if (match := _PROBLEM.match(line.strip())) is not None}
    return "; ".join(sorted(found)[:_MOST])


def _one(match: re.Match[str]) -> str:
    path, problem = _KEYS.sub("[]", match["path"]), match["problem"]
    return f"{path or 'the object'} {_ADVICE.get(problem, _OMITS)}"
