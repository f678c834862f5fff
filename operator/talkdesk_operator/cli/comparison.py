"""Two states of one object as a diff for people, with what is in Secrets left out.

Belongs here: what of an object counts, what is shown of a Secret, the form; pure. Does not belong here: asking the
cluster (`live`).
"""

import difflib
from collections.abc import Mapping
from typing import Any, Final

import yaml

__all__ = ["colored", "difference", "settled"]

_SERVERS: Final = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_RED, _GREEN, _CYAN, _PLAIN = "\033[31m", "\033[32m", "\033[36m", "\033[0m"
_COLORS: Final = {"+": _GREEN, "-": _RED, "@": _CYAN}


def settled(wanted: Any, otherwise: Any, live: Any) -> Any:
    """Return what is wanted, with what is there in the place of all that follows from made-up credentials.

    That is where one set of them leads to `wanted` and another to `otherwise`.
    """
    if wanted == otherwise:
        return wanted
    match wanted, otherwise:
        case dict(), dict():
            known = live if isinstance(live, dict) else {}
            return {key: settled(value, otherwise.get(key), known.get(key)) for key, value in wanted.items()}
        case list(), list() if len(wanted) == len(otherwise):
            same = live if isinstance(live, list) and len(live) == len(wanted) else [None] * len(wanted)
            return [settled(*each) for each in zip(wanted, otherwise, same, strict=True)]
        case _:
            return wanted if live is None else live


def difference(name: str, live: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str:
    """Return a unified diff from the object that is there, if any, to the one that is wanted; empty without any."""
    before, after = _counted(live or {}), _counted(wanted)
    if before == after:
        return ""
    if wanted.get("kind") == "Secret":
        before, after = _masked(before, after, "before"), _masked(after, before, "after")
    then, now = (_lines(each) for each in (before, after))
    return "".join(difflib.unified_diff(then, now, fromfile=f"live/{name}", tofile=f"wanted/{name}"))


def colored(text: str) -> str:
    """Return a diff with colors for a terminal."""
    lines = text.splitlines(keepends=True)
    return "".join(f"{_COLORS[line[0]]}{line.rstrip()}{_PLAIN}\n" if line[0] in _COLORS else line for line in lines)


def _counted(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what the API server and controllers say of it."""
    counted = {key: value for key, value in raw.items() if key != "status"}
    if isinstance(metadata := counted.get("metadata"), dict):
        counted["metadata"] = {key: value for key, value in metadata.items() if key not in _SERVERS}
    return counted


def _lines(raw: Mapping[str, Any]) -> list[str]:
    text = yaml.safe_dump(raw, allow_unicode=True, sort_keys=True, width=120) if raw else ""
    return text.splitlines(keepends=True)


def _masked(secret: dict[str, Any], other: Mapping[str, Any], when: str) -> dict[str, Any]:
    masked = dict(secret)
    for part in ("data", "stringData"):
        if isinstance(values := secret.get(part), dict):
            others = other.get(part) or {}
            masked[part] = {key: _mask(value, others.get(key), when) for key, value in values.items()}
    annotations = secret.get("metadata", {}).get("annotations") or {}
    if _LAST_APPLIED in annotations:  # the whole object, once more
        hidden = {**annotations, _LAST_APPLIED: "***"}
        masked["metadata"] = {**secret["metadata"], "annotations": hidden}
    return masked


def _mask(value: Any, other: Any, when: str) -> str:
    return "***" if value == other or other is None else f"*** ({when})"
