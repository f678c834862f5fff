"""The Helm chart's templates, made from what kustomize applies: manifests/base, components and crds.

Each object becomes a template with places for values. What is added to the base by and by is in the chart as well then,
as it is; a place for a value needs a rule below.
"""

from pathlib import Path
from typing import Final

from generators.chart_access import access_pages
from generators.chart_namespaced import namespaced_pages
from generators.chart_places import PLACES
from generators.chart_rules import ROOT, condition, finished, substitute
from generators.chart_schema import schema
from generators.helm_page import Page
from generators.kustomization import Resource, resources

__all__ = ["CHART", "MADE", "chart_files", "write"]

CHART: Final = ROOT / "manifests" / "chart"
_MANIFESTS: Final = ROOT / "manifests"
_COMPONENTS: Final = _MANIFESTS / "components"
_FOLDERS: Final = (
    _MANIFESTS / "base",
    _MANIFESTS / "monitoring",
    _COMPONENTS / "metrics-auth",
    _COMPONENTS / "shards",
)
_PATCHED: Final = frozenset({"patches"})
"""What components do to the base's objects, `chart_places` does by values."""
MADE: Final = "Made by `make chart` from "


def chart_files() -> dict[Path, str]:
    """Return what the generated files of the chart should be."""
    made: dict[Path, list[str]] = {}
    sources: dict[Path, Path] = {}
    for folder in _FOLDERS:
        for each in resources(folder, done_elsewhere=_PATCHED if "components" in folder.parts else frozenset()):
            if each.document["kind"] == "Namespace":
                continue  # Helm wants it before it begins: NOTES.txt says what it should have
            target = _target(each.path)
            sources[target] = each.path
            made.setdefault(target, []).append(_template(each))
    files = {target: _head(sources[target]) + "---\n".join(parts) for target, parts in made.items()}
    for name, source, text in (*access_pages(), *namespaced_pages()):
        files[CHART / "templates" / "app-access" / name] = _head(source) + text
    return files | {CHART / "values.schema.json": schema()}


def write() -> None:
    """Write the generated files, and remove those that are not made any more."""
    files = chart_files()
    for stale in _made_before() - files.keys():
        stale.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _made_before() -> set[Path]:
    return {path for path in (CHART / "templates").rglob("*.yaml") if MADE in path.read_text(encoding="utf-8")[:200]}


def _target(path: Path) -> Path:
    """Return where the template of a file is: in a folder of the same name, `base` being the chart's own."""
    folder = CHART / "templates"
    match path.relative_to(ROOT).parts:
        case ("crds", "yaml", name):
            return folder / "crds" / name
        case ("manifests", "base" | "components", *rest):
            return folder.joinpath(*rest)
        case (_, *rest):
            return folder.joinpath(*rest)
        case _:
            raise ValueError(f"{path} has no place in the chart")


def _head(source: Path) -> str:
    return "{{- /* " + f"{MADE}{source.relative_to(ROOT)}: change that, not this file." + " */ -}}\n"


def _template(resource: Resource) -> str:
    page = Page()
    words = {"talkdesk-system": page.value("$.Release.Namespace")}
    document = substitute(resource.document, words)
    place = PLACES.get(document["kind"])
    if place is not None:
        document = place(page, document, resource)
    return condition(resource.document, page.text(finished(page, document, resource.labels)).rstrip("\n"))
