"""What a kind cluster was like when a test failed, as files: events, objects, logs of every pod, also of the last one.

A part that can't be had says so in its file; writing the diary never fails.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from talkdesk_sandbox.controlplane import Cluster, KubectlFailed

KINDS = (
    "talkdeskapps,talkdeskinstallations,talkdesktenants,deployments,replicasets,statefulsets,daemonsets,pods,services,"
    "endpointslices,persistentvolumeclaims,persistentvolumes,configmaps,resourcequotas,networkpolicies,poddisruptionbudgets,"
    "leases,namespaces,nodes,validatingadmissionpolicies,clusterroles,clusterrolebindings,roles,rolebindings"
)
"""What is written as YAML: no Secret, whose content is nobody's business."""


def write_diary(cluster: Cluster, folder: Path) -> None:
    """Write the state of the whole cluster into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    everywhere = ("--all-namespaces", "--request-timeout=30s")
    _write(cluster, folder / "overview.txt", "get", KINDS, *everywhere, "--output=wide")
    _write(cluster, folder / "objects.yaml", "get", KINDS, *everywhere, "--output=yaml")
    _write(cluster, folder / "events.txt", "get", "events", *everywhere, "--sort-by=.metadata.creationTimestamp")
    for namespace, pod, container in _containers(cluster):
        for suffix, option in (("", ()), (".previous", ("--previous",))):
            path = folder / "logs" / f"{namespace}.{pod}.{container}{suffix}.log"
            _write(cluster, path, "logs", f"--namespace={namespace}", pod, f"--container={container}", *option)
            if suffix and path.read_text().startswith("kubectl "):
                path.unlink()  # it never ended before


def _containers(cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    try:
        pods = json.loads(cluster.kubectl("get", "pods", "--all-namespaces", "--output=json"))["items"]
    except KubectlFailed:
        return
    for pod in pods:
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield pod["metadata"]["namespace"], pod["metadata"]["name"], container["name"]


def _write(cluster: Cluster, path: Path, *arguments: str) -> None:
    try:
        text = cluster.kubectl(*arguments)
    except KubectlFailed as error:
        text = f"{error}\n"
    path.write_text(text)
