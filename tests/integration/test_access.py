"""Missing rights, as a real API server sees them: named all at once, and granted by the YAML that is shown."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from builders.objects import NOON, app
from talkdesk_operator.adapters.kubernetes.access_reviews import KubernetesAccessReviews
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.access import AccessReport, Party
from talkdesk_operator.domain.reconcile.access_words import access_condition, missing_in_words, missing_in_yaml
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_runtime.kube import Kube
from talkdesk_sandbox.controlplane import Cluster

pytestmark = pytest.mark.case(84)

REVIEWER = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: talkdesk-operator, namespace: %(namespace)s}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: provisioner, namespace: %(namespace)s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %(namespace)s}
rules: [{apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %(namespace)s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %(namespace)s}
subjects: [{kind: ServiceAccount, name: talkdesk-operator, namespace: %(namespace)s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: talkdesk-operator-app}
rules:
- {apiGroups: [appconnect.talkdesk.dev], resources: [talkdeskinstallations], verbs: [delete]}
- {apiGroups: [""], resources: [secrets], verbs: [get, list, delete]}
- {apiGroups: [apps], resources: [controllerrevisions], verbs: [get, list, create, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: talkdesk-webhook-app}
rules:
- {apiGroups: [appconnect.talkdesk.dev], resources: [talkdeskinstallations], verbs: [create, patch]}
- {apiGroups: [""], resources: [secrets], verbs: [create]}
"""


def manifest(kind: str, version: str = "v1", **metadata: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "${tenant.name}", **metadata}}


def view(namespace: str, *manifests: dict[str, Any]) -> CompiledApp:
    made = list(manifests) or [
        manifest("Namespace"),
        manifest("Secret", namespace="${tenant.name}"),
        manifest("Deployment", "apps/v1", namespace=namespace),
        manifest("Nonsense", "nowhere.example/v1"),
    ]
    tenant = {"serviceAccountName": "provisioner", "steps": [{"name": "base", "manifests": made}]}
    raw = app(tenant=tenant)
    return compile_app(raw.model_copy(update={"metadata": raw.metadata.model_copy(update={"namespace": namespace})}))


@pytest.fixture
async def reviews(crds: Cluster, namespace: str) -> AsyncIterator[KubernetesAccessReviews]:
    crds.kubectl("apply", "-f", "-", stdin=REVIEWER % {"namespace": namespace})
    kubeconfig = crds.kubeconfig_for(namespace, "talkdesk-operator")
    async with await Kube.connect(user_agent="test", kubeconfig=kubeconfig) as kube:
        yield KubernetesAccessReviews(kube, Resources(kube))


async def granted(cluster: Cluster, reviews: KubernetesAccessReviews, app: CompiledApp) -> AccessReport:
    """Apply what the condition shows until it shows nothing more, as a person would."""
    report = await reviews.review(app)
    for _ in range(100):  # what one message has no room for comes with the next; an authorizer's cache lags behind
        if not report.missing:
            break
        message = access_condition(report, 1, NOON).message
        cluster.kubectl("apply", "-f", "-", stdin=message)
        report = await reviews.review(app)
    return report


async def test_all_missing_rights_are_named_at_once_and_the_yaml_that_is_shown_grants_them(
    crds: Cluster, namespace: str, reviews: KubernetesAccessReviews
) -> None:
    report = await reviews.review(view(namespace))
    text = missing_in_words(report.missing)
    for words in ("secrets", "impersonate serviceaccounts provisioner", "talkdeskinstallations", "deployments.apps"):
        assert words in text
    report = await granted(crds, reviews, view(namespace))
    assert report.missing == ()
    (absent,) = report.absent
    assert "no kind Nonsense in nowhere.example/v1" in absent
    assert {right.resource for right in report.unwatched} == {"namespaces", "secrets", "deployments"}
    crds.kubectl("apply", "-f", "-", stdin=missing_in_yaml(report.unwatched, report.place))
    for _ in range(100):
        report = await reviews.review(view(namespace))
        if not report.unwatched:
            break
    assert report.unwatched == ()


async def test_rights_that_are_granted_for_a_new_kind_leave_those_of_before(
    crds: Cluster, namespace: str, reviews: KubernetesAccessReviews
) -> None:
    first, later = (view(namespace, manifest(kind, namespace=namespace)) for kind in ("Secret", "ConfigMap"))
    assert (await granted(crds, reviews, first)).missing == ()
    assert (await granted(crds, reviews, later)).missing == ()
    assert (await reviews.review(first)).missing == ()


async def test_rights_are_known_without_the_right_to_review_those_of_others(
    crds: Cluster, namespace: str, reviews: KubernetesAccessReviews
) -> None:
    only = view(namespace, manifest("Secret", namespace=namespace))
    assert (await granted(crds, reviews, only)).missing == ()
    crds.kubectl("delete", "clusterrolebinding", namespace)
    for _ in range(100):
        report = await reviews.review(only)
        if report.unknown:
            break
    assert (report.unknown, report.missing) == ((Party.WEBHOOK,), ())
    more = await reviews.review(view(namespace, manifest("Service", namespace=namespace)))
    assert {right.resource for right in more.missing} == {"services"}
