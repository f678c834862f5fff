"""Our programs in a kind cluster: images and manifests brought there, and waiting until they work.

Belongs here: order and time limits. Does not belong here: the objects (`manifests`).
"""

import json
import shutil
import sys
import time
from typing import Final

from talkdesk_crds.names import LABEL_APP
from talkdesk_sandbox.controlplane.cluster import Cluster
from talkdesk_sandbox.kind import manifests
from talkdesk_sandbox.kind.checkout import ROOT, STATE
from talkdesk_sandbox.kind.cluster import KindCluster
from talkdesk_sandbox.kind.commands import kubectl_until_it_works, run
from talkdesk_sandbox.kind.engine import image_id
from talkdesk_sandbox.kind.errors import report
from talkdesk_sandbox.kind.manifests import SYSTEM, App, Images

__all__ = ["add_app", "build_images", "install", "remove_app"]

_READY_WITHIN: Final = 180  # seconds; ten on an idle machine


def build_images() -> Images:
    """Make our images of this checkout, as `make images` does, and return their names. Raises CommandFailed."""
    images = Images.of_checkout()
    # The interpreter that runs this is the one of a virtual environment with what the build needs.
    environment = {"TAG": images.tag, "VENV": sys.prefix}
    run([ROOT / "sandbox" / "images" / "build"], environment=environment, shown=True)
    return images


def install(kind: KindCluster, images: Images) -> None:
    """Bring images, kinds, operator and webhook into the cluster, and wait until both work. Raises KindError."""
    begin = time.monotonic()
    kind.load(*images.names)
    ids = {name: image_id(name) or name for name in images.names}
    folder = manifests.write_platform(STATE / "platform", images, ids)
    cluster = kind.cluster
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={_READY_WITHIN}s")
    for name in ("talkdesk-operator", "talkdesk-webhook"):
        _rolled_out(cluster, SYSTEM, name)
    report(f"operator and webhook are in the cluster after {time.monotonic() - begin:.0f} s")


def add_app(cluster: Cluster, app: App, images: Images, *, workload: bool) -> None:
    """Make a namespace with an app, a simulator and a SCIM service; with `workload`, each tenant has a pod.

    Raises KubectlFailed.
    """
    folder = STATE / "apps" / app.name
    shutil.rmtree(folder, ignore_errors=True)
    steps = manifests.workload_steps(images) if workload else []
    manifests.write_app(folder, app, simulator=f"http://simulator.{app.name}", steps=steps)
    cluster.kubectl("apply", "--server-side", "-k", str(folder))
    objects = {"apiVersion": "v1", "kind": "List", "items": manifests.services(app.name, images)}
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(objects))
    for name in ("simulator", "scim"):
        _rolled_out(cluster, app.name, name)
    _reached(cluster, app.name, "scim", f"http://simulator.{app.name}/_control/clock")
    ready = ("--for=condition=Ready", f"talkdeskapp/{app.name}", f"--namespace={app.name}")
    cluster.kubectl("wait", *ready, f"--timeout={_READY_WITHIN}s")


def _reached(cluster: Cluster, namespace: str, name: str, url: str) -> None:
    """Wait until a pod gets an answer: the node learns a Service's address some time after its pods are ready."""
    ask = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=2)"
    command = (f"--namespace={namespace}", "exec", f"deployment/{name}", "--", "python3", "-c", ask)
    kubectl_until_it_works(cluster, *command, within=_READY_WITHIN)


def _rolled_out(cluster: Cluster, namespace: str, name: str) -> None:
    where = (f"--namespace={namespace}", f"deployment/{name}", f"--timeout={_READY_WITHIN}s")
    cluster.kubectl("rollout", "status", *where)


def remove_app(cluster: Cluster, app: App) -> None:
    """Remove what `add_app` has made and the app's tenants, without a purge; nobody waits for the end."""
    tenants = f"--selector={LABEL_APP}={app.name}"
    cluster.kubectl("delete", "namespaces", tenants, "--wait=false")
    cluster.kubectl("delete", "namespace", app.name, "--wait=false")
    cluster.kubectl("delete", "networkpolicy", app.name, f"--namespace={SYSTEM}")
    for kind in ("clusterrole", "clusterrolebinding", "validatingadmissionpolicy", "validatingadmissionpolicybinding"):
        cluster.kubectl("delete", kind, f"{app.name}-tenant-provisioner", "--ignore-not-found")
