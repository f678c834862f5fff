"""Apply one object of a tenant: the very one that we made before, or a new one that nobody else has.

Belongs here: what an apply names of the object that it is for, so that another one of its name is never taken. Does not
belong here: the order of the objects, and what becomes of a failure (`objects`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.error_policy import object_failure
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass
from talkdesk_operator.domain.tenant.marks import Ownership
from talkdesk_operator.domain.tenant.yielded_fields import without_ignored, yielded
from talkdesk_operator.reconcilers.object_words import where
from talkdesk_operator.reconcilers.ownership import Owner, Rights
from talkdesk_operator.reconcilers.progress import Progress
from talkdesk_operator.reconcilers.secret_values import secret_values
from talkdesk_operator.templates.ignored_fields import ignored_fields
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.render import ObjectIdentity, RenderedStep
from talkdesk_runtime.kube_errors import KubeConflict, KubeInvalid

__all__ = ["VERSION_OF_NONE", "ObjectApply"]

VERSION_OF_NONE: Final = "1"
"""A resourceVersion that no object has, because the first write of a store is a later one. An apply that bears it makes
an object, and is refused (KubeConflict) when there is one of that name, whatever its fields and their managers are."""

_OVERTAKEN: Final = 5
"""How often an object is read anew while others write it."""


class ObjectApply:
    """Applies the objects of all tenants of one process. Methods raise KubeError."""

    def __init__(self, cluster: Cluster, rights: Rights) -> None:
        self._cluster = cluster
        self._rights = rights
        self._being_made: set[ObjectIdentity] = set()

    async def again(self, manifest: Mapping[str, Any], uid: str, owner: Owner) -> dict[str, Any] | str | None:
        """Apply to the very object that we made before; None when there is none (`uid` is empty) or it is gone.

        What somebody else changed on our object is changed back. A text is what is waited for.
        """
        if not uid:
            return None
        try:
            return await self._apply_to(manifest, uid, owner)
        except KubeConflict:
            return None
        except KubeInvalid as error:
            if "metadata.uid" in error.fields:
                return None
            raise

    async def first(
        self, manifest: Mapping[str, Any], entry: InventoryEntry, step: RenderedStep, state: Progress
    ) -> dict[str, Any] | Failure | str:
        """Apply an object that is not on record; a failure when somebody else has one of that name.

        All tenants apply under one field manager, so that the API server would not notice that two of them make the
        same object at once.
        """
        if entry.identity in self._being_made:
            message = f"{entry.kind} {where(entry)} is being made for another tenant"
            return Failure(Reason.CONFLICT, message, RetryClass.TRANSIENT)
        self._being_made.add(entry.identity)
        try:
            return await self._take(manifest, entry, step, state)
        finally:
            self._being_made.discard(entry.identity)

    async def _take(
        self, manifest: Mapping[str, Any], entry: InventoryEntry, step: RenderedStep, state: Progress
    ) -> dict[str, Any] | Failure | str:
        if entry.namespace in state.earlier.new_namespaces:
            # It is ours, and so is what the cluster puts into it meanwhile, such as the ServiceAccount `default`.
            return await self._cluster.apply(manifest, state.owner.identity, force=False)
        live = await self._cluster.find(entry, state.owner.identity)
        if live is None:
            made = await self._make(manifest, entry, state)
            if not isinstance(made, KubeConflict):
                return made
            live = await self._cluster.find(entry, state.owner.identity)
            if live is None:
                # Not about this object, but such as about a quota that two objects count towards at once.
                failure = object_failure(made, entry.kind, where(entry), secrets=secret_values(manifest))
                return replace(failure, retry_class=RetryClass.TRANSIENT)
        refusal = await self._rights.refusal(live, state.owner, adopt=step.adopt)
        if refusal:
            return Failure(Reason.CONFLICT, f"{entry.kind} {where(entry)} {refusal}", RetryClass.SLOW)
        if state.owner.mark.judge(live) is not Ownership.OURS:
            try:
                await self._cluster.take_fields(without_ignored(manifest), live, state.owner.identity)
            except KubeConflict as changed:
                failure = object_failure(changed, entry.kind, where(entry), secrets=secret_values(manifest))
                return replace(failure, retry_class=RetryClass.TRANSIENT)
        return await self._apply_to(manifest, str(live["metadata"]["uid"]), state.owner)

    async def _make(
        self, manifest: Mapping[str, Any], entry: InventoryEntry, state: Progress
    ) -> dict[str, Any] | KubeConflict:
        """Apply an object that was not there at a look; return the conflict when it may be there now."""
        metadata = {**manifest["metadata"], "resourceVersion": VERSION_OF_NONE}
        try:
            made = await self._cluster.apply({**manifest, "metadata": metadata}, state.owner.identity, force=False)
        except KubeConflict as conflict:
            return conflict
        if (entry.group, entry.kind) == ("", "Namespace"):
            state.earlier.new_namespaces.add(entry.name)
        return made

    async def _apply_to(self, manifest: Mapping[str, Any], uid: str, owner: Owner) -> dict[str, Any] | str:
        """Apply to that very object, whoever has its fields; the API server refuses any other object of that name.

        Fields that the manifest leaves to others are as they are now, or left out. A text is what is waited for.
        """
        if not ignored_fields(manifest):
            return await self._forced(manifest, {"uid": uid}, owner)
        for _ in range(_OVERTAKEN):
            live = await self._cluster.read_object(manifest, owner.identity)
            if live is None or live["metadata"]["uid"] != uid:
                raise KubeConflict("the object is gone")
            what = yielded(manifest, live)
            bound = {"resourceVersion": live["metadata"]["resourceVersion"]} if what.is_bound else {}
            try:
                return await self._forced(what.manifest, {"uid": uid, **bound}, owner)
            except KubeConflict:
                if not bound:
                    raise
        place, name = manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
        return (
            f"{manifest['kind']} {f'{place}/' if place else ''}{name}: others write it all the time; it is tried again"
        )

    async def _forced(
        self, manifest: Mapping[str, Any], precondition: Mapping[str, str], owner: Owner
    ) -> dict[str, Any]:
        metadata = {**manifest["metadata"], **precondition}
        return await self._cluster.apply({**manifest, "metadata": metadata}, owner.identity, force=True)
