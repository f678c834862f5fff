"""What the API server makes of the three kinds of patches, as far as the operator uses them."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Leaf: TypeAlias = tuple[str, ...]
"""The path of a field; a list counts as one field."""
_METADATA = ("name", "namespace", "uid", "resourceVersion")
_IDENTITY = {("apiVersion",), ("kind",), *(("metadata", name) for name in _METADATA)}


def plain_copy(value: Any) -> Any:
    """Return a copy of JSON; the searches of the model make very many."""
    if isinstance(value, dict):
        return {name: plain_copy(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain_copy(member) for member in value]
    return value if value is None or isinstance(value, str | int | float) else copy.deepcopy(value)


class PatchRefused(Exception):
    """The patch can't be applied to this object."""


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply RFC 7386."""
    if not isinstance(patch, Mapping):
        return plain_copy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply RFC 6902 to objects; raises PatchRefused for a test that fails and for a path that is not there.

    What no operation is about is shared with the target, which stays as it was.
    """
    result = dict(target)
    for operation in operations:
        *path, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].strip("/").split("/"))
        parent: Any = result
        for name in path:
            child = parent.get(name)
            if not isinstance(child, dict):
                raise PatchRefused(f"there is no {operation['path']}")
            parent[name] = parent = dict(child)
        match operation["op"]:
            case "test" if parent.get(last) != operation["value"]:
                raise PatchRefused(f"testing value {operation['path']} failed")
            case "test":
                pass
            case "add":
                parent[last] = plain_copy(operation["value"])
            case other:
                raise PatchRefused(f"unexpected operation {other}")
    return result


def leaves(value: Mapping[str, Any], path: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    """Yield each field of an object and its value."""
    for key, member in value.items():
        if isinstance(member, Mapping) and member:
            yield from leaves(member, (*path, key))
        elif (*path, key) not in _IDENTITY:
            yield (*path, key), member


def get_leaf(value: Any, leaf: Leaf) -> Any:
    """Return the field's value; None when there is none."""
    for name in leaf:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def set_leaf(value: dict[str, Any], leaf: Leaf, content: Any) -> None:
    """Set a field, or take it away with None."""
    *path, last = leaf
    for name in path:
        value = value.setdefault(name, {})
    if content is None:
        value.pop(last, None)
    else:
        value[last] = plain_copy(content)
