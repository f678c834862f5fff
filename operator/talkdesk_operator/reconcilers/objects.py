"""Apply a tenant's objects one after the other, delete them in reverse, and leave those of others alone.

Before an object is applied for the first time, it is read: one that exists without this tenant's marks belongs to
somebody else and is left alone, unless its step adopts (`ownership`). One that comes between the read and the apply is
left alone, too (`object_apply`). An object of ours is kept as the template says: what others change on it is applied
again by force. In a namespace that was made in the same reconcile nothing of others is, so nothing is read. Before an
object is deleted, it is read, too: the uid on record and the marks must agree.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.tenant import StepState, StepStatus
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.error_policy import deletion_failure, is_about_values, object_failure
from talkdesk_operator.domain.reconcile.scope import Failure, FaultOwner, RetryClass
from talkdesk_operator.domain.tenant.job_runs import has_run
from talkdesk_operator.reconcilers.applied_versions import AppliedVersions, Earlier
from talkdesk_operator.reconcilers.given_rights import GivenRights, Sleep
from talkdesk_operator.reconcilers.object_apply import ObjectApply
from talkdesk_operator.reconcilers.object_deletion import ObjectDeletion, Report
from talkdesk_operator.reconcilers.object_words import blocked_by, held_words, where
from talkdesk_operator.reconcilers.ownership import DeletionRight, Owner, Rights
from talkdesk_operator.reconcilers.progress import NO_SERVICES, CallService, Progress, ServicesState, no_service
from talkdesk_operator.reconcilers.recreation import Recreate, never
from talkdesk_operator.reconcilers.rendering import RenderTypical, readiness_of
from talkdesk_operator.reconcilers.secret_values import secret_values
from talkdesk_operator.reconcilers.step_states import step_status, with_pending
from talkdesk_operator.templates.inventory import ROLE_BINDING, InventoryEntry, deletion_order, entry_of, planned
from talkdesk_operator.templates.readiness import Failed, NotReady, Ready
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeInvalid
from talkdesk_runtime.shorten import shorten

__all__ = ["Applied", "Deleted", "TenantObjects"]

_MESSAGE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of applying."""

    inventory: dict[tuple[str, str, str, str], InventoryEntry]
    steps: tuple[StepStatus, ...]
    failure: Failure | None = None
    waiting: str = ""
    """What is not ready yet; empty when everything is, or something failed."""
    services: ServicesState = NO_SERVICES


@dataclass(frozen=True, slots=True)
class Deleted:
    """The outcome of deleting."""

    remaining: tuple[InventoryEntry, ...]
    blocking: str = ""
    """The first object that still exists, and what blocks its deletion."""
    failure: Failure | None = None
    held: str = ""
    """Which objects were not deleted because a person must do something about them, and what."""
    doubtful: tuple[InventoryEntry, ...] = ()
    """Those of them whose marks leave a doubt about whose they are."""
    outside: tuple[InventoryEntry, ...] = ()
    """Those of them that are not where the tenant's objects may be."""
    services: tuple[str, ...] = ()
    """Steps whose services may still have something of the tenant that was to be deleted."""

    @property
    def left_to_people(self) -> tuple[InventoryEntry, ...]:
        """All of these; the others are deleted all the same."""
        return self.doubtful + self.outside


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
        earlier: Earlier | None = None,
        call: CallService = no_service,
    ) -> Applied:
        """Apply step after step; stop at the first that fails or is not ready.

        Objects that are not where the owner's may be are left out, and are the failure when all others are ready.

        `entries` is the inventory of before together with what is about to be applied, `app` whose template it is.
        `typical` renders the same template for a typical customer, where it matters whose fault a refusal is. What was
        applied `earlier` is left out, where that says so.
        `call` does the steps that call a service.
        """
        known = {entry.identity: entry for entry in entries}
        state = Progress(owner, known, typical, app, recreate=recreate, earlier=earlier or Earlier())
        done: list[StepStatus] = []
        left_out = owner.outside(planned(rendered))
        for step in rendered.steps:
            if not step.included:
                done.append(step_status(step, StepState.SKIPPED, "includeWhen is false"))
                continue
            outcome = await (call if step.http is not None or step.awaits else partial(self._step, state=state))(step)
            match outcome:
                case Failure():
                    done.append(step_status(step, StepState.FAILED, outcome.message))
                    return Applied(state.inventory, with_pending(done, rendered), failure=outcome)
                case "":
                    missing = owner.outside(entry_of(step, each) for each in step.objects)
                    done.append(step_status(step, StepState.FAILED if missing else StepState.READY, missing))
                case str():
                    done.append(step_status(step, StepState.WAITING, outcome))
                    waiting = f"{outcome}; {left_out}" if left_out else outcome
                    return Applied(state.inventory, with_pending(done, rendered), waiting=waiting)
        failure = Failure(Reason.OUTSIDE_TENANT, left_out, RetryClass.SLOW) if left_out else None
        return Applied(state.inventory, tuple(done), failure=failure)

    async def _step(self, step: RenderedStep, state: Progress) -> Failure | str:
        """Apply the objects of a step; return what it waits for, or an empty string."""
        waiting = ""
        for number, rendered, entry in _inside(step, state.owner):
            known = state.inventory.get(entry.identity, entry)
            manifest = state.owner.mark.stamp(rendered)
            if self._versions.is_unchanged(manifest, known.uid, step, state.owner.identity, state.earlier):
                state.inventory[entry.identity] = entry.known_as(known)
                continue
            try:
                live = await self._given.rights(
                    partial(self._applied, manifest, known, step, state), fresh=entry.namespace in state.earlier.bound
                )
            except KubeError as error:
                return await self._failure(error, (step, number), manifest, known, state)
            if isinstance(live, Failure):
                return live
            if isinstance(live, str):
                waiting = waiting or shorten(live, _MESSAGE_LENGTH)
                continue
            if live is None:
                state.inventory[entry.identity] = replace(known, uid="", applied_fields="")
                continue
            if (entry.group, entry.kind) == ROLE_BINDING and known.uid != live["metadata"]["uid"]:
                state.earlier.bound.add(entry.namespace)
            state.record(entry, manifest, live)
            match await readiness_of(state.app, live, step.ready_when):
                case Ready():
                    self._versions.remember(manifest, live, step, state.owner.identity, state.earlier)
                case NotReady(message=message):
                    waiting = waiting or shorten(f"{entry.kind} {where(entry)}: {message}", _MESSAGE_LENGTH)
                case Failed(message=message):
                    text = f"{entry.kind} {where(entry)}: {message}"
                    return Failure(Reason.NOT_READY, shorten(text, _MESSAGE_LENGTH), RetryClass.SLOW)
        return waiting

    async def _failure(
        self,
        error: KubeError,
        place: tuple[RenderedStep, int],
        manifest: Mapping[str, Any],
        known: InventoryEntry,
        state: Progress,
    ) -> Failure:
        failure = object_failure(error, known.kind, where(known), secrets=secret_values(manifest))
        if isinstance(error, KubeForbidden) and known.namespace in state.earlier.bound:
            return replace(failure, retry_class=RetryClass.TRANSIENT)
        if known.uid or not is_about_values(error):
            return failure
        return replace(failure, fault=await self._fault(*place, known, state))

    async def _applied(
        self, manifest: Mapping[str, Any], known: InventoryEntry, step: RenderedStep, state: Progress
    ) -> dict[str, Any] | Failure | str | None:
        """Apply an object, and return it; a text is what is waited for, None a Job that has run and is gone.

        Raises KubeError.
        """
        try:
            live = await self._writes.again(manifest, known.uid, state.owner)
        except KubeInvalid as refusal:
            outcome = await state.recreate(known, manifest, refusal)
            if outcome is None:
                raise
            if outcome:
                return outcome
            live, known = None, replace(known, completed_inputs="")
        if live is None and has_run(known, manifest):
            return None
        return live or await self._writes.first(manifest, replace(known, uid=""), step, state)

    async def _fault(self, step: RenderedStep, number: int, refused: InventoryEntry, state: Progress) -> FaultOwner:
        """Return whose fault it is that the API server finds a new object's values invalid.

        It is the customer's only when the API server takes the same object, in the same place, of a typical customer.
        """
        typical = await state.typical()
        if typical is None:
            return FaultOwner.OURS
        manifest = _like(step, number, typical)
        if manifest is None:
            return FaultOwner.OURS
        metadata = {key: value for key, value in manifest["metadata"].items() if key != "namespace"}
        place = {"namespace": refused.namespace} if refused.namespace else {}
        manifest = {**manifest, "metadata": metadata | place}
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
        remaining, doubtful, left = list(order), list[InventoryEntry](), list[InventoryEntry]()
        blocking, failure = "", None
        for position, entry in enumerate(order):
            if blocking and entry.step != order[position - 1].step:
                break
            if (failure := stop()) is not None:
                break
            try:
                outcome = await self._deletion.delete(entry, owner, spared=spared, report=report)
            except KubeError as error:
                failure = deletion_failure(error, entry.kind, where(entry))
                break
            match outcome:
                case None:
                    remaining.remove(entry)
                case DeletionRight.OUTSIDE:
                    left.append(entry)
                case DeletionRight():
                    doubtful.append(entry)
                case _:
                    blocking = blocking or blocked_by(entry, outcome)
        kept = _in_order(entries, remaining)
        words = held_words(doubtful, left, owner)
        return Deleted(kept, "" if failure else blocking, failure, words, tuple(doubtful), tuple(left))

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


def _like(step: RenderedStep, number: int, typical: RenderedTenant) -> dict[str, Any] | None:
    """Return what the same manifest gives for a typical customer; None where such a one does not get it."""
    same = next(each for each in typical.steps if each.name == step.name)
    return next(
        (each for each, source in zip(same.objects, same.sources, strict=True) if source == step.sources[number]), None
    )


def _inside(step: RenderedStep, owner: Owner) -> Iterator[tuple[int, dict[str, Any], InventoryEntry]]:
    """Yield the objects of a step that may be where they are, with their positions and entries."""
    for number, manifest in enumerate(step.objects):
        entry = entry_of(step, manifest)
        if not owner.outside([entry]):
            yield number, manifest, entry


def _in_order(entries: Sequence[InventoryEntry], kept: Sequence[InventoryEntry]) -> tuple[InventoryEntry, ...]:
    identities = {entry.identity for entry in kept}
    return tuple(entry for entry in entries if entry.identity in identities)
