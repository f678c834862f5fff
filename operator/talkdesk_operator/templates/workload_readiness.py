"""Whether workloads are ready: pods, and what makes pods.

Belongs here: the rules of these kinds, as kstatus has them but for what `readiness` says. Does not belong here: other
kinds (`platform_readiness`).
"""

from collections.abc import Iterator
from typing import Final

from talkdesk_operator.templates.object_status import (
    Failed,
    NotReady,
    Object,
    Readiness,
    Ready,
    at,
    condition_of,
    count,
    explanation,
    is_true,
    maps,
    too_few,
)

__all__ = ["daemon_set", "deployment", "job", "pod", "replica_set", "stateful_set"]

_UNLIMITED: Final = 2**31 - 1
"""The deployment controller's value for "no progress deadline"."""


def deployment(obj: Object) -> Readiness:
    """Return whether all pods of the newest version are available."""
    progressing = condition_of(obj, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(explanation(progressing, "progress deadline exceeded"))
    wanted, existing = count(obj, "spec", "replicas", default=1), count(obj, "status", "replicas")
    updated, available = count(obj, "status", "updatedReplicas"), count(obj, "status", "availableReplicas")
    if (shortage := too_few(wanted, existing, "replicas") or too_few(wanted, updated, "updated")) is not None:
        return shortage
    if existing > wanted:
        return NotReady(f"{existing - wanted} pods to terminate")
    ready = count(obj, "status", "readyReplicas")
    if (shortage := too_few(updated, available, "available") or too_few(wanted, ready, "ready")) is not None:
        return shortage
    unlimited = count(obj, "spec", "progressDeadlineSeconds", default=_UNLIMITED) == _UNLIMITED
    if not unlimited and (progressing.get("status"), progressing.get("reason")) != ("True", "NewReplicaSetAvailable"):
        return NotReady("new ReplicaSet is not available")
    return Ready() if is_true(obj, "Available") else NotReady("is not Available")


def replica_set(obj: Object) -> Readiness:
    """Return whether all pods are available."""
    if is_true(obj, "ReplicaFailure"):
        return NotReady(explanation(condition_of(obj, "ReplicaFailure") or {}, "pods cannot be created"))
    wanted = count(obj, "spec", "replicas", default=1)
    for field, word in (
        ("fullyLabeledReplicas", "labeled"),
        ("availableReplicas", "available"),
        ("readyReplicas", "ready"),
    ):
        if (shortage := too_few(wanted, count(obj, "status", field), word)) is not None:
            return shortage
    existing = count(obj, "status", "replicas")
    return NotReady(f"{existing - wanted} pods to terminate") if existing > wanted else Ready()


def stateful_set(obj: Object) -> Readiness:
    """Return whether all pods are ready and of the newest version, as far as its strategy updates them by itself."""
    if at(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return Ready()
    wanted, existing = count(obj, "spec", "replicas", default=1), count(obj, "status", "replicas")
    ready = count(obj, "status", "readyReplicas")
    if (shortage := too_few(wanted, existing, "replicas") or too_few(wanted, ready, "ready")) is not None:
        return shortage
    if existing > wanted:
        return NotReady(f"{existing - wanted} pods to terminate")
    partition = at(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    # The API server fills in partition 0, which asks for all pods to be updated, as no partition does.
    if isinstance(partition, int):
        return too_few(wanted - partition, count(obj, "status", "updatedReplicas"), "updated") or Ready()
    if (shortage := too_few(wanted, count(obj, "status", "currentReplicas"), "current")) is not None:
        return shortage
    if at(obj, "status", "currentRevision") != at(obj, "status", "updateRevision"):
        return NotReady("pods of an older revision remain")
    return Ready()


def daemon_set(obj: Object) -> Readiness:
    """Return whether the pod of each node is available."""
    wanted = at(obj, "status", "desiredNumberScheduled")
    if at(obj, "status", "observedGeneration") is None or not isinstance(wanted, int):
        return NotReady("not yet observed")
    for field, word in (
        ("currentNumberScheduled", "scheduled"),
        ("updatedNumberScheduled", "updated"),
        ("numberAvailable", "available"),
        ("numberReady", "ready"),
    ):
        if (shortage := too_few(wanted, count(obj, "status", field), word)) is not None:
            return shortage
    return Ready()


def job(obj: Object) -> Readiness:
    """Return whether it is complete, or suspended by its spec."""
    if is_true(obj, "Failed"):
        return Failed(explanation(condition_of(obj, "Failed") or {}, "job failed"))
    if is_true(obj, "Complete"):
        return Ready()
    if at(obj, "spec", "suspend") is True and is_true(obj, "Suspended"):
        return Ready()
    return NotReady("not yet started" if at(obj, "status", "startTime") is None else "not yet complete")


def pod(obj: Object) -> Readiness:
    """Return whether it runs and is Ready, or has succeeded."""
    match at(obj, "status", "phase"):
        case "Succeeded":
            return Ready()
        case "Failed":
            return Failed("pod failed")
        case "Running" if is_true(obj, "Ready"):
            return Ready()
        case "Running":
            looping = ", ".join(_crash_looping(obj))
            return Failed(f"crash loop: {looping}") if looping else NotReady("running, but not Ready")
        case "Pending":
            scheduled = condition_of(obj, "PodScheduled") or {}
            stuck = scheduled.get("status") == "False"
            return NotReady(explanation(scheduled, "not scheduled") if stuck else "pending")
        case _:
            return NotReady("not yet observed")


def _crash_looping(obj: Object) -> Iterator[str]:
    for status in maps(at(obj, "status", "containerStatuses")):
        if at(status, "state", "waiting", "reason") == "CrashLoopBackOff":
            yield str(status.get("name", "?"))
