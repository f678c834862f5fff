"""A kind cluster of this checkout, from making it to leaving nothing behind.

Belongs here: recognizing a cluster that can be used, replacing one that can't, removing. Does not belong here: what a
cluster needs on this machine (`engine`, `tools`, `node_image`), and what runs in it.
"""

import hashlib
import json
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from talkdesk_sandbox.controlplane.cluster import Cluster
from talkdesk_sandbox.controlplane.errors import KubectlFailed
from talkdesk_sandbox.kind import engine, images
from talkdesk_sandbox.kind.checkout import ROOT, STATE, cluster_name
from talkdesk_sandbox.kind.commands import kubectl_until_it_works, run
from talkdesk_sandbox.kind.errors import ClusterFailed, CommandFailed, report
from talkdesk_sandbox.kind.node_image import choose_node_image
from talkdesk_sandbox.kind.records import Record, locked, records
from talkdesk_sandbox.kind.tools import kind_program, kubectl_program

__all__ = ["WEBHOOK_NODE_PORT", "KindCluster"]

WEBHOOK_NODE_PORT: Final = 30080
"""The node's port that a free port of this machine leads to, for a Service of type NodePort."""

_READY_WITHIN: Final = 180  # seconds; 15 to 20 on an idle machine
_ANSWERS_WITHIN: Final = 15  # seconds, for a cluster that was there before
_STAMP: Final = "talkdesk-sandbox"
"""A ConfigMap in kube-system: written last, so a cluster without it was not finished."""


class KindCluster:
    """A context manager: a cluster for as long as the block lasts, or one that stays.

    One that `up` has left in this checkout is used as it is, and stays.
    """

    def __init__(self, name: str, state: Path, *, stays: bool = False) -> None:
        """Name a cluster; `state` is a folder for what belongs to it; with `stays`, it outlives the block."""
        self.name: Final = name
        self._state = state
        self._stays = stays

    @classmethod
    def of_checkout(cls, *, stays: bool = False) -> Self:
        """Return the cluster of this checkout."""
        return cls(cluster_name(), STATE, stays=stays)

    def __enter__(self) -> Self:
        """Make it. Raises KindError."""
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove it unless it stays."""
        if not self._stays:
            self.down()

    @property
    def node(self) -> str:
        """The name of the one node, which is its container's name."""
        return f"{self.name}-control-plane"

    @property
    def kubeconfig(self) -> Path:
        """The path of a kubeconfig with an administrator's rights."""
        return self._state / "kubeconfig"

    @property
    def cluster(self) -> Cluster:
        """The cluster for kubectl."""
        return Cluster(self.kubeconfig, kubectl_program(), self._state)

    @property
    def webhook_url(self) -> str:
        """Where this machine reaches the node port 30080."""
        address = engine.docker("port", self.node, f"{WEBHOOK_NODE_PORT}/tcp").split()[0]
        return f"http://{address}"

    def up(self) -> None:
        """Make the cluster, unless there is one that can be used. Raises KindError."""
        engine.ensure_engine()
        remove_stale()
        with locked(self.name):
            there = Record.read(self.name)
            if there is not None and there.is_used_by_another:
                raise ClusterFailed(f"process {there.user} uses the cluster {self.name} of this checkout")
            image = choose_node_image()
            problem = self._problem(image)
            if problem is None:
                self._stays = self._stays or (there is not None and there.user is None)
                Record.of_this_process(self.name, ROOT, stays=self._stays).write()
                return
            if problem:
                report(f"replacing the cluster {self.name}: {problem}")
            self._make(image)

    def down(self) -> None:
        """Remove the cluster and all that belongs to it. Does nothing where there is none."""
        with locked(self.name):
            if Record.read(self.name) is None and not engine.answers():
                return  # none was made, or it went with the engine's data
            engine.ensure_engine()
            self._remove()
        shutil.rmtree(self._state, ignore_errors=True)
        remove_stale()
        engine.release_engine()

    def load(self, *names: str) -> None:
        """Bring local images into the node, unless they are there. Raises KindError."""
        images.load(self.node, names)

    def _make(self, image: str) -> None:
        Record.of_this_process(self.name, ROOT, stays=self._stays).write()
        begin = time.monotonic()
        try:
            try:
                self._create(image)
            except CommandFailed as error:
                report(f"{error}\nkind: making the cluster failed: trying once more")
                self._create(image)
        except CommandFailed as error:
            self._remove()
            raise ClusterFailed(f"{error}\nthe logs of its node: {self._state / 'logs'}") from None
        except BaseException:
            self._remove()
            shutil.rmtree(self._state, ignore_errors=True)
            raise
        report(f"made the cluster {self.name} in {time.monotonic() - begin:.0f} s")

    def _create(self, image: str) -> None:
        self._remove_containers()
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        try:
            run(
                [
                    *(kind_program(), "create", "cluster", "--retain", f"--name={self.name}", f"--image={image}"),
                    *(f"--kubeconfig={self.kubeconfig}", "--config=-", f"--wait={_READY_WITHIN}s"),
                ],
                stdin=json.dumps(_config()),
            )
            self.cluster.kubectl(
                "wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={_READY_WITHIN}s"
            )  # kind's own wait ends without an error
            for namespace, deployment in (("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner")):
                where = (f"--namespace={namespace}", f"deployment/{deployment}")
                self.cluster.kubectl("rollout", "status", *where, f"--timeout={_READY_WITHIN}s")
            self.cluster.kubectl(
                *(
                    "create",
                    "configmap",
                    _STAMP,
                    "--namespace=kube-system",
                    f"--from-literal=recipe={_identity(image)}",
                ),
            )
        except (CommandFailed, KubectlFailed) as error:
            self._export_logs()
            raise CommandFailed(str(error)) from None

    def _problem(self, image: str) -> str | None:
        """Return why the cluster can't be used, "" when there is none at all, or None when it can."""
        if not engine.containers(self.name):
            return ""
        if not engine.containers(self.name, running=True):
            return "its node does not run"
        try:
            if not self.kubeconfig.is_file():
                run([kind_program(), "export", "kubeconfig", f"--name={self.name}", f"--kubeconfig={self.kubeconfig}"])
            self._ask("wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={_ANSWERS_WITHIN}s")
            stamp = json.loads(self._ask("get", "configmap", _STAMP, "--namespace=kube-system", "--output=json"))
        except (CommandFailed, KubectlFailed) as error:
            return str(error).splitlines()[-1]
        if stamp["data"].get("recipe") != _identity(image):
            return f"it was made of another {image}, or with another configuration"
        return None

    def _ask(self, *arguments: str) -> str:
        """Run kubectl again and again for a short time, because an API server that has just started refuses some."""
        return kubectl_until_it_works(self.cluster, *arguments, "--request-timeout=5s", within=_ANSWERS_WITHIN)

    def _remove(self) -> None:
        self._remove_containers()
        Record.remove(self.name)

    def _remove_containers(self) -> None:
        remove_containers(self.name)

    def _export_logs(self) -> None:
        try:
            run([kind_program(), "export", "logs", str(self._state / "logs"), f"--name={self.name}"], within=60)
        except CommandFailed as error:
            report(f"no logs of the node: {error}")


def remove_stale() -> None:
    """Remove clusters of ours whose user was killed or whose checkout is gone."""
    for record in records():
        if record.is_stale:
            with locked(record.cluster):
                now = Record.read(record.cluster)
                if now is not None and now.is_stale:
                    report(f"removing the cluster {record.cluster}, left behind by {record.checkout}")
                    remove_containers(record.cluster)
                    Record.remove(record.cluster)


def remove_containers(cluster: str) -> None:
    """Remove the containers of a kind cluster with their volumes."""
    if names := engine.containers(cluster):
        engine.docker("rm", "--force", "--volumes", *names)


def _identity(image: str) -> str:
    """Return what a cluster was made of; another one is another cluster."""
    made_of = json.dumps([engine.image_id(image), _config()])
    return hashlib.sha256(made_of.encode()).hexdigest()


def _config() -> dict[str, Any]:
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,  # on a host with cgroup v1 the kubelet (1.35 and newer) refuses to start without this
        "syncFrequency": "5s",  # a pod sees a changed Secret within that time instead of a minute
    }
    # There is one of each: on a busy machine it would give up because it could not renew its Lease in time.
    alone = {"extraArgs": [{"name": "leader-elect", "value": "false"}]}
    control_plane = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "controllerManager": alone,
        "scheduler": alone,
    }
    node = {
        "role": "control-plane",
        "extraPortMappings": [{"containerPort": WEBHOOK_NODE_PORT, "hostPort": 0, "listenAddress": "127.0.0.1"}],
    }
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [node],
        "kubeadmConfigPatches": [json.dumps(kubelet), json.dumps(control_plane)],
    }
