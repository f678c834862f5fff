"""Whether a tenant may take over or delete an object that is there, as its marks and the API server say.

Belongs here: the rules, and the fresh reads that they need. Does not belong here: the marks themselves
(`domain.tenant.marks`), applying and deleting (`objects`).

A mark of an earlier life of this tenant counts only when the API server shows that this tenant is the present one: so
neither another app of the same name nor a process with an old view can take an object by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Self

from talkdesk_crds.app import ObjectScope
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.cluster import Cluster, Identity
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.marks import Mark, Ownership, named_tenant
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.placement import outside
from talkdesk_runtime.kube_errors import KubeForbidden

__all__ = ["DeletionRight", "Owner", "Rights"]


@dataclass(frozen=True, slots=True)
class Owner:
    """The tenant that owns the objects, and the user who is impersonated for all requests."""

    mark: Mark
    identity: Identity
    within: str | None = None
    """The tenant's name, where its objects may be only in its own namespace or under its name; None for anywhere, and
    empty where that name is not known: then no object is known to be where it may be."""

    @classmethod
    def of(cls, app: CompiledApp, tenant: TalkdeskTenant) -> Self:
        """Return the owner of a tenant's objects."""
        confined = app.resource.spec.tenant.object_scope is ObjectScope.TENANT
        return cls(Mark.of(tenant), app.identity, tenant.spec.name or "" if confined else None)

    def outside(self, entries: Iterable[InventoryEntry]) -> str:
        """Return in words which of the objects are where they may not be; empty when none is."""
        return "" if self.within is None else outside(entries, self.within)


class DeletionRight(Enum):
    """Whether a tenant may delete an object on its record."""

    GRANTED = auto()
    """The object is this tenant's."""
    NOT_OURS = auto()
    """The object is certainly not this tenant's: there is nothing to delete."""
    OUTSIDE = auto()
    """The object is this tenant's, but not where its objects may be: the app must allow it, or a person delete it."""
    IN_DOUBT = auto()
    """It may be this tenant's, but its marks do not say so: a person must decide."""


class Rights:
    """Answers for one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def refusal(self, live: Mapping[str, Any], owner: Owner, *, adopt: bool) -> str:
        """Return why the tenant may not take the object over; empty when it may. Raises KubeError."""
        match owner.mark.judge(live):
            case Ownership.OURS:
                return ""
            case Ownership.EARLIER:
                return (
                    "" if await self._is_present(owner.mark) else "is marked as a newer TalkdeskTenant's of this name"
                )
            case Ownership.ANOTHERS:
                namespace, name, _ = named_tenant(live) or ("", "", "")
                if adopt and not await self._exists(namespace, name):
                    return ""
                return f"belongs to the TalkdeskTenant {namespace}/{name}"
            case Ownership.UNMARKED:
                remedy = "delete it, or let the step take it over by conflictPolicy: Adopt"
                return "" if adopt else f"exists and is not this tenant's; {remedy}"
            case Ownership.DOUBTFUL:
                remedy = "delete it, or take all of the operator's labels and annotations away if it is not a tenant's"
                return f"exists, and its labels and annotations contradict each other about whose it is; {remedy}"

    async def deletion(self, live: Mapping[str, Any], owner: Owner, *, recorded_uid: str) -> DeletionRight:
        """Return whether the tenant may delete the object; `recorded_uid` is empty when none was. Raises KubeError."""
        match owner.mark.judge(live):
            case Ownership.OURS:
                return DeletionRight.GRANTED
            case Ownership.EARLIER:
                present = await self._is_present(owner.mark)
                return DeletionRight.GRANTED if present else DeletionRight.NOT_OURS
            case Ownership.ANOTHERS:
                return DeletionRight.NOT_OURS
            case Ownership.UNMARKED:
                made_by_us = recorded_uid == live.get("metadata", {}).get("uid")
                return DeletionRight.IN_DOUBT if made_by_us else DeletionRight.NOT_OURS
            case Ownership.DOUBTFUL:
                return DeletionRight.IN_DOUBT

    async def _is_present(self, mark: Mark) -> bool:
        return await self._cluster.reread_tenant(mark.namespace, mark.tenant) == mark.uid

    async def _exists(self, namespace: str, name: str) -> bool:
        try:
            return await self._cluster.reread_tenant(namespace, name) is not None
        except KubeForbidden:
            return True  # what can't be read may be there
