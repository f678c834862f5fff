"""The status of a tenant, and the outcome for the installation, from what came of applying or deleting its objects.

Belongs here: conditions, inventory and steps, pure. Does not belong here: when a status is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, transitioned
from talkdesk_crds.tenant import OrphanedObject, StepState, StepStatus, TalkdeskTenant, TenantStatus
from talkdesk_operator.domain.installation.status import reconcile_requested_at
from talkdesk_operator.domain.reconcile.scope import (
    CompiledApp,
    Failure,
    RetryClass,
    Scope,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.tenant.desired import inputs_digest
from talkdesk_operator.domain.tenant.drift_ledger import Dispute
from talkdesk_operator.reconcilers.objects import Applied, Deleted
from talkdesk_operator.reconcilers.pruning import Pruned
from talkdesk_operator.reconcilers.tenant_record import inventory_item
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_runtime.shorten import shorten

__all__ = ["Leaving", "deletion_outcome", "leaving", "provision_outcome", "provisioned", "unusable"]

_MESSAGE_LENGTH = 2048
_NAMED = 5
"""How many objects a message names."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a deletion of objects is described."""

    under_way: Reason
    """The reason while some are still there."""
    done: Reason
    """The reason afterwards."""
    message: str


def provisioned(
    scope: Scope,
    app: CompiledApp,
    tenant: TalkdeskTenant,
    applied: Applied,
    pruned: Pruned | None,
    disputes: Sequence[Dispute],
    now: datetime,
) -> TenantStatus:
    """Return the status after the template was applied and what left it was deleted or kept.

    `pruned` is None while the template is not applied completely: what left it is still as it was then.
    """
    outcome = provision_outcome(tenant, applied, pruned)
    failure = outcome.failure
    wanted = {(o.group, o.kind, o.namespace, o.name) for o in tenant.spec.objects}
    if pruned is None:
        orphaned = tuple(o for o in tenant.status.orphaned_objects if _identity(o) not in wanted)
        inventory = list(applied.inventory.values())
    else:
        orphaned = pruned.orphaned
        inventory = [e for e in applied.inventory.values() if e.identity in wanted]
        inventory += [e for e in pruned.deleted.remaining if e not in pruned.deleted.left_to_people]
        inventory += pruned.kept
    ready = outcome.result is TenantResult.READY
    reason = failure.reason if failure is not None else Reason.APPLIED if ready else Reason.NOT_READY
    return TenantStatus(
        observed_generation=tenant.metadata.generation,
        conditions=_conditions(
            tenant,
            reason,
            outcome.message,
            now,
            held=_held(orphaned, applied.services.kept),
            disputes=disputes,
        ),
        inventory=tuple(map(inventory_item, inventory)),
        orphaned_objects=orphaned,
        steps=applied.steps,
        services=applied.services.known,
        name=tenant.status.name or (tenant.spec.name if any(entry.uid for entry in inventory) else None),
        applied_inputs=inputs_digest(replace(scope, tenant=tenant), app),
        **_held_to(app, tenant, now),
        last_handled_reconcile_at=reconcile_requested_at(tenant),
    )


def provision_outcome(tenant: TalkdeskTenant, applied: Applied, pruned: Pruned | None) -> TenantOutcome:
    """Return what came of applying the template."""
    deleted = pruned.deleted if pruned is not None else Deleted(())
    failure, waiting, since = applied.failure or deleted.failure, applied.waiting or deleted.blocking, _since(tenant)
    if failure is not None:
        return TenantOutcome(TenantResult.FAILED, failure.message, failure, since)
    services = applied.services
    if waiting:
        return TenantOutcome(TenantResult.WAITING, waiting, None, since, services.wait, services.anew)
    return TenantOutcome(TenantResult.READY, "every object is applied and ready", None, since)


def _held_to(app: CompiledApp, tenant: TalkdeskTenant, now: datetime) -> dict[str, Any]:
    """Return the revision of the template that the tenant is held to, and since when."""
    revision, status = app.revision or None, tenant.status
    since = status.revision_time if status.revision == revision else now
    return {"revision": revision, "revision_time": since if revision is not None else None}


def unusable(app: CompiledApp, tenant: TalkdeskTenant, failure: Failure, now: datetime) -> TenantStatus:
    """Return the status of a tenant whose template can't be filled in, or applied; its objects stay as they are."""
    return tenant.status.model_copy(
        update={
            "observed_generation": tenant.metadata.generation,
            "conditions": _conditions(
                tenant, failure.reason, failure.message, now, stalled=True, held=_held(tenant.status.orphaned_objects)
            ),
            # A template that there is not is none that the tenant could be held to.
            **(_held_to(app, tenant, now) if app.template is not None else {}),
            "last_handled_reconcile_at": reconcile_requested_at(tenant),
        }
    )


def leaving(
    tenant: TalkdeskTenant,
    kept: Sequence[InventoryEntry],
    deleted: Deleted,
    words: Leaving,
    now: datetime,
    services: Sequence[str] = (),
) -> TenantStatus:
    """Return the status of a tenant whose objects are deleted, in part or all.

    `kept` are those that are there, `services` the steps whose services have something of the tenant.
    """
    under_way = deleted.remaining != () or deleted.services != ()
    failure = _failure(deleted)
    if failure is not None:
        reason, message = failure.reason, failure.message
    else:
        reason, message = words.under_way if under_way else words.done, deleted.blocking or words.message
    names = {entry.step for entry in kept} | set(services)
    skipped = {step.name for step in tenant.status.steps if step.state is StepState.SKIPPED}
    steps = tuple(
        StepStatus(name=step.name, state=step.state if step.name in names | skipped else StepState.DELETED)
        for step in tenant.status.steps
    )
    return tenant.status.model_copy(
        update={
            "observed_generation": tenant.metadata.generation,
            "conditions": _conditions(tenant, reason, message, now, reconciling=under_way),
            "inventory": tuple(map(inventory_item, kept)),
            "orphaned_objects": tuple(
                o for o in tenant.status.orphaned_objects if _identity(o) in {e.identity for e in kept}
            ),
            "steps": steps,
            "services": tuple(services),
            "applied_inputs": None,
            "revision": None,
            "revision_time": None,
            "last_handled_reconcile_at": reconcile_requested_at(tenant),
        }
    )


def deletion_outcome(
    tenant: TalkdeskTenant, deleted: Deleted, end: TenantResult, wait: timedelta | None = None
) -> TenantOutcome:
    """Return what came of a deletion; `end` when everything that was to go is gone.

    `wait` is how long a service asked not to be asked.
    """
    since = tenant.spec.uninstall_time or _since(tenant)
    failure = _failure(deleted)
    if failure is not None:
        return TenantOutcome(TenantResult.FAILED, failure.message, failure, since)
    if deleted.remaining or deleted.services:
        return TenantOutcome(TenantResult.DELETING, deleted.blocking, None, since, wait)
    return TenantOutcome(end)


def _failure(deleted: Deleted) -> Failure | None:
    """Return why a deletion can't go on by itself; what is left to people comes after all that can be waited for."""
    if deleted.failure is not None or deleted.blocking or not deleted.held:
        return deleted.failure
    reason = Reason.CONFLICT if deleted.doubtful else Reason.OUTSIDE_TENANT
    return Failure(reason, deleted.held, RetryClass.SLOW)


def _since(tenant: TalkdeskTenant) -> datetime | None:
    """Return since when the tenant has been ready, or not ready."""
    ready = find(tenant.status.conditions, ConditionType.READY)
    return ready.last_transition_time if ready is not None else None


def _conditions(
    tenant: TalkdeskTenant,
    reason: Reason,
    message: str,
    now: datetime,
    *,
    stalled: bool = False,
    reconciling: bool | None = None,
    held: str = "",
    disputes: Sequence[Dispute] = (),
) -> tuple[Condition, ...]:
    """Return the conditions; `held` is what waits for a person, which after an uninstall is nothing.

    `disputes` is what somebody else changes again and again; after an uninstall nothing is held to the template.
    """
    ready = reason is Reason.APPLIED
    if reconciling is None:
        reconciling = not ready and not stalled

    def condition(kind: ConditionType, *, holds: bool) -> Condition:
        return Condition(
            type=kind,
            status="True" if holds else "False",
            reason=reason,
            message=shorten(message, _MESSAGE_LENGTH) if holds or kind is ConditionType.READY else "",
            last_transition_time=now,
            observed_generation=tenant.metadata.generation,
        )

    def told(kind: ConditionType, why: Reason, words: str) -> Condition:
        return Condition(
            type=kind,
            status="True",
            reason=why,
            message=shorten(words, _MESSAGE_LENGTH),
            last_transition_time=now,
            observed_generation=tenant.metadata.generation,
        )

    contested = "; ".join(dispute.message for dispute in disputes[:_NAMED])
    new = (
        condition(ConditionType.READY, holds=ready),
        condition(ConditionType.RECONCILING, holds=reconciling),
        condition(ConditionType.STALLED, holds=stalled),
        *((told(ConditionType.PRUNE_HELD, Reason.OBJECTS_ORPHANED, held),) if held else ()),
        *((told(ConditionType.CONTESTED, Reason.FIELD_MANAGER_CONFLICT, contested),) if disputes else ()),
        # The deletion of an object can't be taken back.
        *(each for each in tenant.status.conditions if each.type == ConditionType.DELETION_BLOCKED),
    )
    return transitioned(tenant.status.conditions, new, now)


def _held(orphaned: Sequence[OrphanedObject], services: Sequence[str] = ()) -> str:
    """Return what left the template and is kept; `services` are steps whose services have something of the tenant."""
    return "; ".join(filter(None, (_held_message(orphaned) if orphaned else "", _held_services(services))))


def _held_message(orphaned: Sequence[OrphanedObject]) -> str:
    """Return what left the template and was kept, and what a person can do about it."""
    named = [f"{o.kind} {o.namespace + '/' if o.namespace else ''}{o.name} ({o.reason.value})" for o in orphaned]
    rest = len(named) - _NAMED
    more = f" and {rest} more" if rest > 0 else ""
    remedy = (
        "status.orphanedObjects has the command that deletes each; back in the template, they are managed as before"
    )
    message = f"not in the template any more, and kept: {', '.join(named[:_NAMED])}{more}; {remedy}"
    return shorten(message, _MESSAGE_LENGTH)


def _held_services(steps: Sequence[str]) -> str:
    if not steps:
        return ""
    return f"what the services of the steps {', '.join(steps)} have is kept until the purge, as these left the template"


def _identity(item: OrphanedObject) -> tuple[str, str, str, str]:
    return item.group, item.kind, item.namespace, item.name
