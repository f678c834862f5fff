"""Manifests of a template that are the same object for every account, found before any account is rendered.

Belongs here: comparison of manifests as they are written. Does not belong here: those that turn out to be the same only
when they are filled in (`render`), or when the API server says which kinds are in namespaces (`scopes`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from talkdesk_operator.templates.errors import Problem, child

__all__ = ["CLUSTER_SCOPED", "duplicate_objects"]


def duplicate_objects(steps: Iterable[tuple[str, Sequence[object]]]) -> Iterator[Problem]:
    """Yield a problem for each manifest that is the same object as one before; takes the steps' names and manifests."""
    seen: dict[tuple[str, str, str], dict[str, str]] = {}
    for step, manifests in steps:
        for index, manifest in enumerate(manifests):
            path = child(f"steps[{step}].manifests", index)
            match manifest:
                case {"apiVersion": str(version), "kind": str(kind), "metadata": {"name": str(name), **rest}}:
                    group = version.rpartition("/")[0]
                    namespace = "" if (group, kind) in CLUSTER_SCOPED else str(rest.get("namespace", ""))
                    yield from _problem(path, namespace, seen.setdefault((group, kind, name), {}))
                case _:
                    pass


def _problem(path: str, namespace: str, earlier: dict[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with an object in a namespace, given where those of its kind and name are."""
    if namespace in earlier:
        yield Problem(path, f"is the same object as {earlier[namespace]}")
    elif earlier and "" in {namespace, *earlier}:
        other = next(iter(earlier.values()))
        reason = f"is the same object as {other}, or one of them has a wrong metadata.namespace"
        yield Problem(path, f"{reason}: a kind is either in namespaces or outside of them")
    earlier.setdefault(namespace, path)


CLUSTER_SCOPED: Final = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("networking.k8s.io", "IngressClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
    }
)
"""Kinds of Kubernetes' own that are outside all namespaces: a template is checked before any cluster is asked."""
