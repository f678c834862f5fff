"""A manifest of a template, as far as a schema can judge it: what can't work for anybody is refused by `kubectl apply`.

Belongs here: what the API server checks. Does not belong here: CEL in a manifest's texts, which no schema can compile:
the operator says what is wrong with it in a condition.
"""

from typing import Annotated, Any, Final

from pydantic import Field

from talkdesk_crds.fields import FreeObject, rules
from talkdesk_crds.names import GROUP

__all__ = ["CLOSED", "Manifest"]

CLOSED: Final = rules(
    {
        "rule": "self.lastIndexOf('${') <= self.lastIndexOf('}')",
        "message": "an expression after ${ has no closing brace",
    }
)
"""Refuses a text in which an expression can't end, because no closing brace follows."""
_NAME: Final[dict[str, Any]] = {
    "type": "string",
    "description": "The object's name, a text that may hold `${ CEL }`.",
    "minLength": 1,
    "maxLength": 1024,
    **CLOSED,
}
_PROPERTIES: Final[dict[str, Any]] = {
    "apiVersion": {
        "type": "string",
        "description": "A version such as v1, or a group and a version such as apps/v1.",
        "maxLength": 317,
        "pattern": r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
    },
    "kind": {
        "type": "string",
        "description": "A kind such as ConfigMap; no list.",
        "maxLength": 63,
        "pattern": r"^[A-Za-z][-A-Za-z0-9]*$",
    },
    "metadata": {
        "type": "object",
        "description": "Name, namespace where the kind has one, labels and annotations.",
        "required": ["name"],
        "properties": {"name": _NAME},
        "x-kubernetes-preserve-unknown-fields": True,
    },
}
_RULES: Final = rules(
    {
        "rule": "self.kind != 'List'",
        "message": "a list of objects must be written as separate manifests",
        "fieldPath": ".kind",
    },
    {
        "rule": f"!self.apiVersion.startsWith('{GROUP}/')",
        "message": f"objects of {GROUP} cannot be in a template",
        "fieldPath": ".apiVersion",
    },
)

Manifest = Annotated[
    FreeObject,
    Field(
        json_schema_extra={
            "x-kubernetes-preserve-unknown-fields": True,
            "required": ["apiVersion", "kind", "metadata"],
            "properties": _PROPERTIES,
            **_RULES,
        }
    ),
]
"""A Kubernetes object of a template. Reading one is lenient: what is stored may be older than a rule."""
