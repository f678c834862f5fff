"""The status of a tenant, and the outcome for the installation, from what came of applying or deleting its objects.

Belongs here: conditions, inventory and steps, pure. Does not belong here: when a status is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, transitioned
from talkdesk_crds.tenant import StepState, StepStatus, TalkdeskTenant, TenantStatus
from talkdesk_operator.domain.installation.status import reconcile_requested_at
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Scope, TenantOutcome, TenantResult
from talkdesk_operator.domain.tenant.desired import inputs_digest
from talkdesk_operator.reconcilers.objects import Applied, Deleted
from talkdesk_operator.reconcilers.tenant_record import inventory_item
from talkdesk_operator.templates.inventory import InventoryEntry

__all__ = ["Leaving", "deletion_outcome", "leaving", "provision_outcome", "provisioned", "unrenderable"]

_MESSAGE_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a deletion of objects is described."""

    under_way: Reason
    """The reason while some are still there."""
    done: Reason
    """The reason afterwards."""
    message: str


def provisioned(
    scope: Scope, app: CompiledApp, tenant: TalkdeskTenant, applied: Applied, pruned: Deleted, now: datetime
) -> TenantStatus:
    """Return the status after the template was applied and what left it was deleted."""
    outcome = provision_outcome(tenant, applied, pruned)
    failure = outcome.failure
    complete = applied.failure is None and not applied.waiting
    remaining = {entry.identity for entry in pruned.remaining}
    wanted = {(o.group, o.kind, o.namespace, o.name) for o in tenant.spec.objects}
    inventory = [e for e in applied.inventory.values() if e.identity in wanted | remaining or not complete]
    ready = outcome.result is TenantResult.READY
    reason = failure.reason if failure is not None else Reason.APPLIED if ready else Reason.NOT_READY
    return TenantStatus(
        observed_generation=tenant.metadata.generation,
        conditions=_conditions(tenant, reason, outcome.message, now),
        inventory=tuple(map(inventory_item, inventory)),
        steps=applied.steps,
        applied_inputs=inputs_digest(replace(scope, tenant=tenant), app),
        last_handled_reconcile_at=reconcile_requested_at(tenant),
    )


def provision_outcome(tenant: TalkdeskTenant, applied: Applied, pruned: Deleted) -> TenantOutcome:
    """Return what came of applying the template."""
    failure, waiting, since = applied.failure or pruned.failure, applied.waiting or pruned.blocking, _since(tenant)
    if failure is not None:
        return TenantOutcome(TenantResult.FAILED, failure.message, failure, since)
    if waiting:
        return TenantOutcome(TenantResult.WAITING, waiting, None, since)
    return TenantOutcome(TenantResult.READY, "every object is applied and ready", None, since)


def unrenderable(tenant: TalkdeskTenant, message: str, now: datetime) -> TenantStatus:
    """Return the status of a tenant whose template can't be filled in; its objects stay as they are."""
    return tenant.status.model_copy(
        update={
            "observed_generation": tenant.metadata.generation,
            "conditions": _conditions(tenant, Reason.RENDER_FAILED, message, now, stalled=True),
        }
    )


def leaving(
    tenant: TalkdeskTenant, kept: Sequence[InventoryEntry], deleted: Deleted, words: Leaving, now: datetime
) -> TenantStatus:
    """Return the status of a tenant whose objects are deleted, in part or all; `kept` are those that are there."""
    under_way = deleted.remaining != ()
    if deleted.failure is not None:
        reason, message = deleted.failure.reason, deleted.failure.message
    else:
        reason, message = words.under_way if under_way else words.done, deleted.blocking or words.message
    names = {entry.step for entry in kept}
    steps = tuple(
        StepStatus(name=step.name, state=step.state if step.name in names else StepState.DELETED)
        for step in tenant.status.steps
    )
    return tenant.status.model_copy(
        update={
            "observed_generation": tenant.metadata.generation,
            "conditions": _conditions(tenant, reason, message, now, reconciling=under_way),
            "inventory": tuple(map(inventory_item, kept)),
            "steps": steps,
            "applied_inputs": None,
            "last_handled_reconcile_at": reconcile_requested_at(tenant),
        }
    )


def deletion_outcome(tenant: TalkdeskTenant, deleted: Deleted, end: TenantResult) -> TenantOutcome:
    """Return what came of a deletion; `end` when everything that was to go is gone."""
    since = tenant.spec.uninstall_time or _since(tenant)
    if deleted.failure is not None:
        return TenantOutcome(TenantResult.FAILED, deleted.failure.message, deleted.failure, since)
    if deleted.remaining:
        return TenantOutcome(TenantResult.DELETING, deleted.blocking, None, since)
    return TenantOutcome(end)


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
) -> tuple[Condition, ...]:
    ready = reason is Reason.APPLIED
    if reconciling is None:
        reconciling = not ready and not stalled

    def condition(kind: ConditionType, *, holds: bool) -> Condition:
        return Condition(
            type=kind,
            status="True" if holds else "False",
            reason=reason,
            message=message[:_MESSAGE_LENGTH] if holds or kind is ConditionType.READY else "",
            last_transition_time=now,
            observed_generation=tenant.metadata.generation,
        )

    new = (
        condition(ConditionType.READY, holds=ready),
        condition(ConditionType.RECONCILING, holds=reconciling),
        condition(ConditionType.STALLED, holds=stalled),
    )
    return transitioned(tenant.status.conditions, new, now)
