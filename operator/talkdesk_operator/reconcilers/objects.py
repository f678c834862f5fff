"""Apply a tenant's objects one after the other, delete them in reverse, and leave those of others alone.

Before an object is applied for the first time, it is read: one that exists without this tenant's marks belongs to
somebody else and is left alone, unless its step adopts (`ownership`). One that comes between the read and the apply is
left alone, too (`object_apply`). An object of ours is kept as the template says: what others change on it is applied
again by force. In a namespace that was made in the same reconcile nothing of others is, so nothing is read. Before an
object is deleted, it is read, too: the uid on record and the marks must agree.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.tenant import StepState, StepStatus
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.error_policy import deletion_failure, is_about_values, object_failure
from talkdesk_operator.domain.reconcile.scope import Failure, FaultOwner, RetryClass
from talkdesk_operator.domain.tenant.managed_fields import fingerprint, own_entry
from talkdesk_operator.reconcilers.applied_versions import AppliedVersions
from talkdesk_operator.reconcilers.given_rights import GivenRights, Sleep
from talkdesk_operator.reconcilers.object_apply import ObjectApply
from talkdesk_operator.reconcilers.object_deletion import ObjectDeletion, Report
from talkdesk_operator.reconcilers.object_words import blocked_by, where
from talkdesk_operator.reconcilers.ownership import DeletionRight, Owner, Rights
from talkdesk_operator.reconcilers.progress import Progress
from talkdesk_operator.reconcilers.recreation import Recreate, never
from talkdesk_operator.reconcilers.rendering import RenderTypical, readiness_of
from talkdesk_operator.reconcilers.secret_values import secret_values
from talkdesk_operator.reconcilers.step_states import step_status, with_pending
from talkdesk_operator.templates.inventory import ROLE_BINDING, InventoryEntry, deletion_order, entry_of
from talkdesk_operator.templates.placement import outside
from talkdesk_operator.templates.readiness import Failed, NotReady, Ready
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeInvalid
from talkdesk_runtime.shorten import shorten

__all__ = ["Applied", "Deleted", "TenantObjects"]

_MESSAGE_LENGTH = 1000
_KEPT = "an object of the tenant is not deleted, because it is"
_IN_DOUBT = (
    "is not deleted, because its labels and annotations do not say that it is this tenant's; "
    "delete it, or put them back"
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
    held: str = ""
    """The first object that was not deleted because its marks leave a doubt about whose it is."""
    doubtful: tuple[InventoryEntry, ...] = ()
    """All of these."""


async def _no_typical() -> RenderedTenant | None:
    return None


class TenantObjects:
    """Applies and deletes. An error at an object becomes a value."""

    def __init__(self, cluster: Cluster, *, sleep: Sleep = asyncio.sleep) -> None:
        self._cluster = cluster
        self._given = GivenRights(cluster, sleep)
        self._versions = AppliedVersions(cluster)
        self._writes = ObjectApply(cluster, Rights(cluster))
        self._deletion = ObjectDeletion(cluster)

    async def apply(
        self,
        rendered: RenderedTenant,
        entries: Sequence[InventoryEntry],
        owner: Owner,
        *,
        app: TalkdeskApp | None = None,
        typical: RenderTypical = _no_typical,
        recreate: Recreate = never,
        again: bool = True,
    ) -> Applied:
        """Apply step after step; stop at the first that fails or is not ready.

        `entries` is the inventory of before together with what is about to be applied, `app` whose template it is.
        `typical` renders the same template for a typical customer, where it matters whose fault a refusal is. Unless
        everything is to be applied `again`, an object is left out that a watch shows just as the same manifest left it.
        """
        state = Progress(
            owner, {entry.identity: entry for entry in entries}, typical, app, recreate=recreate, again=again
        )
        done: list[StepStatus] = []
        for step in rendered.steps:
            outcome = await self._step(step, state)
            match outcome:
                case Failure():
                    done.append(step_status(step, StepState.FAILED, outcome.message))
                    return Applied(state.inventory, with_pending(done, rendered), failure=outcome)
                case "":
                    done.append(step_status(step, StepState.READY, ""))
                case str():
                    done.append(step_status(step, StepState.WAITING, outcome))
                    return Applied(state.inventory, with_pending(done, rendered), waiting=outcome)
        return Applied(state.inventory, tuple(done))

    async def _step(self, step: RenderedStep, state: Progress) -> Failure | str:
        """Apply the objects of a step; return what it waits for, or an empty string."""
        waiting = ""
        for number, rendered in enumerate(step.objects):
            entry = entry_of(step, rendered)
            known = state.inventory.get(entry.identity, entry)
            manifest = state.owner.mark.stamp(rendered)
            if not state.again and self._versions.is_unchanged(manifest, known.uid, step, state.owner.identity):
                state.inventory[entry.identity] = replace(entry, uid=known.uid, applied_fields=known.applied_fields)
                continue
            try:
                live = await self._given.rights(
                    partial(self._applied, manifest, known, step, state), fresh=entry.namespace in state.bound
                )
            except KubeError as error:
                failure = object_failure(error, entry.kind, where(entry), secrets=secret_values(manifest))
                if isinstance(error, KubeForbidden) and entry.namespace in state.bound:
                    return replace(failure, retry_class=RetryClass.TRANSIENT)
                if known.uid or not is_about_values(error):
                    return failure
                return replace(failure, fault=await self._fault(step, number, entry, state))
            if isinstance(live, Failure):
                return live
            if isinstance(live, str):
                waiting = waiting or shorten(live, _MESSAGE_LENGTH)
                continue
            if (entry.group, entry.kind) == ROLE_BINDING and known.uid != live["metadata"]["uid"]:
                state.bound.add(entry.namespace)
            fields = fingerprint(own_entry(live["metadata"].get("managedFields")))
            state.inventory[entry.identity] = replace(entry, uid=str(live["metadata"]["uid"]), applied_fields=fields)
            match await readiness_of(state.app, live, step.ready_when):
                case Ready():
                    self._versions.remember(manifest, live, step, state.owner.identity)
                case NotReady(message=message):
                    waiting = waiting or shorten(f"{entry.kind} {where(entry)}: {message}", _MESSAGE_LENGTH)
                case Failed(message=message):
                    text = f"{entry.kind} {where(entry)}: {message}"
                    return Failure(Reason.NOT_READY, shorten(text, _MESSAGE_LENGTH), RetryClass.SLOW)
        return waiting

    async def _applied(
        self, manifest: Mapping[str, Any], known: InventoryEntry, step: RenderedStep, state: Progress
    ) -> dict[str, Any] | Failure | str:
        """Apply an object, and return it; a text is what is waited for. Raises KubeError."""
        try:
            live = await self._writes.again(manifest, known.uid, state.owner)
        except KubeInvalid as refusal:
            outcome = await state.recreate(known, manifest, refusal)
            if outcome is None:
                raise
            if outcome:
                return outcome
            live = None
        return live or await self._writes.first(manifest, replace(known, uid=""), step, state)

    async def _fault(self, step: RenderedStep, number: int, refused: InventoryEntry, state: Progress) -> FaultOwner:
        """Return whose fault it is that the API server finds a new object's values invalid.

        It is the customer's only when the API server takes the same object, in the same place, of a typical customer.
        """
        typical = await state.typical()
        if typical is None:
            return FaultOwner.OURS
        manifest = next(each for each in typical.steps if each.name == step.name).objects[number]
        if refused.namespace:
            manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": refused.namespace}}
        try:
            await self._cluster.dry_run(state.owner.mark.stamp(manifest), state.owner.identity)
        except KubeError:
            return FaultOwner.OURS
        return FaultOwner.CUSTOMER

    async def delete(
        self,
        entries: Sequence[InventoryEntry],
        owner: Owner,
        *,
        spared: frozenset[str] = frozenset(),
        report: Report | None = None,
        stop: Callable[[], Failure | None] = lambda: None,
    ) -> Deleted:
        """Delete in reverse order, a step only when those after it are gone.

        An object whose uid is in `spared` is left alone, under whatever name it is recorded. `report` is called for
        each object right before its deletion begins. Nothing more is deleted when `stop` says why.
        """
        order = deletion_order(entries)
        remaining = list(order)
        doubtful: list[InventoryEntry] = []
        blocking = held = ""
        for position, entry in enumerate(order):
            if blocking and entry.step != order[position - 1].step:
                break
            if (reason := stop()) is not None:
                return Deleted(_in_order(entries, remaining), failure=reason, held=held, doubtful=tuple(doubtful))
            try:
                outcome = await self._deletion.delete(entry, owner, spared=spared, report=report)
            except KubeError as error:
                failure = deletion_failure(error, entry.kind, where(entry))
                return Deleted(_in_order(entries, remaining), failure=failure, held=held, doubtful=tuple(doubtful))
            match outcome:
                case None:
                    remaining.remove(entry)
                case DeletionRight.OUTSIDE:
                    words = f"{_KEPT} {outside([entry], owner.within)}"
                    failure = Failure(Reason.OUTSIDE_TENANT, words, RetryClass.SLOW)
                    return Deleted(_in_order(entries, remaining), failure=failure, held=held, doubtful=tuple(doubtful))
                case DeletionRight():
                    doubtful.append(entry)
                    held = held or f"{entry.kind} {where(entry)} {_IN_DOUBT}"
                case _:
                    blocking = blocking or blocked_by(entry, outcome)
        return Deleted(_in_order(entries, remaining), blocking, held=held, doubtful=tuple(doubtful))

    async def any_made(self, entries: Sequence[InventoryEntry], owner: Owner) -> bool:
        """Return whether one of the objects exists and is the tenant's, or may be. Raises KubeError."""
        for entry in entries:
            live = await self._deletion.find(entry, owner)
            if live is not None and await self.right(entry, live, owner) is not DeletionRight.NOT_OURS:
                return True
        return False

    async def right(self, entry: InventoryEntry, live: Mapping[str, Any], owner: Owner) -> DeletionRight:
        """Return whether the tenant may delete the object of an entry. Raises KubeError."""
        return await self._deletion.right(entry, live, owner)


def _in_order(entries: Sequence[InventoryEntry], kept: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    identities = {entry.identity for entry in kept}
    return tuple(entry for entry in entries if entry.identity in identities)
