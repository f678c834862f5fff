"""A tenant's objects: applied one after the other, deleted in reverse, and never taken from somebody else.

Before an object is applied for the first time it is looked for: one that is there already, without our labels, belongs
to somebody and is left alone, unless its step says `conflictPolicy: Adopt`. One that is ours is held to the template:
what others change on it is put back. Inside a namespace that was itself made in the same pass nothing
can be there yet, so nothing is looked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import LABEL_APP, LABEL_MANAGED_BY, LABEL_TENANT, MANAGED_BY
from talkdesk_crds.tenant import StepState, StepStatus
from talkdesk_operator.domain.ports.cluster import Cluster, Identity
from talkdesk_operator.domain.reconcile.error_policy import object_failure
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass
from talkdesk_operator.templates.inventory import InventoryEntry, deletion_order
from talkdesk_operator.templates.readiness import Failed, NotReady, Ready, readiness
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.kube_errors import KubeConflict, KubeError, KubeForbidden, KubeRefused

__all__ = ["Applied", "Deleted", "Owner", "TenantObjects", "where"]

_MESSAGE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose objects they are, and in whose name they are touched."""

    app: str
    tenant: str
    identity: Identity

    def owns(self, live: Mapping[str, Any]) -> bool:
        """Return whether an object bears our labels for this tenant."""
        labels = live.get("metadata", {}).get("labels") or {}
        return (labels.get(LABEL_MANAGED_BY), labels.get(LABEL_APP), labels.get(LABEL_TENANT)) == (
            MANAGED_BY,
            self.app,
            self.tenant,
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of applying."""

    inventory: dict[tuple[str, str, str, str], InventoryEntry]
    steps: tuple[StepStatus, ...]
    failure: Failure | None = None
    waiting: str = ""
    """What is not ready yet; empty when everything is, or something failed."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What came of deleting."""

    remaining: tuple[InventoryEntry, ...]
    blocking: str = ""
    """The object that is still there, and what holds it."""
    failure: Failure | None = None


@dataclass(slots=True)
class _Pass:
    """What is known while the steps are applied."""

    owner: Owner
    inventory: dict[tuple[str, str, str, str], InventoryEntry]
    new_namespaces: set[str] = field(default_factory=set)


class TenantObjects:
    """Applies and deletes. Failures at an object become values."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def apply(self, rendered: RenderedTenant, entries: Sequence[InventoryEntry], owner: Owner) -> Applied:
        """Apply step after step; stop at the first that fails or is not ready.

        `entries` is the inventory before, with what is about to be applied already in it.
        """
        state = _Pass(owner, {entry.identity: entry for entry in entries})
        done: list[StepStatus] = []
        for step in rendered.steps:
            outcome = await self._step(step, state)
            match outcome:
                case Failure():
                    done.append(_status(step, StepState.FAILED, outcome.message))
                    return Applied(state.inventory, _with_pending(done, rendered), failure=outcome)
                case "":
                    done.append(_status(step, StepState.READY, ""))
                case str():
                    done.append(_status(step, StepState.WAITING, outcome))
                    return Applied(state.inventory, _with_pending(done, rendered), waiting=outcome)
        return Applied(state.inventory, tuple(done))

    async def _step(self, step: RenderedStep, state: _Pass) -> Failure | str:
        """Apply the objects of a step; return what it waits for, or an empty string."""
        waiting = ""
        for manifest in step.objects:
            entry = _entry(step, manifest)
            known = state.inventory.get(entry.identity, entry)
            try:
                live = await self._ours(manifest, known, state.owner)
                if live is None:
                    failure = await self._in_the_way(manifest, replace(known, uid=""), step, state)
                    if failure is not None:
                        return failure
                    live = await self._cluster.apply(manifest, state.owner.identity, force=step.adopt)
            except KubeError as error:
                return object_failure(error, entry.kind, where(entry))
            state.inventory[entry.identity] = replace(entry, uid=str(live["metadata"]["uid"]))
            match readiness(live, step.ready_when):
                case Ready():
                    pass
                case NotReady(message=message):
                    waiting = waiting or f"{entry.kind} {where(entry)}: {message}"[:_MESSAGE_LENGTH]
                case Failed(message=message):
                    text = f"{entry.kind} {where(entry)}: {message}"
                    return Failure(Reason.NOT_READY, text[:_MESSAGE_LENGTH], RetryClass.SLOW)
        return waiting

    async def _ours(self, manifest: Mapping[str, Any], known: InventoryEntry, owner: Owner) -> dict[str, Any] | None:
        """Apply to the very object that we made before; None when there is none, or it is gone. Raises KubeError.

        With the uid in it the API server refuses any other object of that name. What somebody else changed on an object
        of ours is put back, hence the force.
        """
        if not known.uid:
            return None
        metadata = {**manifest["metadata"], "uid": known.uid}
        try:
            return await self._cluster.apply({**manifest, "metadata": metadata}, owner.identity, force=True)
        except KubeConflict:
            return None

    async def _in_the_way(
        self, manifest: Mapping[str, Any], known: InventoryEntry, step: RenderedStep, state: _Pass
    ) -> Failure | None:
        """Look, before the first apply, whether somebody else has an object of that name. Raises KubeError."""
        if step.adopt or known.namespace in state.new_namespaces:
            return None
        live = await self._cluster.find(known, state.owner.identity)
        if live is None:
            if (known.group, known.kind) == ("", "Namespace"):
                state.new_namespaces.add(manifest["metadata"]["name"])
            return None
        if state.owner.owns(live):
            return None
        message = f"{known.kind} {where(known)} is somebody else's; conflictPolicy: Adopt takes it over"
        return Failure(Reason.CONFLICT, message, RetryClass.SLOW)

    async def delete(self, entries: Sequence[InventoryEntry], owner: Owner) -> Deleted:
        """Delete in reverse order, a step only when those after it are gone."""
        order = deletion_order(entries)
        remaining = list(order)
        blocking = ""
        for position, entry in enumerate(order):
            if blocking and entry.step != order[position - 1].step:
                break
            try:
                live = await self._delete(entry, owner)
            except KubeError as error:
                return Deleted(_in_order(entries, remaining), failure=object_failure(error, entry.kind, where(entry)))
            if live is None:
                remaining.remove(entry)
            else:
                blocking = blocking or _held_by(entry, live)
        return Deleted(_in_order(entries, remaining), blocking)

    async def _delete(self, entry: InventoryEntry, owner: Owner) -> dict[str, Any] | None:
        if not entry.uid:
            # It was about to be applied when something broke off. Only our labels tell whether it came to that.
            try:
                live = await self._cluster.find(entry, owner.identity)
            except (KubeForbidden, KubeRefused):
                # What can't even be looked for in this name, or is of a kind that is not served, was not made in it.
                return None
            if live is None or not owner.owns(live):
                return None
            entry = replace(entry, uid=str(live["metadata"]["uid"]))
        return await self._cluster.delete(entry, owner.identity)


def where(entry: InventoryEntry) -> str:
    """Return `namespace/name`, or `name` where there is no namespace."""
    return f"{entry.namespace}/{entry.name}" if entry.namespace else entry.name


def _entry(step: RenderedStep, manifest: Mapping[str, Any]) -> InventoryEntry:
    group, _, version = manifest["apiVersion"].rpartition("/")
    metadata = manifest["metadata"]
    return InventoryEntry(
        step.name,
        group,
        version,
        manifest["kind"],
        metadata.get("namespace", ""),
        metadata["name"],
        step.on_offboard,
    )


def _status(step: RenderedStep, state: StepState, message: str) -> StepStatus:
    return StepStatus(name=step.name, state=state, message=message[:_MESSAGE_LENGTH])


def _with_pending(done: Sequence[StepStatus], rendered: RenderedTenant) -> tuple[StepStatus, ...]:
    rest = rendered.steps[len(done) :]
    return (*done, *(_status(step, StepState.PENDING, "") for step in rest))


def _in_order(entries: Sequence[InventoryEntry], kept: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    identities = {entry.identity for entry in kept}
    return tuple(entry for entry in entries if entry.identity in identities)


def _held_by(entry: InventoryEntry, live: Mapping[str, Any]) -> str:
    """Return what keeps an object that is being deleted."""
    metadata = live.get("metadata", {})
    since = metadata.get("deletionTimestamp", "")
    reasons = [
        str(condition.get("message"))
        for condition in live.get("status", {}).get("conditions") or []
        if condition.get("status") == "True" and condition.get("message")
    ]
    finalizers = metadata.get("finalizers") or live.get("spec", {}).get("finalizers") or []
    if not reasons and finalizers:
        reasons = [f"finalizers {', '.join(map(str, finalizers))}"]
    held = f": {'; '.join(reasons)}" if reasons else ""
    return f"{entry.kind} {where(entry)} is being deleted since {since}{held}"[:_MESSAGE_LENGTH]
