"""Which fields of an object its manifest leaves to others, once the object is there: the annotation `ignore-fields`.

Its text has JSON Pointers (RFC 6901), such as `/spec/replicas`, with commas between them. They lead through maps alone,
because an entry of a list has no place of its own: server-side apply knows it by a key.

Belongs here: reading that text, and what is wrong with it. Does not belong here: what is applied in the place of such a
field (`domain.tenant.yielded_fields`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS, GROUP, LABEL_MANAGED_BY

__all__ = ["Pointer", "idle_pointers", "ignored_fields", "ignored_problems", "parsed_pointers"]

Pointer: TypeAlias = tuple[str, ...]
"""The names on the way to a field."""

_MOST: Final = 20
_NEVER: Final = frozenset({"apiVersion", "kind", "status"})
_METADATA: Final = frozenset({"labels", "annotations"})
_IN_METADATA: Final = 3
"""Names in the pointer of one label or annotation."""
_SERVICE_ACCOUNT: Final = ("serviceAccountName", "serviceAccount")
"""Two names of one field of a pod."""


def ignored_fields(manifest: Mapping[str, Any]) -> tuple[Pointer, ...]:
    """Return the fields that a rendered manifest leaves to others, or an object as it was applied."""
    annotations = manifest.get("metadata", {}).get("annotations") or {}
    return parsed_pointers(annotations.get(ANNOTATION_IGNORE_FIELDS))


def parsed_pointers(text: object) -> tuple[Pointer, ...]:
    """Return the pointers of an annotation's value, each once; what is none is left out."""
    found = (_parsed(each) for each in _split(text) if each.startswith("/"))
    return tuple(dict.fromkeys(each for pointer in found for each in _both_names(pointer)))


def ignored_problems(manifest: Mapping[str, Any], text: object) -> Iterator[str]:
    """Yield what is wrong with the annotation's value for a manifest."""
    listed = _split(text)
    if not listed:
        yield "must name fields by JSON Pointers such as /spec/replicas, with commas between them"
    if len(listed) > _MOST:
        yield f"names {len(listed)} fields, of which {_MOST} are allowed"
    for each in listed:
        if (problem := _problem(each, manifest)) is not None:
            yield f"{each[:64]!r} {problem}"


def _leads_into_a_list(pointer: Pointer, manifest: Mapping[str, Any]) -> bool:
    value: object = manifest
    for name in pointer:
        if isinstance(value, list | tuple):
            return True
        value = value.get(name) if isinstance(value, Mapping) else None
    return False


def idle_pointers(source: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pointers to what a manifest of a template certainly does not set: nothing is left to others there."""
    annotations = source.get("metadata", {}).get("annotations")
    for text in _split(annotations.get(ANNOTATION_IGNORE_FIELDS)) if isinstance(annotations, Mapping) else ():
        value: object = source
        for name in _parsed(text):
            if not isinstance(value, Mapping):
                break
            value = value.get(name)
        if value is None:
            yield text


def _split(text: object) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())] if isinstance(text, str) else []


def _parsed(text: str) -> Pointer:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _both_names(pointer: Pointer) -> Iterator[Pointer]:
    names = _SERVICE_ACCOUNT if pointer[-1] in _SERVICE_ACCOUNT else pointer[-1:]
    yield from ((*pointer[:-1], name) for name in names)


def _problem(text: str, manifest: Mapping[str, Any]) -> str | None:
    """Return why the operator can't leave a field of a manifest to others; None when it can."""
    if not text.startswith("/"):
        return "is not a JSON Pointer such as /spec/replicas"
    pointer = _parsed(text)
    if not all(pointer):
        return "has an empty name"
    if pointer[0] in _NEVER:
        return f"can't be left to others: {pointer[0]} is not the template's to give away"
    if pointer[0] == "stringData":
        return "is applied as data: write /data/ and the key"
    if pointer[0] != "metadata":
        is_in_list = _leads_into_a_list(pointer, manifest)
        return "leads into a list, whose entries have no place of their own: name the list" if is_in_list else None
    if len(pointer) != _IN_METADATA or pointer[1] not in _METADATA:
        return "can't be left to others: of metadata only single labels and annotations can"
    if pointer[2].startswith(f"{GROUP}/") or pointer[2] == LABEL_MANAGED_BY:
        return "can't be left to others: it says whose the object is"
    return None
