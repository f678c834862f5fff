"""What the metadata of a manifest may be: names, labels, and the annotations that say what becomes of its object.

Belongs here: what is checked without the account's values, and again with them. Does not belong here: the rest of a
manifest (`template`), which fields `ignore-fields` may name (`ignored_fields`).
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, get_args

from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS, ANNOTATION_ON_REMOVE, ANNOTATION_RECREATE, is_dns_label
from talkdesk_operator.templates.errors import Problem, child
from talkdesk_operator.templates.ignored_fields import ignored_problems
from talkdesk_operator.templates.object_names import is_object_name

__all__ = ["OnOffboard", "OnRemove", "annotation_problems", "metadata_problems"]

OnOffboard = Literal["Delete", "Retain"]
OnRemove = Literal["Delete", "Retain"]

_OURS: Final[Mapping[str, tuple[str, ...]]] = {
    ANNOTATION_ON_REMOVE: get_args(OnRemove),
    ANNOTATION_RECREATE: ("true", "false"),
}
"""Annotations of a manifest by which it says what becomes of its object, and what they may say."""
_OWNED_BY_SERVER: Final = ("uid", "resourceVersion", "ownerReferences", "managedFields", "generateName")


def metadata_problems(source: Mapping[str, object], path: str) -> Iterator[Problem]:
    """Yield what is wrong with the metadata, which are at `path`, of a manifest that is not filled in yet."""
    metadata = source.get("metadata")
    if not isinstance(metadata, Mapping):
        yield Problem(path, "is missing" if metadata is None else "must be a map")
        return
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not name:
        yield Problem(child(path, "name"), "is missing or not a text")
    elif "$" not in name and not is_object_name(name):
        yield Problem(child(path, "name"), f"{name[:64]!r} is not a valid name of an object")
    if isinstance(namespace, str) and "$" not in namespace and not is_dns_label(namespace):
        yield Problem(child(path, "namespace"), f"{namespace[:64]!r} is not a valid name of a namespace")
    for key in _OWNED_BY_SERVER:
        if key in metadata:
            yield Problem(child(path, key), f"{key} cannot be in a template")
    for key in ("labels", "annotations"):
        if not isinstance(metadata.get(key, {}), Mapping | str):
            yield Problem(child(path, key), "must be a map of strings")
    annotations = metadata.get("annotations")
    known = annotations if isinstance(annotations, Mapping) else {}
    for name, problem in annotation_problems(source, known):
        if "${" not in str(known[name]):
            yield Problem(child(child(path, "annotations"), name), problem)


def annotation_problems(manifest: Mapping[str, object], annotations: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the annotations of a manifest that say what becomes of its object, by their names."""
    for name, allowed in _OURS.items():
        if annotations.get(name, allowed[0]) not in allowed:
            yield name, f"must be {' or '.join(allowed)}"
    if (ignored := annotations.get(ANNOTATION_IGNORE_FIELDS)) is not None:
        yield from ((ANNOTATION_IGNORE_FIELDS, problem) for problem in ignored_problems(manifest, ignored))
