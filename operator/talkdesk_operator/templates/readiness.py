"""Whether an applied object is ready, by the rules of kstatus or by a step's `readyWhen`.

Belongs here: the readiness of one object as the API server shows it.
Does not belong here: reading the object, waiting, giving up (`reconcilers`).

The rules are those of sigs.k8s.io/cli-utils/pkg/kstatus (September 2026), learnt from its source, except:
* a Job is ready when it is complete, not while it runs, because the next step may need its result;
* a Pod that failed is Failed (kstatus: current);
* a Pod that cannot be scheduled is not ready as long as that lasts (kstatus, with a clock: failed after 15 s);
* a Namespace is ready when Active, because objects cannot be created in it before;
* a PersistentVolumeClaim is ready when Pending, because it may wait for a pod of a later step (kstatus: in progress).

`readyWhen` replaces the rules for the kind, but not the general ones (deletion, generation). It does not apply to kinds
that are always ready, such as ConfigMap, so that these can be in the same step as objects that need time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from talkdesk_operator.templates.cel import Expression, ExpressionError

__all__ = ["Failed", "NotReady", "Readiness", "Ready", "readiness"]

_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    """The object is ready."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The object is not ready yet."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The object's controller has given up; the object becomes ready only if somebody changes something."""

    message: str


Readiness = Ready | NotReady | Failed

_UNLIMITED: Final = 2**31 - 1
"""The deployment controller's value for "no progress deadline"."""


def readiness(obj: _Object, ready_when: Expression | None = None) -> Readiness:
    """Return the readiness of an object as the API server shows it, including its status. Never raises."""
    group, _, _ = str(obj.get("apiVersion", "")).rpartition("/")
    kind = (group, str(obj.get("kind", "")))
    if (verdict := _general(obj)) is not None:
        return verdict
    if ready_when is not None and kind not in _ALWAYS_READY:
        return _by_expression(obj, ready_when)
    return _by_kstatus_conditions(obj) or _RULES.get(kind, _by_ready_condition)(obj)


def _by_expression(obj: _Object, ready_when: Expression) -> Readiness:
    try:
        value = ready_when.evaluate({"object": dict(obj)})
    except ExpressionError as error:
        return NotReady(f"readyWhen: {error.reason}")
    if value is True:
        return Ready()
    return NotReady("readyWhen is false" if value is False else "readyWhen must give true or false")


def _general(obj: _Object) -> NotReady | None:
    if _at(obj, "metadata", "deletionTimestamp") is not None:
        return NotReady("is being deleted")
    generation, observed = _at(obj, "metadata", "generation"), _at(obj, "status", "observedGeneration")
    if isinstance(generation, int) and isinstance(observed, int) and observed < generation:
        return NotReady(f"its controller has observed generation {observed}, not yet {generation}")
    return None


def _by_kstatus_conditions(obj: _Object) -> NotReady | Failed | None:
    """Return what the controller says by kstatus' own conditions; None when it uses none of them."""
    for condition in _conditions(obj):
        match condition.get("type"), condition.get("status"):
            case "Reconciling", "True":
                return NotReady(_explanation(condition, "is reconciling"))
            case "Stalled", "True":
                return Failed(_explanation(condition, "is stalled"))
            case _:
                pass
    return None


def _by_ready_condition(obj: _Object) -> Readiness:
    condition = _condition(obj, "Ready")
    if condition is None or condition.get("status") == "True":
        return Ready()
    return NotReady(_explanation(condition, "is not Ready"))


def _always(_: _Object) -> Readiness:
    return Ready()


def _deployment(obj: _Object) -> Readiness:
    progressing = _condition(obj, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(_explanation(progressing, "progress deadline exceeded"))
    wanted, existing = _count(obj, "spec", "replicas", default=1), _count(obj, "status", "replicas")
    updated, available = _count(obj, "status", "updatedReplicas"), _count(obj, "status", "availableReplicas")
    if (too_few := _too_few(wanted, existing, "replicas") or _too_few(wanted, updated, "updated")) is not None:
        return too_few
    if existing > wanted:
        return NotReady(f"{existing - wanted} pods to terminate")
    ready = _count(obj, "status", "readyReplicas")
    if (too_few := _too_few(updated, available, "available") or _too_few(wanted, ready, "ready")) is not None:
        return too_few
    unlimited = _count(obj, "spec", "progressDeadlineSeconds", default=_UNLIMITED) == _UNLIMITED
    if not unlimited and (progressing.get("status"), progressing.get("reason")) != ("True", "NewReplicaSetAvailable"):
        return NotReady("new ReplicaSet is not available")
    return Ready() if _is_true(obj, "Available") else NotReady("is not Available")


def _replica_set(obj: _Object) -> Readiness:
    if _is_true(obj, "ReplicaFailure"):
        return NotReady(_explanation(_condition(obj, "ReplicaFailure") or {}, "pods cannot be created"))
    wanted = _count(obj, "spec", "replicas", default=1)
    for field, word in (
        ("fullyLabeledReplicas", "labeled"),
        ("availableReplicas", "available"),
        ("readyReplicas", "ready"),
    ):
        if (too_few := _too_few(wanted, _count(obj, "status", field), word)) is not None:
            return too_few
    existing = _count(obj, "status", "replicas")
    return NotReady(f"{existing - wanted} pods to terminate") if existing > wanted else Ready()


def _stateful_set(obj: _Object) -> Readiness:
    if _at(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return Ready()
    wanted, existing = _count(obj, "spec", "replicas", default=1), _count(obj, "status", "replicas")
    ready = _count(obj, "status", "readyReplicas")
    if (too_few := _too_few(wanted, existing, "replicas") or _too_few(wanted, ready, "ready")) is not None:
        return too_few
    if existing > wanted:
        return NotReady(f"{existing - wanted} pods to terminate")
    partition = _at(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    # The API server fills in partition 0, which asks for all pods to be updated, as no partition does.
    if isinstance(partition, int):
        return _too_few(wanted - partition, _count(obj, "status", "updatedReplicas"), "updated") or Ready()
    if (too_few := _too_few(wanted, _count(obj, "status", "currentReplicas"), "current")) is not None:
        return too_few
    if _at(obj, "status", "currentRevision") != _at(obj, "status", "updateRevision"):
        return NotReady("pods of an older revision remain")
    return Ready()


def _daemon_set(obj: _Object) -> Readiness:
    wanted = _at(obj, "status", "desiredNumberScheduled")
    if _at(obj, "status", "observedGeneration") is None or not isinstance(wanted, int):
        return NotReady("not yet observed")
    for field, word in (
        ("currentNumberScheduled", "scheduled"),
        ("updatedNumberScheduled", "updated"),
        ("numberAvailable", "available"),
        ("numberReady", "ready"),
    ):
        if (too_few := _too_few(wanted, _count(obj, "status", field), word)) is not None:
            return too_few
    return Ready()


def _job(obj: _Object) -> Readiness:
    if _is_true(obj, "Failed"):
        return Failed(_explanation(_condition(obj, "Failed") or {}, "job failed"))
    if _is_true(obj, "Complete"):
        return Ready()
    if _at(obj, "spec", "suspend") is True and _is_true(obj, "Suspended"):
        return Ready()
    return NotReady("not yet started" if _at(obj, "status", "startTime") is None else "not yet complete")


def _pod(obj: _Object) -> Readiness:
    match _at(obj, "status", "phase"):
        case "Succeeded":
            return Ready()
        case "Failed":
            return Failed("pod failed")
        case "Running" if _is_true(obj, "Ready"):
            return Ready()
        case "Running":
            looping = ", ".join(_crash_looping(obj))
            return Failed(f"crash loop: {looping}") if looping else NotReady("running, but not Ready")
        case "Pending":
            scheduled = _condition(obj, "PodScheduled") or {}
            stuck = scheduled.get("status") == "False"
            return NotReady(_explanation(scheduled, "not scheduled") if stuck else "pending")
        case _:
            return NotReady("not yet observed")


def _crash_looping(obj: _Object) -> Iterator[str]:
    for status in _maps(_at(obj, "status", "containerStatuses")):
        if _at(status, "state", "waiting", "reason") == "CrashLoopBackOff":
            yield str(status.get("name", "?"))


def _claim(obj: _Object) -> Readiness:
    # With a StorageClass that waits for the first consumer, as most do, it is Pending until a pod uses it, perhaps one
    # of a later step. A volume that can't be made looks the same, but a pod without its volume does not become ready.
    phase = _at(obj, "status", "phase")
    is_usable = phase == "Bound" or phase == "Pending"  # noqa: PLR1714 - it may be anything, also what has no hash
    return Ready() if is_usable else NotReady(f"not Bound, but {phase or 'not yet observed'}")


def _service(obj: _Object) -> Readiness:
    if _at(obj, "spec", "type") == "LoadBalancer" and not _at(obj, "spec", "clusterIP"):
        return NotReady("has no cluster IP yet")
    return Ready()


def _crd(obj: _Object) -> Readiness:
    names, established = _condition(obj, "NamesAccepted") or {}, _condition(obj, "Established") or {}
    if names.get("status") == "False":
        return Failed(_explanation(names, "names not accepted"))
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return Failed(_explanation(established, "not established"))
    return Ready() if established.get("status") == "True" else NotReady("not yet established")


def _namespace(obj: _Object) -> Readiness:
    phase = _at(obj, "status", "phase")
    return Ready() if phase == "Active" else NotReady(f"not Active, but {phase or 'not yet observed'}")


_RULES: Final[Mapping[tuple[str, str], Callable[[_Object], Readiness]]] = MappingProxyType(
    {
        ("apps", "Deployment"): _deployment,
        ("apps", "ReplicaSet"): _replica_set,
        ("apps", "StatefulSet"): _stateful_set,
        ("apps", "DaemonSet"): _daemon_set,
        ("batch", "Job"): _job,
        ("batch", "CronJob"): _always,
        ("", "Pod"): _pod,
        ("", "PersistentVolumeClaim"): _claim,
        ("", "Service"): _service,
        ("", "Namespace"): _namespace,
        ("policy", "PodDisruptionBudget"): _always,  # only its observed generation counts
        ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    }
)

_ALWAYS_READY: Final = frozenset(
    {("", kind) for kind in ("ConfigMap", "LimitRange", "Namespace", "ResourceQuota", "Secret", "ServiceAccount")}
    | {("rbac.authorization.k8s.io", kind) for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")}
    | {("networking.k8s.io", "NetworkPolicy")}
)


def _at(obj: object, *path: str) -> Any:
    """Return the value at a path; None when any part of the path is absent or has another shape."""
    for key in path:
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(key)
    return obj


def _count(obj: _Object, *path: str, default: int = 0) -> int:
    value = _at(obj, *path)
    return value if isinstance(value, int) else default


def _too_few(wanted: int, have: int, word: str) -> NotReady | None:
    return NotReady(f"{word}: {have} of {wanted}") if have < wanted else None


def _maps(value: object) -> Iterator[Mapping[str, Any]]:
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, Mapping))


def _conditions(obj: _Object) -> Iterator[Mapping[str, Any]]:
    return _maps(_at(obj, "status", "conditions"))


def _condition(obj: _Object, name: str) -> Mapping[str, Any] | None:
    return next((condition for condition in _conditions(obj) if condition.get("type") == name), None)


def _is_true(obj: _Object, name: str) -> bool:
    return (_condition(obj, name) or {}).get("status") == "True"


def _explanation(condition: Mapping[str, Any], otherwise: str) -> str:
    return str(condition.get("message") or condition.get("reason") or otherwise)
