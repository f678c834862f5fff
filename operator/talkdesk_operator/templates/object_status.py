"""Reading an object as the API server shows it, of which any part may be absent or of another shape.

Belongs here: such reads, and the verdicts that readiness comes to. Does not belong here: the rules of any kind
(`readiness`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "Failed",
    "NotReady",
    "Object",
    "Readiness",
    "Ready",
    "at",
    "condition_of",
    "conditions_of",
    "count",
    "explanation",
    "is_true",
    "maps",
    "too_few",
]

Object: TypeAlias = Mapping[str, Any]
"""An object with its status."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The object is ready."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The object is not ready yet."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The object's controller has given up; the object becomes ready only if somebody changes something."""

    message: str


Readiness = Ready | NotReady | Failed


def at(obj: object, *path: str) -> Any:
    """Return the value at a path; None when any part of the path is absent or has another shape."""
    for key in path:
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(key)
    return obj


def count(obj: Object, *path: str, default: int = 0) -> int:
    """Return the number at a path; the default where there is none."""
    value = at(obj, *path)
    return value if isinstance(value, int) else default


def too_few(wanted: int, have: int, word: str) -> NotReady | None:
    """Return what is missing where there are fewer than wanted."""
    return NotReady(f"{word}: {have} of {wanted}") if have < wanted else None


def maps(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the maps in a list; nothing of anything else."""
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, Mapping))


def conditions_of(obj: Object) -> Iterator[Mapping[str, Any]]:
    """Yield the conditions in the status."""
    return maps(at(obj, "status", "conditions"))


def condition_of(obj: Object, name: str) -> Mapping[str, Any] | None:
    """Return the condition of a type; None when there is none."""
    return next((condition for condition in conditions_of(obj) if condition.get("type") == name), None)


def is_true(obj: Object, name: str) -> bool:
    """Return whether the condition of a type is True."""
    return (condition_of(obj, name) or {}).get("status") == "True"


def explanation(condition: Mapping[str, Any], otherwise: str) -> str:
    """Return the message of a condition, or its reason, or other words where it has neither."""
    return str(condition.get("message") or condition.get("reason") or otherwise)
