from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.templates import Failed, NotReady, Readiness, Ready, compile_expression, readiness

KINDS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "APIService": "apiregistration.k8s.io/v1",
    "Application": "argoproj.io/v1alpha1",
    "Kustomization": "kustomize.toolkit.fluxcd.io/v1",
    "Bucket": "s3.aws.upbound.io/v1beta1",
    "Certificate": "cert-manager.io/v1",
    "WebApp": "kro.run/v1alpha1",
    "Widget": "example.com/v1",
}


def obj(kind: str, status: Any = None, spec: Any = None, **metadata: Any) -> dict[str, Any]:
    made = {"apiVersion": KINDS.get(kind, "v1"), "kind": kind, "metadata": {"name": "x", **metadata}}
    return made | ({} if status is None else {"status": status}) | ({} if spec is None else {"spec": spec})


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def conditions(*listed: dict[str, str]) -> dict[str, Any]:
    return {"conditions": list(listed)}


PROGRESSED = condition("Progressing", reason="NewReplicaSetAvailable")


def deployment(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), 2)
    full = counts | conditions(PROGRESSED, condition("Available")) | status
    return obj("Deployment", full, {"replicas": 2, "progressDeadlineSeconds": 600} | (spec or {}))


def replica_set(**status: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "fullyLabeledReplicas", "availableReplicas", "readyReplicas"), 2)
    return obj("ReplicaSet", counts | status, {"replicas": 2})


def stateful_set(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "readyReplicas", "currentReplicas", "updatedReplicas"), 2)
    revisions = {"currentRevision": "r1", "updateRevision": "r1"}
    return obj("StatefulSet", counts | revisions | status, {"replicas": 2} | (spec or {}))


def partition(value: int) -> dict[str, Any]:
    return {"updateStrategy": {"rollingUpdate": {"partition": value}}}


def daemon_set(**status: Any) -> dict[str, Any]:
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberReady",
    )
    return obj("DaemonSet", dict.fromkeys(fields, 3) | {"observedGeneration": 1} | status, generation=1)


def crash(name: str, reason: str = "CrashLoopBackOff") -> dict[str, Any]:
    return {"name": name, "state": {"waiting": {"reason": reason}}}


@pytest.mark.parametrize(
    ("given_object", "verdict"),
    [
        (deployment(), Ready()),
        (deployment(replicas=1), NotReady("replicas: 1 of 2")),
        (deployment(updatedReplicas=1), NotReady("updated: 1 of 2")),
        (deployment(replicas=3), NotReady("1 pods to terminate")),
        (deployment(availableReplicas=1), NotReady("available: 1 of 2")),
        (deployment(readyReplicas=1), NotReady("ready: 1 of 2")),
        (deployment(conditions=[condition("Available")]), NotReady("new ReplicaSet is not available")),
        (deployment({"progressDeadlineSeconds": 2**31 - 1}, conditions=[condition("Available")]), Ready()),
        (deployment(conditions=[PROGRESSED]), NotReady("is not Available")),
        (
            deployment(conditions=[condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")]),
            Failed("timed out"),
        ),
        (obj("Deployment"), NotReady("replicas: 0 of 1")),
        (replica_set(), Ready()),
        (replica_set(fullyLabeledReplicas=1), NotReady("labeled: 1 of 2")),
        (replica_set(availableReplicas=1), NotReady("available: 1 of 2")),
        (replica_set(readyReplicas=1), NotReady("ready: 1 of 2")),
        (replica_set(replicas=3), NotReady("1 pods to terminate")),
        (replica_set(conditions=[condition("ReplicaFailure", message="quota")]), NotReady("quota")),
        (stateful_set(), Ready()),
        (stateful_set({"updateStrategy": {"type": "OnDelete"}}, replicas=0), Ready()),
        (stateful_set(replicas=1), NotReady("replicas: 1 of 2")),
        (stateful_set(readyReplicas=1), NotReady("ready: 1 of 2")),
        (stateful_set(replicas=3), NotReady("1 pods to terminate")),
        (stateful_set(currentReplicas=1), NotReady("current: 1 of 2")),
        (stateful_set(updateRevision="r2"), NotReady("pods of an older revision remain")),
        (stateful_set(partition(1), updatedReplicas=1), Ready()),
        (stateful_set(partition(0), updatedReplicas=1), NotReady("updated: 1 of 2")),
        (daemon_set(), Ready()),
        (daemon_set(observedGeneration=None), NotReady("not yet observed")),
        (daemon_set(desiredNumberScheduled=None), NotReady("not yet observed")),
        (daemon_set(currentNumberScheduled=2), NotReady("scheduled: 2 of 3")),
        (daemon_set(updatedNumberScheduled=2), NotReady("updated: 2 of 3")),
        (daemon_set(numberAvailable=2), NotReady("available: 2 of 3")),
        (daemon_set(numberReady=2), NotReady("ready: 2 of 3")),
        (obj("Job"), NotReady("not yet started")),
        (obj("Job", {"startTime": "2026-01-01T00:00:00Z"}), NotReady("not yet complete")),
        (obj("Job", conditions(condition("Complete"))), Ready()),
        (obj("Job", conditions(condition("Failed", reason="BackoffLimitExceeded"))), Failed("BackoffLimitExceeded")),
        (obj("Job", conditions(condition("Suspended")), {"suspend": True}), Ready()),
        (obj("Job", conditions(condition("Suspended")), {"suspend": False}), NotReady("not yet started")),
        (obj("CronJob"), Ready()),
        (obj("Pod"), NotReady("not yet observed")),
        (obj("Pod", {"phase": "Succeeded"}), Ready()),
        (obj("Pod", {"phase": "Failed"}), Failed("pod failed")),
        (obj("Pod", {"phase": "Running"} | conditions(condition("Ready"))), Ready()),
        (obj("Pod", {"phase": "Running"}), NotReady("running, but not Ready")),
        (
            obj("Pod", {"phase": "Running", "containerStatuses": [crash("a"), crash("b", "Creating"), crash("c")]}),
            Failed("crash loop: a, c"),
        ),
        (obj("Pod", {"phase": "Pending"}), NotReady("pending")),
        (
            obj("Pod", {"phase": "Pending"} | conditions(condition("PodScheduled", "False", message="no nodes"))),
            NotReady("no nodes"),
        ),
        (obj("PersistentVolumeClaim", {"phase": "Bound"}), Ready()),
        (obj("PersistentVolumeClaim", {"phase": "Pending"}), Ready()),
        (obj("PersistentVolumeClaim", {"phase": "Lost"}), NotReady("not Bound, but Lost")),
        (obj("PersistentVolumeClaim"), NotReady("not Bound, but not yet observed")),
        (obj("Service", spec={"type": "ClusterIP"}), Ready()),
        (obj("Service", spec={"type": "LoadBalancer"}), NotReady("has no cluster IP yet")),
        (obj("Service", spec={"type": "LoadBalancer", "clusterIP": "10.0.0.1"}), Ready()),
        (obj("PodDisruptionBudget"), Ready()),
        (
            obj("PodDisruptionBudget", {"observedGeneration": 1}, generation=2),
            NotReady("its controller has observed generation 1, not yet 2"),
        ),
        (obj("CustomResourceDefinition"), NotReady("not yet established")),
        (obj("CustomResourceDefinition", conditions(condition("Established"))), Ready()),
        (
            obj("CustomResourceDefinition", conditions(condition("Established", "False", "Installing"))),
            NotReady("not yet established"),
        ),
        (
            obj("CustomResourceDefinition", conditions(condition("Established", "False", "NotAccepted"))),
            Failed("NotAccepted"),
        ),
        (
            obj("CustomResourceDefinition", conditions(condition("NamesAccepted", "False", "", "conflict"))),
            Failed("conflict"),
        ),
        (obj("Namespace", {"phase": "Active"}), Ready()),
        (obj("Namespace", {"phase": "Terminating"}), NotReady("not Active, but Terminating")),
        (obj("Namespace"), NotReady("not Active, but not yet observed")),
        (obj("Ingress", {"loadBalancer": {}}), Ready()),
        (obj("Ingress", deletionTimestamp="2026-01-01T00:00:00Z"), NotReady("is being deleted")),
        (obj("APIService"), NotReady("not yet observed")),
        (obj("APIService", conditions(condition("Available", reason="Passed"))), Ready()),
        (
            obj("APIService", conditions(condition("Available", "False", "MissingEndpoints", "no endpoints"))),
            NotReady("no endpoints"),
        ),
        (obj("Application"), NotReady("not Healthy, but not yet observed")),
        (obj("Application", {"health": {"status": "Progressing"}}), NotReady("not Healthy, but Progressing")),
        (
            obj("Application", {"health": {"status": "Degraded", "message": "quota"}, "sync": {"status": "Synced"}}),
            NotReady("not Healthy, but Degraded: quota"),
        ),
        (obj("Application", {"health": {"status": "Healthy"}, "sync": {"status": "OutOfSync"}}), Ready()),
        (
            obj("Kustomization", {"observedGeneration": -1}, generation=1),
            NotReady("its controller has observed generation -1, not yet 1"),
        ),
        (
            obj(
                "Kustomization",
                conditions(condition("Reconciling", reason="Progressing"), condition("Ready", "Unknown")),
            ),
            NotReady("Progressing"),
        ),
        (
            obj("Kustomization", conditions(condition("Ready", "False", "BuildFailed", "no such path"))),
            NotReady("no such path"),
        ),
        (obj("Kustomization", {"observedGeneration": 1} | conditions(condition("Ready")), generation=1), Ready()),
        (
            obj("Bucket", conditions(condition("Synced"), condition("Ready", "False", "Creating"))),
            NotReady("Creating"),
        ),
        (obj("Bucket", conditions(condition("Synced"), condition("Ready", reason="Available"))), Ready()),
        (
            obj(
                "Certificate",
                conditions(condition("Issuing"), condition("Ready", "False", "DoesNotExist", "no Secret")),
            ),
            NotReady("no Secret"),
        ),
        (obj("Certificate", conditions(condition("Ready", reason="Ready"))), Ready()),
        (
            obj("WebApp", {"state": "IN_PROGRESS"} | conditions(condition("Ready", "Unknown", "ResourcesNotReady"))),
            NotReady("ResourcesNotReady"),
        ),
        (obj("WebApp", {"state": "ACTIVE"} | conditions(condition("Ready"))), Ready()),
        (obj("ConfigMap"), Ready()),
        (obj("Widget"), Ready()),
        (obj("Widget", conditions(condition("Other"), condition("Ready"))), Ready()),
        (obj("Widget", conditions(condition("Ready", "False", "Waiting"))), NotReady("Waiting")),
        (obj("Widget", conditions(condition("Ready", "Unknown"))), NotReady("is not Ready")),
        (obj("Widget", conditions(condition("Reconciling", message="busy"))), NotReady("busy")),
        (obj("Widget", conditions(condition("Stalled", reason="Broken"))), Failed("Broken")),
        (obj("Widget", conditions(condition("Stalled", "False"), condition("Ready"))), Ready()),
        (obj("Widget", {"observedGeneration": 2}, generation=2), Ready()),
        (obj("Widget", deletionTimestamp="2026-01-01T00:00:00Z"), NotReady("is being deleted")),
        ({}, Ready()),
    ],
)
def test_readiness_follows_kstatus(given_object: dict[str, Any], verdict: Readiness) -> None:
    assert readiness(given_object) == verdict


READY_WHEN = compile_expression("object.status.availableReplicas >= 1")


@pytest.mark.parametrize(
    ("given_object", "verdict"),
    [
        (obj("Deployment", {"availableReplicas": 1}), Ready()),
        (obj("Deployment", {"availableReplicas": 0}), NotReady("readyWhen is false")),
        (obj("Deployment", {}), NotReady("readyWhen: no such key: object.status.availableReplicas")),
        (obj("Deployment"), NotReady("readyWhen: no such key: object.status")),
        (obj("Deployment", {"availableReplicas": None}), None),
        (obj("Widget", {"availableReplicas": 1, "observedGeneration": 1}, generation=2), None),
        (
            obj("Widget", {"availableReplicas": 1}, deletionTimestamp="2026-01-01T00:00:00Z"),
            NotReady("is being deleted"),
        ),
        (obj("ConfigMap"), Ready()),
        (obj("Namespace", {"phase": "Terminating"}), NotReady("not Active, but Terminating")),
    ],
)
def test_ready_when_replaces_the_rules_for_the_kind(given_object: dict[str, Any], verdict: Readiness | None) -> None:
    found = readiness(given_object, READY_WHEN)

    assert isinstance(found, NotReady) if verdict is None else found == verdict


def test_ready_when_must_return_a_bool() -> None:
    assert readiness(obj("Widget"), compile_expression("1")) == NotReady("readyWhen must give true or false")


junk = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "status", "name", "phase"]), inner)
    ),
    max_leaves=6,
)


@given(st.sampled_from([*KINDS, "Pod", "Service", "Namespace", "PersistentVolumeClaim"]), junk, junk, junk)
def test_readiness_never_raises_whatever_the_object_contains(
    kind: str, status: Any, spec: Any, conditions: Any
) -> None:
    for made in (status, {"conditions": conditions, "containerStatuses": conditions, "phase": "Running"}):
        assert isinstance(readiness(obj(kind, made, spec), READY_WHEN), Ready | NotReady | Failed)
        assert isinstance(readiness(obj(kind, made, spec)), Ready | NotReady | Failed)
