"""What an object's `managedFields` say about us and others: which fields our apply owns, and who has taken which.

An object that is taken over may have been made by kubectl. What kubectl's apply and ours set alike belongs to both, so
it would stay when it leaves the template; it is taken from kubectl's entry then. What kubectl alone set stays as it is:
the template never said anything of it.

Belongs here: reading that part of the metadata, in which anything may be wrong. Does not belong here: what follows from
it (`drift`, `drift_ledger`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from talkdesk_crds import names
from talkdesk_crds.names import digest

__all__ = ["Loss", "OwnEntry", "fingerprint", "has_kubectls", "loss", "own_entry", "without_kubectls"]

_FINGERPRINT: Final = 16
_NAME_LENGTH: Final = 128
_KUBECTL: Final = frozenset(
    {
        ("kubectl-client-side-apply", "Update"),
        ("kubectl-create", "Update"),
        ("kubectl", "Update"),
        ("kubectl", "Apply"),
        ("before-first-apply", "Update"),
    }
)
"""How an object is made by hand: by `kubectl apply`, also with `--server-side`, by `kubectl create`, by a kubectl
before 1.18, or by anything before there were managedFields, whose fields the API server names like that."""


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """The entry of our own apply."""

    fields: Mapping[str, Any]
    time: str
    """When our apply last changed the object, in whole seconds."""

    def content(self) -> bytes:
        """Return the fields as JSON; nothing where they are nested too deep for that: no change of them is noticed."""
        try:
            return orjson.dumps(self.fields, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            return b""


@dataclass(frozen=True, slots=True)
class Loss:
    """Fields that our apply set and that somebody else has changed or removed since."""

    paths: tuple[str, ...]
    """As in `.data.key`, sorted; none when the whole object was deleted."""
    managers: tuple[str, ...]
    """The field managers that have them now; else the one that wrote last. None when the API server does not say."""


def own_entry(entries: object) -> OwnEntry | None:
    """Return our entry of an object's managedFields; None when our apply owns nothing of it."""
    for entry in entries if isinstance(entries, list | tuple) else ():
        match entry:
            case {"subresource": _}:
                pass
            case {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": dict(fields), "time": str(time)}:
                return OwnEntry(fields, time)
            case _:
                pass
    return None


def fingerprint(own: OwnEntry | None) -> str:
    """Return a short text that changes with the fields that our apply owns; empty for none."""
    if own is None:
        return ""
    return digest(own.content().decode(), length=_FINGERPRINT)


def loss(applied: object, drifted: object) -> Loss:
    """Return what was lost, by the managedFields as our apply leaves them and as they were before it."""
    ours, then = own_entry(applied), own_entry(drifted)
    wanted = frozenset(_leaves(ours.fields)) if ours is not None else frozenset()
    lost = wanted - (frozenset(_leaves(then.fields)) if then is not None else frozenset())
    others = list(_others(drifted))
    holders = {name for name, fields, _ in others if not lost.isdisjoint(_leaves(fields))}
    if not holders and others:
        holders = {max(others, key=lambda other: other[2])[0]}
    return Loss(tuple(sorted(map(_text, lost))), tuple(sorted(holders)))


def has_kubectls(entries: object) -> bool:
    """Return whether kubectl's apply owns anything by an object's managedFields."""
    return any(map(_kubectls, entries if isinstance(entries, list | tuple) else ()))


def without_kubectls(entries: Sequence[object], own: OwnEntry, api_version: str) -> list[object]:
    """Return managedFields in which kubectl's apply has nothing of what our apply, of that version, owns.

    They are never empty, because the API server gives all fields of an object without them to a manager of its own.
    """
    kept: list[object] = []
    for entry in entries:
        fields = _kubectls(entry)
        if fields is None:
            kept.append(entry)
        elif isinstance(entry, Mapping) and (left := _difference(fields, own.fields)):
            kept.append({**entry, "fieldsV1": left})
    return kept or [
        {
            "manager": names.FIELD_MANAGER,
            "operation": "Apply",
            "apiVersion": api_version,
            "time": own.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": own.fields,
        }
    ]


def _kubectls(entry: object) -> Mapping[str, Any] | None:
    match entry:
        case {"subresource": str(part)} if part:
            return None
        case {"manager": str(name), "operation": str(how), "fieldsV1": dict(fields)} if (name, how) in _KUBECTL:
            return fields
        case _:
            return None


def _difference(fields: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fieldsV1 without what another one has.

    An entry of a list goes as a whole, with all defaults that kubectl owns in it: they alone would bring the entry back
    that leaves the template. So does the map (`.`) around what is ours.
    """
    left: dict[str, Any] = {}
    for key, below in fields.items():
        if key not in ours:
            left[key] = below
        elif key.startswith("f:") and isinstance(below, Mapping) and isinstance(ours[key], Mapping):
            rest = _difference({name: each for name, each in below.items() if name != "."}, ours[key])
            left |= {key: rest} if rest else {}
    return left


def _others(entries: object) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield the manager, the fields and the time of the others' entries, but for those of subresources."""
    for entry in entries if isinstance(entries, list | tuple) else ():
        match entry:
            case {"subresource": str(part)} if part:
                pass
            case {"manager": str(manager), "fieldsV1": dict(fields), **rest} if manager != names.FIELD_MANAGER:
                yield manager[:_NAME_LENGTH], fields, str(rest.get("time") or "")
            case _:
                pass


def _leaves(fields: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of a fieldsV1 that have nothing below them."""
    for key, below in fields.items():
        if key == ".":
            continue
        if isinstance(below, Mapping) and any(name != "." for name in below):
            yield from _leaves(below, (*path, key))
        else:
            yield (*path, key)


def _text(path: Sequence[str]) -> str:
    """Return a path as people write it; what tells the entries of a list apart is shortened to []."""
    return "".join(f".{key[2:]}" if key.startswith("f:") else "[]" for key in path)
