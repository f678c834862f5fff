"""The chart's generated files are fresh, and what is written by hand beside them speaks of the same things."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

from generators.chart import CHART, MADE, chart_files
from generators.chart_rules import ROOT

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
CHOSEN_BY_THE_USER = {"global", "settings"}
"""Maps without defaults: what may be in them is in the schema alone."""


def paths(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every value that the schema knows by name."""
    for name, each in schema.get("properties", {}).items():
        if "properties" in each and name not in CHOSEN_BY_THE_USER:
            yield from paths(each, (*path, name))
        elif name != "global":
            yield (*path, name)


def leaves(
    values: dict[str, Any], known: set[tuple[str, ...]], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    for name, each in values.items():
        here = (*path, name)
        if isinstance(each, dict) and here not in known:
            yield from leaves(each, known, here)
        else:
            yield here


def test_the_generated_files_are_fresh_and_no_other_is_left() -> None:
    # `make chart` writes them anew.
    made = chart_files()
    assert {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in made} == made
    here = {path for path in (CHART / "templates").rglob("*.yaml") if MADE in path.read_text(encoding="utf-8")[:200]}
    assert here <= made.keys()


def test_every_value_has_a_default_in_values_yaml_and_a_type_in_the_schema() -> None:
    known = set(paths(SCHEMA))
    assert set(leaves(VALUES, known)) == known


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    def open_objects(schema: Any, path: str = "") -> Iterator[str]:
        if isinstance(schema, dict):
            if (
                "properties" in schema
                and schema.get("type") == "object"
                and schema.get("additionalProperties") is not False
            ):
                yield path
            for name, each in schema.items():
                yield from open_objects(each, f"{path}.{name}")

    assert list(open_objects(SCHEMA)) == []


def test_every_value_is_used_in_a_template() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*") if path.is_file())
    unused = [path for path in paths(SCHEMA) if re.search(rf"\.{path[-1]}\b", text) is None]
    assert unused == []


def test_figures_are_read_at_a_port_of_both_pods() -> None:
    helpers = (CHART / "templates" / "_helpers.tpl").read_text(encoding="utf-8")
    named = dict(re.findall(r'define "talkdesk\.(\w+)Port" -}}\n(\S+)\n', helpers))
    base = ROOT / "manifests" / "base"
    for name in ("operator", "webhook"):
        deployment = yaml.safe_load((base / name / "deployment.yaml").read_text(encoding="utf-8"))
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert named["metrics"] in {port["name"] for port in container["ports"]}


def test_the_charts_version_is_the_projects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert chart["appVersion"] == chart["version"] == project["version"]
    assert chart["name"] == project["name"]


def test_defaults_are_those_of_the_base() -> None:
    for name in ("operator", "webhook"):
        path = ROOT / "manifests" / "base" / name / "deployment.yaml"
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        pod = spec["template"]["spec"]
        assert VALUES[name]["replicas"] == spec["replicas"]
        assert VALUES[name]["terminationGracePeriodSeconds"] == pod["terminationGracePeriodSeconds"]
        assert VALUES[name]["resources"] == pod["containers"][0]["resources"]
