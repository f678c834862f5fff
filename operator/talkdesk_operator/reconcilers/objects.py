"""Apply a tenant's objects one after the other, delete them in reverse, and leave those of others alone.

Before an object is applied for the first time, it is read: one that exists without our labels belongs to somebody else
and is left alone, unless its step adopts. An object of ours is kept as the template says: what others change on it is
applied again by force. In a namespace that was made in the same reconcile nothing can exist yet, so nothing is read.
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
from talkdesk_runtime.kube_errors import KubeConflict, KubeError, KubeForbidden, KubeInvalid, KubeRefused

__all__ = ["Applied", "Deleted", "Owner", "TenantObjects", "where"]

_MESSAGE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Owner:
    """The app and the tenant that own the objects, and the user who is impersonated for all requests."""

    app: str
    tenant: str
    identity: Identity

    def owns(self, live: Mapping[str, Any]) -> bool:
        """Return whether an object has our labels for this tenant."""
        labels = live.get("metadata", {}).get("labels") or {}
        return (labels.get(LABEL_MANAGED_BY), labels.get(LABEL_APP), labels.get(LABEL_TENANT)) == (
            MANAGED_BY,
            self.app,
            self.tenant,
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of applying."""

    inventory: dict[tuple[str, str, str, str], InventoryEntry]
    steps: tuple[StepStatus, ...]
    failure: Failure | None = None
    waiting: str = ""
    """What is not ready yet; empty when everything is, or something failed."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The outcome of deleting."""

    remaining: tuple[InventoryEntry, ...]
    blocking: str = ""
    """The first object that still exists, and what blocks its deletion."""
    failure: Failure | None = None


@dataclass(slots=True)
class _Progress:
    """What is known while the steps are applied."""

    owner: Owner
    inventory: dict[tuple[str, str, str, str], InventoryEntry]
    new_namespaces: set[str] = field(default_factory=set)


class TenantObjects:
    """Applies and deletes. An error at an object becomes a value."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def apply(self, rendered: RenderedTenant, entries: Sequence[InventoryEntry], owner: Owner) -> Applied:
        """Apply step after step; stop at the first that fails or is not ready.

        `entries` is the inventory of before together with what is about to be applied.
        """
        state = _Progress(owner, {entry.identity: entry for entry in entries})
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

    async def _step(self, step: RenderedStep, state: _Progress) -> Failure | str:
        """Apply the objects of a step; return what it waits for, or an empty string."""
        waiting = ""
        for manifest in step.objects:
            entry = _entry(step, manifest)
            known = state.inventory.get(entry.identity, entry)
            try:
                live = await self._apply_again(manifest, known, state.owner)
                if live is None:
                    failure = await self._check_free(manifest, replace(known, uid=""), step, state)
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

    async def _apply_again(
        self, manifest: Mapping[str, Any], known: InventoryEntry, owner: Owner
    ) -> dict[str, Any] | None:
        """Apply to the very object that we made before; None when there is none or it is gone. Raises KubeError.

        Because of the uid, the API server refuses any other object of that name. Because of the force, what somebody
        else changed on our object is changed back.
        """
        if not known.uid:
            return None
        metadata = {**manifest["metadata"], "uid": known.uid}
        try:
            return await self._cluster.apply({**manifest, "metadata": metadata}, owner.identity, force=True)
        except KubeConflict:
            return None
        except KubeInvalid as error:
            if "metadata.uid" in error.fields:
                return None
            raise

    async def _check_free(
        self, manifest: Mapping[str, Any], known: InventoryEntry, step: RenderedStep, state: _Progress
    ) -> Failure | None:
        """Return a failure when somebody else has an object of that name. Raises KubeError."""
        if step.adopt or known.namespace in state.new_namespaces:
            return None
        live = await self._cluster.find(known, state.owner.identity)
        if live is None:
            if (known.group, known.kind) == ("", "Namespace"):
                state.new_namespaces.add(manifest["metadata"]["name"])
            return None
        if state.owner.owns(live):
            return None
        remedy = "delete it, or let the step take it over by conflictPolicy: Adopt"
        message = f"{known.kind} {where(known)} exists and is not this tenant's; {remedy}"
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
                blocking = blocking or _blocked_by(entry, live)
        return Deleted(_in_order(entries, remaining), blocking)

    async def _delete(self, entry: InventoryEntry, owner: Owner) -> dict[str, Any] | None:
        if not entry.uid:
            # It was planned when the process ended. Only our labels show whether it was applied.
            try:
                live = await self._cluster.find(entry, owner.identity)
            except (KubeForbidden, KubeRefused):
                # What this user may not read, or whose kind is not served, this user did not make.
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


def _blocked_by(entry: InventoryEntry, live: Mapping[str, Any]) -> str:
    """Return what blocks the deletion of an object."""
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
    why = f": {'; '.join(reasons)}" if reasons else ""
    return f"{entry.kind} {where(entry)} is being deleted since {since}{why}"[:_MESSAGE_LENGTH]
