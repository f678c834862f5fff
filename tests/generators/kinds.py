"""The fields of our kinds as pages, read from the schemas that the API server gets."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from generators.markdown import page, table
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.tenant import TalkdeskTenant

__all__ = ["ALL_KINDS", "field_rows", "kind_page"]

ALL_KINDS = (TalkdeskApp.INFO, TalkdeskInstallation.INFO, TalkdeskTenant.INFO)
_FOLDER = Path(__file__).parents[2] / "crds" / "yaml"
_PARTS = ("spec", "status")


def kind_page(plural: str) -> str:
    """Return the page of a kind: each field of spec and status with its type, default and description."""
    crd = yaml.safe_load((_FOLDER / f"{plural}.yaml").read_text(encoding="utf-8"))
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    parts = [
        (
            f"`apiVersion: {crd['spec']['group']}/{version['name']}`, short name `{names['shortNames'][0]}`. "
            f"{_text(schema)} `kubectl explain {names['singular']}.spec` says the same in a terminal."
        ),
    ]
    for part in _PARTS:
        found = schema["properties"][part]
        parts += [f"## {part}", _text(found), table(("field", "type", "default", "what"), _fields(found))]
    return page(names["kind"], *parts)


def field_rows(plural: str, *path: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and description of each field at a place of a kind, such as `spec`, `tenant`."""
    crd = yaml.safe_load((_FOLDER / f"{plural}.yaml").read_text(encoding="utf-8"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path:
        schema = schema["properties"][name]
    yield from _fields(schema.get("items", schema))


def _fields(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        kind = f"{_type(field)}, required" if name in required else _type(field)
        yield f"`{where}`", kind, _default(field), _text(field)
        yield from _fields(field, where)
        if isinstance(items := field.get("items"), dict):
            yield from _fields(items, f"{where}[]")
        if isinstance(values := field.get("additionalProperties"), dict):
            yield from _fields(values, f"{where}.*")


def _type(field: Mapping[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"] if value is not None)
    match field.get("type"):
        case "array":
            return f"list of {_type(field.get('items', {}))}"
        case "object" if isinstance(values := field.get("additionalProperties"), dict):
            return f"map of {_type(values)}"
        case None:
            return "any"
        case name:
            return str(field.get("format") or name)


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, {}, []) else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _text(schema: Mapping[str, Any]) -> str:
    return " ".join(schema.get("description", "").split()).replace("<", "&lt;")
