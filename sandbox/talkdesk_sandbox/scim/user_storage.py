"""Where the simulated service keeps its users.

Belongs here: searches for many external ids at once that are quick with ten thousand users. Does not belong here:
SCIM's rules.
"""

from typing import Any

from scim2_models import NotFoundException, Resource, ResourceType, SearchRequest
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator
from scim2_server.memory import InMemoryStorage
from scim2_server.storage import SearchPage
from typing_extensions import override

__all__ = ["UserStorage"]


class UserStorage(InMemoryStorage):
    """The library's storage in memory, with an index for `externalId eq "a" or externalId eq "b" …`."""

    def __init__(self) -> None:
        super().__init__()
        self._ids_by_external_id: dict[str, set[str]] = {}

    @override
    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        created = super().create(resource_type, resource)
        self._index(created)
        return created

    @override
    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        updated = super().update(resource_type, resource, expected_version=expected_version)
        self._index(updated)
        return updated

    @override
    def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        external_ids = _external_ids(search_request.filter.ast) if search_request.filter is not None else None
        if external_ids is None or len(resource_types) != 1:
            return super().search(resource_types, search_request, position=position)
        hits = [
            found
            for external_id in external_ids
            for user_id in sorted(self._ids_by_external_id.get(external_id, ()))
            if (found := self._find(resource_types[0], user_id)) is not None and found.external_id == external_id
        ]
        start = search_request.start_index_0 or 0
        stop = None if search_request.count is None else start + search_request.count
        return SearchPage(len(hits), hits[start:stop])

    def _index(self, resource: Resource[Any]) -> None:
        # Outdated entries stay because a search checks each entry.
        if resource.external_id is not None and resource.id is not None:
            self._ids_by_external_id.setdefault(resource.external_id, set()).add(resource.id)

    def _find(self, resource_type: ResourceType, user_id: str) -> Resource[Any] | None:
        try:
            return self.get(resource_type, user_id)
        except NotFoundException:
            return None


def _external_ids(node: FilterNode) -> list[str] | None:
    """Return the external ids that a filter asks for, if it asks for nothing else."""
    match node:
        case Comparison(op=CompareOperator.eq, value=str(value)) if str(node.attr_path).lower() == "externalid":
            return [value]
        case LogicalExpr(op=LogicalOperator.or_, terms=terms):
            external_ids = [_external_ids(term) for term in terms]
            return None if None in external_ids else [each for ids in external_ids if ids is not None for each in ids]
        case _:
            return None
