"""CustomResourceDefinitions are made from the models: structural, described, and fresh in the repository."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from talkdesk_crds import KINDS, TalkdeskApp, TalkdeskInstallation, TalkdeskTenant, crdgen
from talkdesk_crds.crdgen import crd, file_name, structural_schema, to_yaml
from talkdesk_crds.fields import DURATION_GRAMMAR, FreeObject, Model
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import GROUP
from talkdesk_runtime.durations import DURATION_PATTERN

YAML = Path(__file__).parents[3] / "crds" / "yaml"
NOT_STRUCTURAL = {"$ref", "anyOf", "oneOf", "allOf", "not", "title", "const", "discriminator"}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return structural_schema(model.model_json_schema(by_alias=True))


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    if "items" in schema:
        yield from nodes(schema["items"])


def kind_of(node: dict[str, Any]) -> str:
    """The type of a node; one that may be a number or a text has none."""
    return "int or string" if node.get("x-kubernetes-int-or-string") else str(node["type"])


def root(kind: type[CustomResource]) -> dict[str, Any]:
    schema: dict[str, Any] = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize("kind", KINDS)
def test_the_yaml_in_the_repository_is_fresh(kind: type[CustomResource]) -> None:
    assert (YAML / file_name(kind)).read_text(encoding="utf-8") == to_yaml(kind), "run `make crds`"


def test_there_is_a_file_for_each_kind_and_no_other() -> None:
    assert {path.name for path in YAML.iterdir()} == {file_name(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_node_is_structural(kind: type[CustomResource]) -> None:
    for node in nodes(root(kind)):
        assert not NOT_STRUCTURAL & set(node)
        assert kind_of(node)
        # A map of one type may say so, and then has no members.
        assert "properties" not in node or "additionalProperties" not in node


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: type[CustomResource]) -> None:
    for part in ("spec", "status"):
        for node in nodes(root(kind)["properties"][part]):
            assert all(child.get("description") for child in node.get("properties", {}).values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_string_is_bounded(kind: type[CustomResource], part: str) -> None:
    strings = [node for node in nodes(root(kind)["properties"][part]) if kind_of(node) == "string"]
    assert strings
    for node in strings:
        assert "maxLength" in node or "enum" in node or node.get("format") == "date-time"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_list_is_bounded_and_says_how_its_items_are_told_apart(kind: type[CustomResource], part: str) -> None:
    lists = [node for node in nodes(root(kind)["properties"][part]) if kind_of(node) == "array"]
    assert lists or part == "spec"
    for node in lists:
        assert "maxItems" in node
        assert node["x-kubernetes-list-type"] in {"atomic", "set", "map"}
        for key in node.get("x-kubernetes-list-map-keys", ()):
            item = node["items"]
            assert key in item["required"] or "default" in item["properties"][key]


@pytest.mark.parametrize(
    ("kind", "path", "list_type"),
    [
        (TalkdeskApp, "spec.auth.scopes", "set"),
        (TalkdeskApp, "spec.deadline.warnBefore", "set"),
        (TalkdeskApp, "spec.approval.rejectWhen", "atomic"),
        (TalkdeskApp, "spec.tenant.steps", ["name"]),
        (TalkdeskApp, "status.conditions", ["type"]),
        (TalkdeskTenant, "spec.objects", ["group", "kind", "namespace", "name"]),
        (TalkdeskTenant, "status.inventory", ["group", "kind", "namespace", "name"]),
        (TalkdeskTenant, "status.steps", ["name"]),
        (TalkdeskInstallation, "status.history", "atomic"),
    ],
)
def test_lists_are_merged_by_what_names_their_items(kind: type[CustomResource], path: str, list_type: Any) -> None:
    node = root(kind)
    for name in path.split("."):
        node = node["properties"][name]
    assert node.get("x-kubernetes-list-map-keys", node["x-kubernetes-list-type"]) == list_type


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_has_no_enumeration_so_that_a_newer_operator_can_write_it(kind: type[CustomResource]) -> None:
    assert all("enum" not in node for node in nodes(root(kind)["properties"]["status"]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_description_of_a_status_field_names_its_values(kind: type[CustomResource]) -> None:
    whole = kind.model_json_schema(by_alias=True)
    reached = structural_schema({"properties": {"status": whole["properties"]["status"]}, "$defs": whole["$defs"]})
    for node in nodes(reached):
        for value in node.get("enum", ()):
            assert value in node["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_has_no_defaults_but_for_keys_because_the_api_server_would_write_them_into_each_object(
    kind: type[CustomResource],
) -> None:
    for node in nodes(root(kind)["properties"]["status"]):
        keys = node.get("items", {}).get("properties", {}) if "x-kubernetes-list-map-keys" in node else {}
        for child in node.get("properties", {}).values():
            assert "default" not in child or child["default"] == ""
        assert {name for name, child in keys.items() if "default" in child} <= {"group", "namespace"}


def test_yaml_has_no_anchors() -> None:
    for kind in KINDS:
        assert not [event for event in yaml.parse(to_yaml(kind)) if getattr(event, "anchor", None) is not None]


def test_the_description_of_a_duration_says_its_grammar() -> None:
    durations = [node for kind in KINDS for node in nodes(root(kind)) if node.get("pattern") == DURATION_PATTERN]
    assert len(durations) >= 8
    assert all(node["description"].endswith(DURATION_GRAMMAR) for node in durations)


def test_names_columns_and_selectors_come_from_the_kind() -> None:
    made = crd(TalkdeskInstallation)
    assert made["metadata"]["name"] == f"talkdeskinstallations.{GROUP}"
    assert made["spec"]["names"]["shortNames"] == ["tdi"]
    assert made["spec"]["names"]["categories"] == ["talkdesk"]
    version = made["spec"]["versions"][0]
    assert version["selectableFields"] == [
        {"jsonPath": ".spec.accountId"},
        {"jsonPath": ".spec.appRef.name"},
        {"jsonPath": ".status.phase"},
    ]
    columns = version["additionalPrinterColumns"]
    assert [c["name"] for c in columns if "priority" not in c] == [
        "Account",
        "Phase",
        "Ready",
        "Request",
        "Deadline",
        "Warned",
        "Trial",
        "Age",
    ]
    assert {c["priority"] for c in columns if "priority" in c} == {1}


def test_a_kind_without_selectors_names_none() -> None:
    assert "selectableFields" not in crd(KINDS[0])["spec"]["versions"][0]


class Leaf(Model):
    """A leaf,
    on two lines."""

    word: Literal["only"] = "only"
    """Always the same."""


class Sample(Model):
    """Everything that the conversion must deal with."""

    leaf: Leaf = Leaf()
    maybe: Leaf | None = None
    """Beside."""
    count: Annotated[int, Field(gt=0, lt=9)] = 3
    free: FreeObject = Field(default_factory=dict)
    words: tuple[str, ...] = ()
    steps: tuple[Leaf, ...] = (Leaf(),)


def test_what_pydantic_says_becomes_what_the_api_server_understands() -> None:
    properties = schema_of(Sample)["properties"]
    assert properties["leaf"]["default"] == {}
    assert properties["leaf"]["description"] == "A leaf, on two lines."
    assert properties["leaf"]["properties"]["word"]["enum"] == ["only"]
    assert properties["maybe"]["description"] == "Beside."
    assert "default" not in properties["maybe"]
    count = {"format": "int64", "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": True}
    assert count.items() <= properties["count"].items()
    assert properties["count"]["default"] == 3
    assert properties["free"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert "default" not in properties["words"]
    assert properties["steps"]["items"]["properties"]["word"]["default"] == "only"


def test_an_optional_field_keeps_a_default_that_is_something() -> None:
    class Optional(Model):
        word: str | None = "x"

    assert schema_of(Optional)["properties"]["word"] == {"default": "x", "type": "string"}


class Union(Model):
    inner: int | str


class Map(Model):
    inner: dict[str, int]


def test_a_map_of_one_type_says_which() -> None:
    inner = schema_of(Map)["properties"]["inner"]
    assert inner == {"type": "object", "additionalProperties": {"type": "integer", "format": "int64"}}


class Pair(Model):
    inner: tuple[int, str]


@pytest.mark.parametrize(("model", "problem"), [(Union, "2 types"), (Pair, "prefixItems")])
def test_what_a_structural_schema_cannot_say_is_refused_with_its_place(model: type[Model], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"\.inner .*{problem}"):
        schema_of(model)


def test_a_schema_that_is_none_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the schema has \['oneOf'\]"):
        structural_schema({"oneOf": []})


def test_the_command_writes_one_file_for_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["crdgen", str(tmp_path)])
    runpy.run_path(str(crdgen.__file__), run_name="__main__")
    for kind in KINDS:
        assert yaml.safe_load((tmp_path / file_name(kind)).read_text()) == crd(kind)
