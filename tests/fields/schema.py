"""Every field of the specs of our kinds, found by a walk through the CustomResourceDefinitions' own schemas."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["CRDS", "ITEM", "Field", "all_fields"]

CRDS: Final = Path(__file__).parents[2] / "crds" / "yaml"
ITEM: Final = "[]"
"""Stands in a path for an item of a list."""


@dataclass(frozen=True)
class Field:
    """One field of a spec: a leaf, an object, a list or the item of a list."""

    kind: str
    path: str
    """Names from the spec on, such as `tenant.steps[].name`."""
    schema: dict[str, Any]
    required: bool = False
    """Whether the object that holds it can't do without; an item of a list can always be taken out."""

    @property
    def name(self) -> str:
        """The kind and the path, as the table of cases names it."""
        return f"{self.kind} {self.path}"

    @property
    def word(self) -> str:
        """The last name of the path, which a refusal or a condition says."""
        return self.path.rpartition(".")[2].removesuffix(ITEM)

    def steps(self) -> list[str]:
        """Return the names of the path, with ITEM for each item of a list."""
        return [part for name in self.path.split(".") for part in _split(name)]


def all_fields(folder: Path = CRDS) -> list[Field]:
    """Return all fields of the specs of all kinds, the outer ones before the inner ones."""
    found: list[Field] = []
    for path in sorted(folder.glob("*.yaml")):
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        kind = crd["spec"]["names"]["kind"]
        (version,) = crd["spec"]["versions"]
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        found += _inside(kind, "", spec)
    return found


def _inside(kind: str, path: str, schema: dict[str, Any]) -> Iterator[Field]:
    for name, inner in schema.get("properties", {}).items():
        at = f"{path}.{name}" if path else name
        yield Field(kind, at, inner, name in schema.get("required", ()))
        yield from _inside(kind, at, inner)
    if "items" in schema:
        at = f"{path}{ITEM}"
        yield Field(kind, at, schema["items"])
        yield from _inside(kind, at, schema["items"])


def _split(name: str) -> Iterator[str]:
    bare = name.removesuffix(ITEM)
    yield bare
    if bare != name:
        yield ITEM
