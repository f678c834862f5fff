"""An app's namespace is deleted with a live customer in it: what the API server and its namespace controller do."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from builders.kinds import KindsApi
from builders.objects import app_object, installation_object
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import EventReason
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import APP_FINALIZER, FINALIZER
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeForbidden, KubeNotFound
from talkdesk_sandbox.controlplane import Cluster

pytestmark = pytest.mark.case(90)
BASE: Final = Path(__file__).parents[2] / "manifests" / "base"
WITHIN: Final = 60.0


@pytest.fixture
async def operator(crds: Cluster) -> AsyncIterator[KubernetesCluster]:
    """The operator's adapter with the operator's own rights, and no right in the app's namespace."""
    crds.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(BASE))
    kubeconfig = crds.kubeconfig_for("talkdesk-system", "talkdesk-operator")
    async with await Kube.connect(user_agent="test", kubeconfig=kubeconfig) as kube:
        yield KubernetesCluster(
            kube,
            Resources(kube),
            instance="operator-1",
            seen=lambda _raw: None,
            applied=lambda _identity, _live: None,
            wrote=lambda _kind, _verb: None,
            now=Clock.system().now,
        )


async def test_our_finalizers_can_be_taken_off_and_the_namespace_goes(
    crds: Cluster, namespace: str, operator: KubernetesCluster
) -> None:
    async with await Kube.connect(user_agent="test", kubeconfig=crds.kubeconfig) as kube:
        api = KindsApi(kube, namespace)
        app = await api.create(app_object(), finalizers=[APP_FINALIZER])
        await api.create(installation_object(deletionPolicy="Delete"), finalizers=[FINALIZER])
        assert not await operator.is_terminating(namespace)
        crds.kubectl("delete", "namespace", namespace, "--wait=false")
        path = f"/apis/appconnect.talkdesk.dev/v1alpha1/namespaces/{namespace}"
        deadline = time.monotonic() + WITHIN
        while True:
            raw = await api.request("GET", f"{path}/talkdeskinstallations/sentiment-i1")
            app = await api.request("GET", f"{path}/talkdeskapps/sentiment")
            if "deletionTimestamp" in raw["metadata"] and "deletionTimestamp" in app["metadata"]:
                break
            assert time.monotonic() < deadline, "a policy keeps the namespace's objects"
        assert await operator.is_terminating(namespace)
        installation = TalkdeskInstallation.read(raw)
        with pytest.raises(KubeForbidden):
            await operator.delete_credentials(installation)
        event = EventDraft(warning=True, reason=EventReason.LEFT_BEHIND, message=namespace, action="Delete")
        await operator.emit_namespace_event(namespace, event)
        await operator.remove_finalizer(installation)
        await operator.remove_finalizer(TalkdeskApp.read(app), APP_FINALIZER)
        await _gone(api, namespace)
        events = await api.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")
        assert namespace in [each.get("note") for each in events["items"]]


async def _gone(api: KindsApi, namespace: str) -> None:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        try:
            await api.request("GET", f"/api/v1/namespaces/{namespace}")
        except KubeNotFound:
            return
    pytest.fail("the namespace is still there")
