"""What drifted while nobody watched: the first listing of a kind is compared with what tenants have on record.

The record of an object has its uid and the fingerprint of the fields that our apply owned. Another uid, or none, means
that the object was deleted or made anew; another fingerprint, that somebody has taken fields of ours. Comparing them
costs no request. It reads records as JSON: thousands of them are compared at a start.

Belongs here: the comparison. Does not belong here: when it is made (`adapters.kubernetes.drift`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from talkdesk_crds.conditions import ConditionType
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Sighting, Target

__all__ = ["is_disputed", "missed_drift"]

_HELD: Final = frozenset({TenantState.ACTIVE.value, TenantState.SUSPENDED.value})
"""States in which the objects are held to the template."""


def missed_drift(tenant: Mapping[str, Any], target: Target, listed: DriftDetector) -> Iterator[Sighting]:
    """Yield what has drifted of one tenant, given as JSON, by a complete listing of the target.

    A tenant that is not ready is reconciled anyway, and one with another plan than was applied is not compared.
    """
    spec, status = tenant.get("spec") or {}, tenant.get("status") or {}
    if spec.get("state") not in _HELD or not _holds(status, ConditionType.READY):
        return
    name = str(tenant["metadata"]["name"])
    planned = {_identity(each) for each in spec.get("objects") or ()}
    for item in status.get("inventory") or ():
        uid = item.get("uid")
        if not uid or (item.get("group", ""), item.get("kind")) != (target.group, target.kind):
            continue
        found = listed.known(uid)
        if found is None:
            # A Job that has completed may go.
            change = Change.DELETED if not listed.is_full and not item.get("completedInputs") else None
        else:
            recorded = item.get("appliedFields")
            change = Change.DRIFTED if recorded and recorded != found.fields else None
        if change is not None and _identity(item) in planned:
            yield Sighting(target, change, name, item.get("namespace", ""), str(item.get("name")))


def is_disputed(tenant: Mapping[str, Any]) -> bool:
    """Return whether the status of a tenant, given as JSON, speaks of a dispute."""
    return _holds(tenant.get("status") or {}, ConditionType.CONTESTED)


def _identity(item: Mapping[str, Any]) -> tuple[Any, ...]:
    return item.get("group", ""), item.get("kind"), item.get("namespace", ""), item.get("name")


def _holds(status: Mapping[str, Any], kind: ConditionType) -> bool:
    return any(
        condition.get("type") == kind and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )
