"""Reads what `kubectl kustomize` would make of a folder, as far as ours go: resources and labels.

What it does not know is an error. An integration test compares the chart with what kubectl makes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Resource", "resources"]

_KNOWN = {"apiVersion", "kind", "resources", "labels", "images"}


@dataclass(frozen=True)
class Resource:
    """One object of a folder."""

    path: Path
    """The file that it is in."""
    document: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    """What kustomizations add to it."""
    template_labels: dict[str, str] = field(default_factory=dict)
    """What they add to the pods of a Deployment."""


def resources(folder: Path, *, done_elsewhere: frozenset[str] = frozenset()) -> Iterator[Resource]:
    """Yield the objects of a kustomization in its order.

    Raises ValueError for a field of it that is neither known nor said to be done elsewhere.
    """
    raw = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := raw.keys() - _KNOWN - done_elsewhere:
        raise ValueError(f"{folder}: the chart's generator does not know {', '.join(sorted(unknown))}")
    for name in raw["resources"]:
        path = (folder / name).resolve()
        for each in resources(path) if path.is_dir() else _objects(path):
            yield _labeled(each, raw.get("labels", []))


def _objects(path: Path) -> Iterator[Resource]:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if document:
            yield Resource(path, document)


def _labeled(resource: Resource, rules: list[Mapping[str, Any]]) -> Resource:
    labels, template_labels = dict(resource.labels), dict(resource.template_labels)
    for rule in rules:
        if unknown := rule.keys() - {"pairs", "includeTemplates"}:
            raise ValueError(f"{resource.path}: the chart's generator does not know {', '.join(sorted(unknown))}")
        labels |= rule["pairs"]
        if rule.get("includeTemplates"):
            template_labels |= rule["pairs"]
    return Resource(resource.path, resource.document, labels, template_labels)
