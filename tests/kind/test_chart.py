"""The chart with real pods: Helm takes over what kustomize applied, goes, comes back, and customers see nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.helm import CHART, RELEASE, Helm
from builders.kind_app import KindApp, eventually
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.sync_client import SentEvent
from talkdesk_sandbox.kind import KindCluster, deployment
from talkdesk_sandbox.kind.manifests import Images

pytestmark = pytest.mark.kind

WAIT = ("--wait", "--timeout=5m")


@pytest.fixture
def helm(kind: KindCluster, images: Images, helm_program: Path, tmp_path: Path) -> Iterator[Helm]:
    """Helm in a cluster where kustomize has been, and which other tests find so again."""
    helm = Helm(helm_program, tmp_path / "helm", kind.cluster)
    yield helm
    helm.run("uninstall", RELEASE, "--ignore-not-found", *WAIT)
    deployment.install(kind, images)


def values(images: Images) -> dict[str, Any]:
    def image(name: str) -> dict[str, Any]:
        repository, _, tag = name.rpartition(":")
        return {"image": {"repository": repository, "tag": tag}}

    insecure = {"settings": {"allowInsecure": True}}
    return {"operator": image(images.operator) | insecure, "webhook": image(images.webhook) | insecure}


def taken(send: Callable[[], SentEvent]) -> SentEvent | None:
    """Send an event; return None if the webhook could not be reached."""
    try:
        return send()
    except DemoFailed:
        return None


@pytest.mark.case(45)
def test_customers_go_on_while_the_chart_takes_over_goes_and_is_installed_again(
    app: KindApp, helm: Helm, images: Images
) -> None:
    app.until_done(app.simulator.install("acme", app.app.app_id), "Active")
    tenant = app.tenant()
    before, record = tenant.seen_by_pod(), tenant.record()["metadata"]["uid"]

    given = values(images)
    helm.run("install", RELEASE, str(CHART), "--take-ownership", "--force-conflicts", *WAIT, values=given)
    said = helm.run("test", RELEASE, "--logs", "--timeout=3m")
    assert "ok: the API server has talkdeskapps, talkdeskinstallations, talkdesktenants" in said
    assert "answers that there is no such app" in said
    app.until_done(app.simulator.update("acme", plan="Gold", type="paid", licenses=20), "Active")

    helm.run("uninstall", RELEASE, *WAIT)
    assert tenant.record()["metadata"]["uid"] == record
    assert tenant.seen_by_pod()["starts"] == before["starts"]

    helm.run("install", RELEASE, str(CHART), *WAIT, values=given)
    # The Service has another address now, and cluster DNS may give the former one for half a minute.
    sent = eventually(lambda: taken(lambda: app.simulator.update("acme", plan="Silver", type="paid", licenses=5)), bool)
    assert sent is not None
    app.until_done(sent, "Active")
    assert tenant.get("configmap/account")["data"]["plan"] == "Silver"
    assert tenant.record()["metadata"]["uid"] == record
    assert tenant.seen_by_pod()["starts"] == before["starts"]
