"""`make kind-demo`: a customer's life in a real cluster, with a pod and a volume for each customer.

Belongs here: the cluster as a stage of the demonstration's scenarios, and what a person can look at afterwards. Does
not belong here: what happens (`talkdesk_sandbox.demo`).
"""

import os
import shlex
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from talkdesk_sandbox.controlplane.cluster import Cluster
from talkdesk_sandbox.controlplane.errors import KubectlFailed
from talkdesk_sandbox.demo import scim_service
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.manifests import Example
from talkdesk_sandbox.demo.run import ACCOUNT, run
from talkdesk_sandbox.demo.sync_client import SyncClient
from talkdesk_sandbox.demo.terminal import Terminal
from talkdesk_sandbox.kind import deployment
from talkdesk_sandbox.kind.api_proxy import ApiProxy
from talkdesk_sandbox.kind.cluster import KindCluster
from talkdesk_sandbox.kind.manifests import App

__all__ = ["demonstrate"]

_COUNT_USERS: Final = """
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]})
print(json.load(urllib.request.urlopen(request))["totalResults"])
"""


def demonstrate(terminal: Terminal) -> None:
    """Make a cluster, play, and print how to look around in it; it stays. After a failure it goes unless KEEP is set.

    Raises KindError, ControlPlaneError or DemoFailed.
    """
    terminal.title("Talkdesk AppConnect operator: a customer's life in a real cluster")
    kind = KindCluster.of_checkout(stays=True)
    try:
        kind.up()
        images = deployment.build_images()
        terminal.step("A cluster, an operator, a webhook and a simulated Talkdesk")
        deployment.install(kind, images)
        app = App(f"sentiment-{uuid.uuid4().hex[:4]}", uuid.uuid4().hex)
        deployment.add_app(kind.cluster, app, images, workload=True)
        with _stage(kind, app) as stage:
            run(stage, terminal)
            terminal.step("Everything stays until `make kind-down`; to look around:")
            terminal.lines(*_invitation(stage))
    except BaseException:
        if not os.environ.get("KEEP"):
            kind.down()
        raise


@dataclass(frozen=True, slots=True)
class _Waiter:
    cluster: Cluster

    def until(self, what: str, arguments: Sequence[str], *, of: str, within: float) -> None:
        """Run `kubectl wait`. Raises DemoFailed."""
        try:
            self.cluster.kubectl("wait", f"--timeout={within:.0f}s", *arguments)
        except KubectlFailed as error:
            raise DemoFailed(f"{what}: {' '.join(str(error).split())}", of) from None


@dataclass(frozen=True, slots=True)
class _Stage:
    """A kind cluster as a stage."""

    kind: KindCluster
    cluster: Cluster
    waiter: _Waiter
    simulator: SyncClient
    app: Example

    @property
    def callback(self) -> str:
        """Where this machine reaches the webhook, for events of the app."""
        return f"{self.kind.webhook_url}/events/{self.app.namespace}/{self.app.name}"

    @property
    def scim_url(self) -> str:
        """Where the operator reaches the SCIM service."""
        return f"http://scim.{self.app.namespace}{scim_service.PATH}"

    def users_at_scim(self) -> int:
        """Count the users that the SCIM service has, from within its pod. Raises DemoFailed."""
        where = (f"--namespace={self.app.namespace}", "deployment/scim")
        url = f"http://localhost:8080{scim_service.PATH}/Users?count=0"
        try:
            counted = self.cluster.kubectl("exec", *where, "--", "python3", "-c", _COUNT_USERS, url, scim_service.TOKEN)
        except KubectlFailed as error:
            raise DemoFailed(f"the SCIM service does not say how many users it has: {error}", "scim") from None
        return int(counted)


@contextmanager
def _stage(kind: KindCluster, app: App) -> Iterator[_Stage]:
    cluster = kind.cluster
    with ApiProxy(cluster) as proxy, SyncClient(proxy.service(app.name, "simulator", "http")) as simulator:
        simulator.send_events_to(app.app_id, app.callback)
        yield _Stage(kind, cluster, _Waiter(cluster), simulator, Example(app.name, app.name, app.app_id))


def _invitation(stage: _Stage) -> tuple[str, ...]:
    namespace = f"--namespace={stage.app.namespace}"
    simulator = f"kubectl exec {namespace} deployment/simulator -- talkdesk-simulator --url http://localhost:8080"
    return (
        "",
        f"export KUBECONFIG={shlex.quote(str(stage.cluster.kubeconfig))}",
        f"export PATH={shlex.quote(str(stage.cluster.program.parent))}:$PATH",
        f"kubectl get talkdesk {namespace}",
        "kubectl get pods,pvc --all-namespaces",
        "kubectl logs --namespace=talkdesk-system deployment/talkdesk-operator",
        f"{simulator} install initech --app {stage.app.app_id}    # another customer",
        f"{simulator} uninstall {ACCOUNT}",
        f"# the webhook: {stage.callback}",
        "",
    )
