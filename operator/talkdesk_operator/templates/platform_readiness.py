"""Whether storage, network, and what extends the cluster are ready.

Belongs here: the rules of these kinds, and why some of them ask for little. Does not belong here: workloads.
"""

from talkdesk_operator.templates.object_status import (
    Failed,
    NotReady,
    Object,
    Readiness,
    Ready,
    at,
    condition_of,
    explanation,
)

__all__ = ["api_service", "argo_application", "claim", "crd", "namespace", "service"]


def claim(obj: Object) -> Readiness:
    """Return whether a pod can use it."""
    # With a StorageClass that waits for the first consumer, as most do, it is Pending until a pod uses it, perhaps one
    # of a later step. A volume that can't be made looks the same, but a pod without its volume does not become ready.
    phase = at(obj, "status", "phase")
    is_usable = phase == "Bound" or phase == "Pending"  # noqa: PLR1714 - it may be anything, also what has no hash
    return Ready() if is_usable else NotReady(f"not Bound, but {phase or 'not yet observed'}")


def service(obj: Object) -> Readiness:
    """Return whether it has the address in the cluster that one of type LoadBalancer gets."""
    if at(obj, "spec", "type") == "LoadBalancer" and not at(obj, "spec", "clusterIP"):
        return NotReady("has no cluster IP yet")
    return Ready()


def crd(obj: Object) -> Readiness:
    """Return whether its kind is served."""
    names, established = condition_of(obj, "NamesAccepted") or {}, condition_of(obj, "Established") or {}
    if names.get("status") == "False":
        return Failed(explanation(names, "names not accepted"))
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return Failed(explanation(established, "not established"))
    return Ready() if established.get("status") == "True" else NotReady("not yet established")


def namespace(obj: Object) -> Readiness:
    """Return whether objects can be made in it."""
    phase = at(obj, "status", "phase")
    return Ready() if phase == "Active" else NotReady(f"not Active, but {phase or 'not yet observed'}")


def api_service(obj: Object) -> Readiness:
    """Return whether the server behind it answers."""
    available = condition_of(obj, "Available") or {}
    return Ready() if available.get("status") == "True" else NotReady(explanation(available, "not yet observed"))


def argo_application(obj: Object) -> Readiness:
    """Return whether Argo CD calls it Healthy; it has no condition Ready, and no observed generation."""
    health = at(obj, "status", "health", "status")
    if health == "Healthy":
        return Ready()
    message = at(obj, "status", "health", "message")
    return NotReady(f"not Healthy, but {health or 'not yet observed'}{f': {message}' if message else ''}")
