"""What becomes of objects that left the template of a tenant whose customer has the app: deleted, or kept as orphans.

Deletion is the exception. It needs a kind that can be made again from a template alone, or a word of the template's
author; a tenant that is not protected; and the certainty that the object is none that the template still has.

Belongs here: the decision. Does not belong here: reading and deleting (`reconcilers.pruning`), uninstall and purge, for
which `onOffboard` and the retention count.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from talkdesk_crds.tenant import OrphanReason
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.scopes import KindScopes, may_be_same

__all__ = ["DELETED_BY_DEFAULT", "Orphan", "PruningPlan", "plan_pruning", "remove_command"]

DELETED_BY_DEFAULT: Final = frozenset(
    {
        ("", "Endpoints"),
        ("", "LimitRange"),
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "ReplicationController"),
        ("", "ResourceQuota"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("networking.k8s.io", "Ingress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("policy", "PodDisruptionBudget"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
    }
)
"""Kinds, by group, that hold nothing that a template could not make again: workloads without storage of their own,
their network, and their rights. All others hold data, or may: Namespace, PersistentVolumeClaim, PersistentVolume,
StatefulSet, Secret and ConfigMap (programs write keys of their own there), custom resources, and every unknown kind."""

_NAMESPACE: Final = ("", "Namespace")
_CRD: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object that left the template and is kept."""

    entry: InventoryEntry
    reason: OrphanReason


@dataclass(frozen=True, slots=True)
class PruningPlan:
    """What to do with the objects that left the template."""

    doomed: tuple[InventoryEntry, ...]
    """To be deleted."""
    orphans: tuple[Orphan, ...]
    """To be kept until a person says more."""


def plan_pruning(
    departed: Sequence[InventoryEntry], wanted: Sequence[InventoryEntry], scopes: KindScopes, *, protected: bool
) -> PruningPlan:
    """Return the plan for the entries that left the template; those that are an object of `wanted` by uid are in none.

    `wanted` are the entries of the template with the uids of the objects that were just applied.
    """
    uids = {entry.uid for entry in wanted}
    others = [entry for entry in departed if not entry.uid or entry.uid not in uids]
    reasons = {id(entry): _reason(entry, wanted, scopes, protected=protected) for entry in others}
    kept = [entry for entry in others if reasons[id(entry)] is not None]
    orphans, doomed = [], []
    for entry in others:
        reason = reasons[id(entry)]
        if reason is None and _contains_any(entry, (*wanted, *kept)):
            reason = OrphanReason.IN_USE
        if reason is None:
            doomed.append(entry)
        else:
            orphans.append(Orphan(entry, reason))
    return PruningPlan(tuple(doomed), tuple(orphans))


def _reason(
    entry: InventoryEntry, wanted: Sequence[InventoryEntry], scopes: KindScopes, *, protected: bool
) -> OrphanReason | None:
    """Return why an object is kept for its own sake; None when nothing about it forbids the deletion."""
    if any(may_be_same(entry, other, scopes) for other in wanted):
        return OrphanReason.IDENTITY_UNKNOWN
    if protected:
        return OrphanReason.PROTECTED
    deletes = entry.on_remove == "Delete" or (entry.on_remove is None and _kind(entry) in DELETED_BY_DEFAULT)
    return None if deletes else OrphanReason.RETAIN


def _contains_any(entry: InventoryEntry, others: Iterable[InventoryEntry]) -> bool:
    """Return whether the deletion of an object would delete any of the others, too."""
    match _kind(entry):
        case kind if kind == _NAMESPACE:
            return any(other.namespace == entry.name for other in others)
        case kind if kind == _CRD:
            return any(other.group == entry.name.partition(".")[2] for other in others)
        case _:
            return False


def _kind(entry: InventoryEntry) -> tuple[str, str]:
    return entry.group, entry.kind


def remove_command(entry: InventoryEntry) -> str:
    """Return the command with which a person deletes the object, safe to paste whatever its name is."""
    kind = f"{entry.kind}.{entry.version}.{entry.group}" if entry.group else entry.kind
    place = ["-n", entry.namespace] if entry.namespace else []
    return shlex.join(["kubectl", "delete", kind, entry.name, *place])
