"""Less memory for many models: the sets that pydantic keeps are shared between models that have the same.

Belongs here: that. Does not belong here: which models are kept (`store`).

Each model has a set of the names of the fields that it was given, of 216 to 728 bytes; in the store they took nearly
half of an account's 53 KB. Kinds have few shapes, so a few dozen sets serve all. Sharing is safe because our models
are frozen: only assignment to a field would change a set in place, and copies copy it.
"""

from collections.abc import Iterator

from pydantic import BaseModel

__all__ = ["FieldSets"]


class FieldSets:
    """The sets that are shared; one of these serves everything that lives equally long."""

    def __init__(self) -> None:
        self._known: dict[frozenset[str], set[str]] = {}

    def share(self, model: BaseModel) -> None:
        """Let a frozen model, and all models in it, use the shared sets."""
        own = model.__pydantic_fields_set__
        object.__setattr__(model, "__pydantic_fields_set__", self._known.setdefault(frozenset(own), own))
        for inner in _models_in(model):
            self.share(inner)


def _models_in(model: BaseModel) -> Iterator[BaseModel]:
    for value in model.__dict__.values():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, BaseModel):
                yield each
