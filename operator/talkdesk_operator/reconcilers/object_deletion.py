"""Delete one object of a tenant: just what a look right before it showed, and nothing that it became since.

A deletion names uid and version of what was seen. One that somebody changed in between, such as by taking its marks off
to keep it, is looked at again. A deletion that is reported is tried out before by a dry run, so that nothing is said of
one that is refused, and each that happens is said once.

Belongs here: look, judgment, report and deletion of one object. Does not belong here: the order of many (`objects`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from talkdesk_crds.names import LABEL_TENANT
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.reconcilers.given_rights import GivenRights
from talkdesk_operator.reconcilers.ownership import DeletionRight, Owner, Rights
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.kube_errors import KubeConflict, KubeForbidden, KubeRefused

__all__ = ["ObjectDeletion", "Report"]

Report: TypeAlias = Callable[[InventoryEntry, Mapping[str, Any]], Awaitable[None]]
"""Gets an object that is about to be deleted, as it is now."""

_LOOKS: Final = 3


class ObjectDeletion:
    """Deletes for all tenants of one process. Methods raise KubeError."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._rights = Rights(cluster)
        self._given = GivenRights(cluster)

    async def delete(
        self, entry: InventoryEntry, owner: Owner, *, spared: frozenset[str] = frozenset(), report: Report | None = None
    ) -> dict[str, Any] | DeletionRight | None:
        """Return None when the object is gone, else the object, or why it is not deleted."""
        if entry.uid in spared:
            return None
        live = await self._find_left(entry, owner)
        for look in range(1, _LOOKS + 1):
            if live is None or live["metadata"]["uid"] in spared:
                return None
            right = await self.right(entry, live, owner)
            if right is not DeletionRight.GRANTED:
                return None if right is DeletionRight.NOT_OURS else right
            # What is recorded with a namespace may be outside all of them: the object itself knows.
            if owner.outside([replace(entry, namespace=live["metadata"].get("namespace", ""))]):
                return DeletionRight.OUTSIDE
            try:
                return await self.delete_seen(entry, live, owner, report)
            except KubeConflict:
                seen, live = _version(live), await self._find_left(entry, owner)
                if look == _LOOKS or (live is not None and _version(live) == seen):
                    raise
        raise AssertionError("the last look returns or raises")

    async def delete_seen(
        self, entry: InventoryEntry, live: Mapping[str, Any], owner: Owner, report: Report | None
    ) -> dict[str, Any] | None:
        """Delete the object as it was seen; return it while it is going, None when it is gone.

        Raises KubeConflict when it is another one by now, or was changed.
        """
        seen, version = replace(entry, uid=str(live["metadata"]["uid"])), _version(live)
        if report is not None and "deletionTimestamp" not in live["metadata"]:
            await self._cluster.delete(seen, owner.identity, version=version, dry_run=True)
            await report(entry, live)
        return await self._cluster.delete(seen, owner.identity, version=version)

    async def right(self, entry: InventoryEntry, live: Mapping[str, Any], owner: Owner) -> DeletionRight:
        """Return whether the tenant may delete the object of an entry.

        An object that was planned when the process ended has no uid on record: only its marks show whether it was
        applied. One with another uid may be ours out of a backup. From one that left the template a person may take the
        label of the tenant, to have it for themselves.
        """
        if entry.orphaned and LABEL_TENANT not in (live["metadata"].get("labels") or {}):
            return DeletionRight.NOT_OURS
        return await self._rights.deletion(live, owner, recorded_uid=entry.uid)

    async def _find_left(self, entry: InventoryEntry, owner: Owner) -> dict[str, Any] | None:
        """Read an object that is to be deleted; None when it is gone, or goes with its namespace."""
        try:
            return await self.find(entry, owner)
        except KubeForbidden:
            if not await self._given.ended(entry, owner.identity):
                raise
            return None

    async def find(self, entry: InventoryEntry, owner: Owner) -> dict[str, Any] | None:
        """Read the object; None when there is none, or certainly none that this user made."""
        try:
            return await self._cluster.find(entry, owner.identity)
        except (KubeForbidden, KubeRefused):
            if entry.uid:
                raise
            # What this user may not read, or whose kind is not served, this user did not make.
            return None


def _version(live: Mapping[str, Any]) -> str:
    return str(live["metadata"].get("resourceVersion") or "")
