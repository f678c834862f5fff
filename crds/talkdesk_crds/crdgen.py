"""Makes CustomResourceDefinitions from the models: `python -m talkdesk_crds.crdgen FOLDER`.

pydantic's JSON schema is turned into a structural schema: references are put in place, `X | None` becomes an optional
X, titles and prohibitions of further properties go (the API server prunes what it doesn't know), and what a class says
in its docstring becomes the description that `kubectl explain` shows; `{GROUP}` in it stands for the API group.

A status has no enums, so that a newer operator can write to an older CRD; the descriptions name the values. It has no
defaults either, because the API server would write them into each object, but for the keys of lists.
"""

import sys
from pathlib import Path
from typing import Any, Final

import yaml
from typing_extensions import override

from talkdesk_crds import KINDS
from talkdesk_crds.fields import DURATION_GRAMMAR, rules
from talkdesk_crds.kind import Column, CustomResource
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.durations import DURATION_PATTERN

__all__ = ["crd", "file_name", "structural_schema", "to_yaml"]

_DROPPED: Final = frozenset({"title", "discriminator", "additionalProperties", "$defs", "const"})
_STATUS_WORD_LENGTH: Final = 64
"""Bound of a status field whose values are an enumeration of ours: room for values of newer versions."""
_KEPT: Final = frozenset(
    {
        "default", "description", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems",
        "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum",
        "pattern", "properties", "required", "type",
    }
)  # fmt: skip


def crd(kind: type[CustomResource]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind, ready for `kubectl apply`."""
    info = kind.INFO
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(c) for c in info.columns],
        "schema": {"openAPIV3Schema": _root(kind)},
    }
    if info.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in info.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{info.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": info.kind,
                "listKind": f"{info.kind}List",
                "plural": info.plural,
                "singular": info.singular,
                "shortNames": [info.short_name],
                "categories": ["talkdesk"],
            },
            "versions": [version],
        },
    }


def structural_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Turn pydantic's JSON schema of an object into a structural schema; raise ValueError where there is none."""
    return _convert(schema, schema.get("$defs", {}), "")


def file_name(kind: type[CustomResource]) -> str:
    """Name the generated file; without the group, so that kustomizations hold with another one."""
    return f"{kind.INFO.plural}.yaml"


def to_yaml(kind: type[CustomResource]) -> str:
    """Write the kind's CustomResourceDefinition as YAML."""
    head = "# Made by `make crds` from crds/talkdesk_crds: change the models, not this file.\n"
    return head + yaml.dump(crd(kind), Dumper=_PlainDumper, sort_keys=False, width=110, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    """Writes equal parts in full: anchors are hard to read, and not every reader of YAML knows them."""

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _column(column: Column) -> dict[str, Any]:
    made = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return made | ({"priority": 1} if column.wide else {})


def _root(kind: type[CustomResource]) -> dict[str, Any]:
    whole = kind.model_json_schema(by_alias=True)
    parts = structural_schema(
        {"properties": {k: whole["properties"][k] for k in ("spec", "status")}, "$defs": whole["$defs"]}
    )
    properties = parts["properties"]
    properties["status"] = _open(properties["status"])
    return {
        "description": _one_line(whole["description"]),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            **properties,
        },
        **(rules(*kind.INFO.rules) if kind.INFO.rules else {}),
    }


def _convert(schema: dict[str, Any], defs: dict[str, Any], path: str) -> dict[str, Any]:
    schema = _resolve(schema, defs, path)
    unknown = {k for k in schema if not k.startswith("x-kubernetes-")} - _KEPT - _DROPPED
    if unknown:
        raise ValueError(f"{path or 'the schema'} has {sorted(unknown)}, which a structural schema can't say")
    out = {k: v for k, v in schema.items() if k not in _DROPPED}
    if "const" in schema:
        out["enum"] = [schema["const"]]
    if "properties" in out:
        out["properties"] = {k: _convert(v, defs, f"{path}.{k}") for k, v in out["properties"].items()}
        out.setdefault("type", "object")
    if isinstance(values := schema.get("additionalProperties"), dict):
        out["additionalProperties"] = _convert(values, defs, f"{path}.*")
    if "items" in out:
        out["items"] = _convert(out["items"], defs, f"{path}[]")
        _default_keys(out)
    if out.get("pattern") == DURATION_PATTERN:
        out["description"] = f"{out.get('description', '')} {DURATION_GRAMMAR}"
    if "description" in out:
        out["description"] = _one_line(out["description"])
    if out.get("type") == "integer":
        out["format"] = "int64"
    for bound, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in out:
            out[inclusive], out[bound] = out[bound], True
    if "default" in out:
        _drop_empty_default(out)
    return dict(sorted(out.items(), key=lambda item: (item[0] == "properties", item[0])))


def _resolve(schema: dict[str, Any], defs: dict[str, Any], path: str) -> dict[str, Any]:
    """Put references and optional types in place; what stands beside them wins."""
    beside = {k: v for k, v in schema.items() if k not in ("$ref", "anyOf", "allOf")}
    if "$ref" in schema:
        return _resolve(defs[schema["$ref"].rpartition("/")[2]], defs, path) | beside
    if "anyOf" in schema:
        choices = [c for c in schema["anyOf"] if c != {"type": "null"}]
        if len(choices) != 1:
            raise ValueError(f"{path} has {len(choices)} types, which a structural schema can't say")
        if beside.get("default", ...) is None:
            del beside["default"]
        return _resolve(choices[0], defs, path) | beside
    return schema


def _drop_empty_default(schema: dict[str, Any]) -> None:
    # An object's default is {}, so that the API server fills in the members' own defaults; empty lists, maps and
    # texts are no defaults worth storing in each object.
    default = schema["default"]
    if schema.get("type") == "object" and schema.get("properties"):
        schema["default"] = {}
    elif default in (None, "", [], {}, ()):
        del schema["default"]


def _default_keys(listed: dict[str, Any]) -> None:
    """Give a default to each optional key of a list's items: the API server wants a value for every key."""
    items = listed["items"]
    for key in listed.get("x-kubernetes-list-map-keys", ()):
        if key not in items.get("required", ()):
            items["properties"][key].setdefault("default", "")


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a status without defaults and without enumerations."""
    out = {k: v for k, v in schema.items() if k not in ("default", "enum")}
    if "enum" in schema:
        out["maxLength"] = _STATUS_WORD_LENGTH
    if "properties" in out:
        out["properties"] = {k: _open(v) for k, v in out["properties"].items()}
    if "items" in out:
        out["items"] = _open(out["items"])
        _default_keys(out)
    return out


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("{GROUP}", GROUP)


def main() -> None:
    """Write one file for each kind into the folder named on the command line."""
    folder = Path(sys.argv[1])
    for kind in KINDS:
        (folder / file_name(kind)).write_text(to_yaml(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
