"""The cluster goes back in time: etcd is restored from an old snapshot, and nothing of ours is restarted (row 48)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from builders.kind_app import KindApp, eventually
from talkdesk_sandbox.controlplane import KubectlFailed
from talkdesk_sandbox.kind.engine import docker
from talkdesk_sandbox.kind.manifests import SYSTEM

pytestmark = pytest.mark.kind
COMPONENTS: Final = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler")
RESTART: Final = "systemctl restart kubelet"
CONNECT: Final = "import os, socket; socket.create_connection((os.environ['KUBERNETES_SERVICE_HOST'], 443), 5)"


@pytest.mark.case(48)
def test_after_a_restore_known_customers_are_repaired_and_unknown_ones_come_back_with_their_next_events(
    light_app: KindApp,
) -> None:
    app, simulator = light_app, light_app.simulator
    known = simulator.install("acme", app.app.app_id)
    app.until_done(known, "Active")
    gone = simulator.install("initech", app.app.app_id)
    app.until_done(gone, "Active")
    with control_plane_stopped(app):
        docker("exec", app.kind.node, "cp", "-a", "/var/lib/etcd", "/var/lib/etcd-snapshot")

    rotated = simulator.rotate("acme")
    app.wait(f"jsonpath={{.status.credentials.acknowledgedEventId}}={rotated.event.id}", app.name_of(rotated))
    app.until_done(simulator.uninstall("initech"), "Uninstalled")
    unknown = simulator.install("globex", app.app.app_id)
    app.until_done(unknown, "Active")

    with control_plane_stopped(app):
        docker("exec", app.kind.node, "sh", "-c", "rm -rf /var/lib/etcd && mv /var/lib/etcd-snapshot /var/lib/etcd")
    assert app.name_of(unknown) not in app.kubectl("get", "tdi", "--output=name")

    # The older credentials are refused since the rotation was acknowledged: that is said, and the tenant stays.
    look_now(app)
    app.wait("condition=CredentialsValid=False", app.name_of(known))
    assert {each["spec"]["state"] for each in app.get("tdt")["items"]} == {"Active"}
    # A new rotation mends it. The unknown customer comes back with any event, and works with one that has credentials.
    app.until_done(simulator.rotate("acme"), "Active")
    app.wait("condition=CredentialsValid", app.name_of(known))
    simulator.update("globex", plan="Gold")
    app.wait("jsonpath={.status.phase}=Pending", app.name_of(unknown))
    app.until_done(simulator.rotate("globex"), "Active")
    assert simulator.state_of(known.installation_id) == "completed"


def look_now(app: KindApp) -> None:
    app.kubectl("annotate", "tdi", "--all", "--overwrite", "appconnect.talkdesk.dev/reconcile-requested-at=now")


@contextmanager
def control_plane_stopped(app: KindApp) -> Iterator[None]:
    """Stop etcd and all that speaks to it, and start it again; kubelet and the pods go on."""
    shell(app, "mkdir -p /stopped && mv /etc/kubernetes/manifests/*.yaml /stopped/")
    eventually(lambda: running(app), lambda found: not found)
    try:
        yield
    finally:
        shell(app, f"mv /stopped/*.yaml /etc/kubernetes/manifests/ && {RESTART}")
        eventually(lambda: answers(app), bool)


def running(app: KindApp) -> set[str]:
    names = docker("exec", app.kind.node, "crictl", "ps", "--output=json", "--quiet=false")
    return {name for name in COMPONENTS if f'"{name}"' in names}


def shell(app: KindApp, command: str) -> None:
    docker("exec", app.kind.node, "sh", "-c", command)


def answers(app: KindApp) -> bool:
    """Return whether the API server answers, and its Service leads to it again, which takes seconds more."""
    command = (f"--namespace={SYSTEM}", "exec", "deployment/talkdesk-webhook", "--", "python3", "-c", CONNECT)
    try:
        if app.cluster.kubectl("get", "--raw=/readyz") != "ok":
            return False
        app.cluster.kubectl(*command)
    except KubectlFailed:
        return False
    return True
