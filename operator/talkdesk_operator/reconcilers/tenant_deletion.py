"""Delete objects of a tenant, and what partners' services have of it, in the reverse order of its steps.

Belongs here: that order. Does not belong here: deleting one object (`objects`) or calling one service
(`hooks.tenant_hooks`), whether the tenant may be deleted (`tenant_removal`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.reconcile.scope import Failure
from talkdesk_operator.reconcilers.hooks.services import OpenedServices
from talkdesk_operator.reconcilers.objects import Deleted, TenantObjects
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.templates.inventory import InventoryEntry

__all__ = ["delete_in_order"]


async def delete_in_order(
    objects: TenantObjects,
    services: OpenedServices,
    tenant: TalkdeskTenant,
    owner: Owner,
    entries: Sequence[InventoryEntry],
    steps: Sequence[str],
    *,
    spared: frozenset[str],
    stop: Callable[[], Failure | None],
) -> Deleted:
    """Delete these objects, and have the services of these steps have nothing. Raises KubeError.

    A step is deleted when those after it are gone; what left the template goes first.
    """
    order = {step.name: number for number, step in enumerate(tenant.status.steps)}

    def place(step: str) -> int:
        return order.get(step, len(order))

    rest, left = list(entries), sorted(steps, key=place, reverse=True)
    done = Deleted(())
    for step in list(left):
        later = [entry for entry in rest if place(entry.step) > place(step)]
        done = _together(done, await objects.delete(later, owner, spared=spared, stop=stop))
        rest = [entry for entry in rest if entry not in later]
        problem = done.failure or stop()
        outcome = problem or (await _emptied(services, step) if not done.blocking else done.blocking)
        if outcome:
            failure = outcome if isinstance(outcome, Failure) else None
            blocking = "" if isinstance(outcome, Failure) else outcome
            return replace(
                done, remaining=(*done.remaining, *rest), services=tuple(left), failure=failure, blocking=blocking
            )
        left.remove(step)
    return _together(done, await objects.delete(rest, owner, spared=spared, stop=stop))


async def _emptied(services: OpenedServices, step: str) -> Failure | str:
    return await services.hooks.delete(step) if services.hooks is not None else ""


def _together(first: Deleted, second: Deleted) -> Deleted:
    return Deleted(
        (*first.remaining, *second.remaining),
        second.blocking or first.blocking,
        first.failure or second.failure,
        "; ".join(filter(None, (first.held, second.held))),
        (*first.doubtful, *second.doubtful),
        (*first.outside, *second.outside),
    )
