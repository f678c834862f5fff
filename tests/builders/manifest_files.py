"""The files in `manifests/`, read as they are: no kustomize, so a unit test may use them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
MANIFESTS: Final = ROOT / "manifests"
BASE: Final = MANIFESTS / "base"
EXAMPLE: Final = MANIFESTS / "examples" / "sentiment"
COMPONENTS: Final = MANIFESTS / "components"
KUSTOMIZATIONS: Final = (ROOT / "crds" / "kustomization.yaml", *sorted(MANIFESTS.rglob("kustomization.yaml")))
DOCUMENTS: Final = tuple(
    path
    for path in sorted(MANIFESTS.rglob("*.yaml"))
    if path.name != "kustomization.yaml" and "chart" not in path.relative_to(MANIFESTS).parts
)
"""Files with objects. The chart's are templates, which are no YAML."""


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def of_kind(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield a file's objects of that kind."""
    return (document for document in documents(path) if document["kind"] == kind)


def deployments() -> dict[Path, dict[str, Any]]:
    """Return every Deployment by its file."""
    return {path: each for path in DOCUMENTS for each in of_kind(path, "Deployment") if "template" in each["spec"]}
