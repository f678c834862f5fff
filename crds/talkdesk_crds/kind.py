"""What the API server must know about a kind beside its schema, and the base that all three kinds share."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import ConfigDict

from talkdesk_crds.fields import CheckedCopy, ObjectMeta
from talkdesk_crds.names import API_VERSION

__all__ = ["Column", "CustomResource", "KindInfo"]


@dataclass(frozen=True)
class Column:
    """A column that `kubectl get` prints; `wide` ones only with `-o wide`."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True)
class KindInfo:
    """Names and printing of one kind; becomes part of its CustomResourceDefinition."""

    kind: str
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    rules: tuple[dict[str, Any], ...] = ()
    """CEL rules over the whole object, which see its name, and spec and status together."""

    @property
    def singular(self) -> str:
        """The name for one object in commands."""
        return self.kind.lower()


class CustomResource(CheckedCopy):
    """A whole object of ours, read from the API server.

    Reading ignores fields that this version doesn't know: they were pruned or checked when they were written, and
    an object from a newer version must still be handled.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    INFO: ClassVar[KindInfo]
    metadata: ObjectMeta

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """Read an object as the API server gives it; raise pydantic's ValidationError for one that can't be."""
        return cls.model_validate(raw, extra="ignore")

    @classmethod
    def head(cls) -> dict[str, str]:
        """Return `apiVersion` and `kind` of a new object."""
        return {"apiVersion": API_VERSION, "kind": cls.INFO.kind}

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.metadata.namespace, self.metadata.name
