"""What is applied to an object in the place of the fields that its manifest leaves to others (`ignore-fields`).

A field that somebody else owns is left out: server-side apply then changes nothing of it. One that only our own earlier
apply owns would be deleted when it is left out, so it is applied as it is in the object, whatever the template says by
now. Somebody may change it between the read and the apply: such an apply is bound to the version that was read.

Belongs here: that choice, by an object and its `managedFields`, and what of our entry there counts for drift; pure.
Does not belong here: reading and applying (`reconcilers.object_apply`), which fields these are
(`templates.ignored_fields`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from talkdesk_crds import names
from talkdesk_operator.domain.tenant.managed_fields import OwnEntry, own_entry
from talkdesk_operator.templates.ignored_fields import Pointer, ignored_fields, parsed_pointers

__all__ = ["Yielded", "held_entry", "held_ignored", "without_ignored", "yielded"]

_WHOLE: Final[Mapping[str, Any]] = {}
"""What `fieldsV1` says of a field that is owned as a whole."""
_MAP: Final = "."
"""Its name for the map, or the entry, itself."""


@dataclass(frozen=True, slots=True)
class Yielded:
    """What to apply."""

    manifest: dict[str, Any]
    is_bound: bool
    """Whether it holds only for the version of the object that was read."""


def yielded(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> Yielded:
    """Return what to apply of a manifest to an object that is there, in the manifest's own version of the API."""
    made, is_bound = dict(manifest), False
    for pointer in ignored_fields(manifest):
        value, ours = _kept(pointer, live, made["apiVersion"])
        made = _with(made, pointer, value)
        is_bound = is_bound or ours
    return Yielded(made, is_bound)


def without_ignored(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest without the fields that it leaves to others."""
    made = dict(manifest)
    for pointer in ignored_fields(manifest):
        made = _with(made, pointer, None)
    return made


def held_entry(metadata: Mapping[str, Any]) -> OwnEntry | None:
    """Return the entry of our apply without what the object's annotation, as we applied it, leaves to others."""
    own = own_entry(metadata.get("managedFields"))
    if own is None or not (pointers := parsed_pointers(_ignored(metadata, own))):
        return own
    fields = own.fields
    for pointer in pointers:
        fields = _without(fields, pointer)
    return replace(own, fields=fields)


def held_ignored(metadata: Mapping[str, Any]) -> str:
    """Return what the object's annotation leaves to others, as long as it is as we applied it; else nothing."""
    own = own_entry(metadata.get("managedFields"))
    return _ignored(metadata, own) if own is not None else ""


def _ignored(metadata: Mapping[str, Any], own: OwnEntry) -> str:
    value = (metadata.get("annotations") or {}).get(names.ANNOTATION_IGNORE_FIELDS)
    is_ours = _below(own.fields, ("metadata", "annotations", names.ANNOTATION_IGNORE_FIELDS)) is not None
    return str(value) if value is not None and is_ours else ""


def _kept(pointer: Pointer, live: Mapping[str, Any], api_version: str) -> tuple[Any, bool]:
    """Return the value to go on applying, None for none, and whether we own anything of the field."""
    there = _at(live, pointer)
    entries = live["metadata"].get("managedFields")
    known = [
        each
        for each in (entries if isinstance(entries, list) else ())
        if isinstance(each, Mapping) and isinstance(each.get("fieldsV1"), Mapping)
    ]
    if _is_part_of_a_whole(pointer, [each["fieldsV1"] for each in known]):
        return there, True
    own, others = None, []
    for entry in known:
        owned = _below(entry["fieldsV1"], pointer)
        if (entry.get("manager"), entry.get("operation")) == (names.FIELD_MANAGER, "Apply"):
            # Under another version of the API our fields may have other names.
            own = owned if entry.get("apiVersion") == api_version else _WHOLE
        elif owned is not None:
            others.append(owned)
    if own is None:
        return None, False
    left = _minus(own, others)
    return (None if left is None or there is None else _projected(there, left)), True


def _at(value: object, pointer: Pointer) -> Any:
    for name in pointer:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _below(fields: Mapping[str, Any], pointer: Pointer) -> Mapping[str, Any] | None:
    """Return what an entry owns at a field and below it; None for nothing."""
    for name in pointer:
        found = fields.get(f"f:{name}")
        if not isinstance(found, Mapping):
            return None
        fields = found
    return fields


def _is_part_of_a_whole(pointer: Pointer, owned: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a map around the field is owned only as a whole, so that nobody can leave out a part of it."""
    for length in range(1, len(pointer)):
        found = [below for fields in owned if (below := _below(fields, pointer[:length])) is not None]
        if found and not any(found):
            return True
    return False


def _minus(own: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return what of it nobody else owns; None for nothing."""
    if not own:
        return None if others else own
    if any(not each for each in others):
        return None
    left: dict[str, Any] = {}
    for key, below in own.items():
        rest = _minus(below, [each[key] for each in others if key in each])
        if rest is not None:
            left[key] = rest
    return left or None


def _projected(value: Any, fields: Mapping[str, Any]) -> Any:
    """Return the part of a value that an entry owns."""
    match value:
        case dict() if fields:
            return {
                name: _projected(each, fields[f"f:{name}"]) for name, each in value.items() if f"f:{name}" in fields
            }
        case list() if fields:
            return list(_entries(value, fields))
        case _:
            return value


def _entries(values: Sequence[Any], fields: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the entries of a list, as far as they are owned, with the keys by which they are known."""
    for value in values:
        for name, below in fields.items():
            kind, _, text = name.partition(":")
            if kind == "v" and orjson.loads(text) == value:
                yield value
            elif kind == "k" and isinstance(value, dict) and (keys := orjson.loads(text)).items() <= value.items():
                yield keys | _projected(value, below) if below else value


def _with(manifest: Mapping[str, Any], pointer: Pointer, value: Any) -> dict[str, Any]:
    """Return a copy with a field that has this value; None for without it."""
    name, *rest = pointer
    made, inner = dict(manifest), manifest.get(name)
    if rest and (isinstance(inner, Mapping) or value is not None):
        made[name] = _with(inner if isinstance(inner, Mapping) else {}, tuple(rest), value)
    elif not rest and value is not None:
        made[name] = value
    elif not rest:
        made.pop(name, None)
    return made


def _without(fields: Mapping[str, Any], pointer: Pointer) -> Mapping[str, Any]:
    """Return a `fieldsV1` without a field, and without the maps around it that then have nothing else."""
    key, rest = f"f:{pointer[0]}", pointer[1:]
    below = fields.get(key)
    if not isinstance(below, Mapping):
        return fields
    left = _without(below, rest) if rest else {}
    others = {name: each for name, each in fields.items() if name != key}
    return {**others, key: left} if any(name != _MAP for name in left) else others
