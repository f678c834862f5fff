"""Whether an applied object is ready, by the rules of kstatus or by a step's `readyWhen`.

Belongs here: the readiness of one object as the API server shows it.
Does not belong here: reading the object, waiting, giving up (`reconcilers`).

The rules are those of sigs.k8s.io/cli-utils/pkg/kstatus (September 2026), learnt from its source, except:
* a Job is ready when it is complete, not while it runs, because the next step may need its result;
* a Pod that failed is Failed (kstatus: current);
* a Pod that cannot be scheduled is not ready as long as that lasts (kstatus, with a clock: failed after 15 s);
* a Namespace is ready when Active, because objects cannot be created in it before;
* a PersistentVolumeClaim is ready when Pending, because it may wait for a pod of a later step (kstatus: in progress);
* an APIService is ready when Available, an Application of Argo CD when Healthy (kstatus knows neither).

An Ingress is ready at once, as for kstatus. Argo CD waits for the address of a load balancer, which many controllers
never write (argo-cd's issue 14607): a step would then wait for ever, for something that no other object needs.

`readyWhen` replaces the rules for the kind, but not the general ones (deletion, generation). It does not apply to kinds
that are always ready, such as ConfigMap, so that these can be in the same step as objects that need time.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from talkdesk_operator.templates import platform_readiness as platform
from talkdesk_operator.templates import workload_readiness as workload
from talkdesk_operator.templates.cel import Expression, ExpressionError
from talkdesk_operator.templates.object_status import (
    Failed,
    NotReady,
    Object,
    Readiness,
    Ready,
    at,
    condition_of,
    conditions_of,
    explanation,
)

__all__ = ["ALWAYS_READY", "GENERAL_RULES", "RULES", "Failed", "NotReady", "Readiness", "Ready", "Rule", "readiness"]


def readiness(obj: Object, ready_when: Expression | None = None) -> Readiness:
    """Return the readiness of an object as the API server shows it, including its status. Never raises."""
    group, _, _ = str(obj.get("apiVersion", "")).rpartition("/")
    kind = (group, str(obj.get("kind", "")))
    if (verdict := _general(obj)) is not None:
        return verdict
    if ready_when is not None and kind not in ALWAYS_READY:
        return _by_expression(obj, ready_when)
    if (stated := _by_kstatus_conditions(obj)) is not None:
        return stated
    return RULES[kind].judge(obj) if kind in RULES else _by_ready_condition(obj)


def _by_expression(obj: Object, ready_when: Expression) -> Readiness:
    try:
        value = ready_when.evaluate({"object": dict(obj)})
    except ExpressionError as error:
        return NotReady(f"readyWhen: {error.reason}")
    if value is True:
        return Ready()
    return NotReady("readyWhen is false" if value is False else "readyWhen must give true or false")


def _general(obj: Object) -> NotReady | None:
    if at(obj, "metadata", "deletionTimestamp") is not None:
        return NotReady("is being deleted")
    generation, observed = at(obj, "metadata", "generation"), at(obj, "status", "observedGeneration")
    if isinstance(generation, int) and isinstance(observed, int) and observed < generation:
        return NotReady(f"its controller has observed generation {observed}, not yet {generation}")
    return None


def _by_kstatus_conditions(obj: Object) -> NotReady | Failed | None:
    """Return what the controller says by kstatus' own conditions; None when it uses none of them."""
    for condition in conditions_of(obj):
        match condition.get("type"), condition.get("status"):
            case "Reconciling", "True":
                return NotReady(explanation(condition, "is reconciling"))
            case "Stalled", "True":
                return Failed(explanation(condition, "is stalled"))
            case _:
                pass
    return None


def _by_ready_condition(obj: Object) -> Readiness:
    ready = condition_of(obj, "Ready")
    if ready is None or ready.get("status") == "True":
        return Ready()
    return NotReady(explanation(ready, "is not Ready"))


def _always(_: Object) -> Readiness:
    return Ready()


class Rule(NamedTuple):
    """When the objects of a kind are ready."""

    judge: Callable[[Object], Readiness]
    when: str
    """The same in words, for people."""


RULES: Final[Mapping[tuple[str, str], Rule]] = MappingProxyType(
    {
        ("apps", "Deployment"): Rule(
            workload.deployment,
            "all its pods are of the newest version and available; failed when its progress deadline is exceeded",
        ),
        ("apps", "StatefulSet"): Rule(
            workload.stateful_set,
            "all its pods are ready and of the newest version, as far as `partition` says; at once with `OnDelete`",
        ),
        ("apps", "DaemonSet"): Rule(workload.daemon_set, "the pod of each node is of the newest version and available"),
        ("apps", "ReplicaSet"): Rule(workload.replica_set, "all its pods are available"),
        ("batch", "Job"): Rule(
            workload.job,
            "it is complete, even if it is deleted afterwards, or suspended by its spec; "
            "failed when it has the condition Failed",
        ),
        ("batch", "CronJob"): Rule(_always, "at once"),
        ("", "Pod"): Rule(
            workload.pod, "it runs and is Ready, or has succeeded; failed when it has failed, or crashes in a loop"
        ),
        ("", "PersistentVolumeClaim"): Rule(
            platform.claim, "it is Bound, or Pending: it may wait for the pod that uses it, in a later step"
        ),
        ("", "Service"): Rule(
            platform.service,
            "at once; of type LoadBalancer when it has its address in the cluster, which it has at once, too: "
            "the outer one is not waited for",
        ),
        ("networking.k8s.io", "Ingress"): Rule(
            _always, "at once: many controllers never write the address of a load balancer there"
        ),
        ("", "Namespace"): Rule(platform.namespace, "it is Active"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"): Rule(
            platform.crd, "its kind is served; failed when its names are taken"
        ),
        ("apiregistration.k8s.io", "APIService"): Rule(platform.api_service, "its condition Available is True"),
        # Only its observed generation counts, as for kstatus.
        ("policy", "PodDisruptionBudget"): Rule(_always, "its controller has seen it"),
        ("argoproj.io", "Application"): Rule(platform.argo_application, "Argo CD's `status.health.status` is Healthy"),
    }
)
"""The kinds that have rules of their own, by group and kind."""

GENERAL_RULES: Final = (
    "An object that is being deleted is not ready, nor one whose `status.observedGeneration` is behind.",
    "A condition `Reconciling` that is True means not ready, `Stalled` failed, as kstatus has it (Flux, for instance).",
    (
        "All other kinds are ready when they have a condition `Ready` that is True, or none: objects of Flux, "
        "Crossplane, cert-manager and kro have it once their controller has seen them. Until then, and for a kind that "
        "never has one, `readyWhen` of the step says what ready is."
    ),
)
"""What counts for every kind, in words."""

ALWAYS_READY: Final = frozenset(
    {("", kind) for kind in ("ConfigMap", "LimitRange", "Namespace", "ResourceQuota", "Secret", "ServiceAccount")}
    | {("rbac.authorization.k8s.io", kind) for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")}
    | {("networking.k8s.io", "NetworkPolicy")}
)
"""Kinds of which `readyWhen` is not asked."""
