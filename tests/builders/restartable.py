"""A Kubernetes API server that can be killed and started again with the same data; a ControlPlane can't do that."""

import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from builders.serving import until
from talkdesk_sandbox.controlplane import Cluster, commands, find_programs
from talkdesk_sandbox.controlplane.certificates import Credentials, make_credentials
from talkdesk_sandbox.controlplane.errors import KubectlFailed
from talkdesk_sandbox.controlplane.processes import Processes
from talkdesk_sandbox.controlplane.programs import Programs


@dataclass
class Restartable:
    """Start and kill the API server; its database keeps running."""

    programs: Programs
    credentials: Credentials
    database: Path
    cluster: Cluster
    port: int
    processes: list[Processes] = field(default_factory=list)

    async def start(self) -> None:
        self.processes.append(Processes(Path(tempfile.mkdtemp())))
        command = commands.apiserver(self.programs, self.credentials, self.database, self.port)
        self.processes[-1].start("kube-apiserver", command)
        await until(self._is_ready, within=60)

    def kill(self) -> None:
        self.processes.pop().stop(keep_logs=False)

    def _is_ready(self) -> bool:
        try:
            return self.cluster.kubectl("get", "--raw", "/readyz") == "ok"
        except KubectlFailed:
            return False


@contextmanager
def restartable() -> Iterator[Restartable]:
    """Run the database until the end of the block; the API server is started by the test."""
    folder = Path(tempfile.mkdtemp())
    programs, credentials = find_programs(), make_credentials(folder / "credentials")
    database, port = folder / "etcd.sock", _free_port()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(_kubeconfig(port, credentials))
    made = Restartable(programs, credentials, database, Cluster(kubeconfig, programs.kubectl, folder), port)
    processes = Processes(folder)
    try:
        processes.start("etcd", commands.etcd(programs, folder / "etcd", database, fsync=False))
        yield made
    finally:
        while made.processes:
            made.kill()
        processes.stop(keep_logs=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((commands.LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _kubeconfig(port: int, credentials: Credentials) -> str:
    certificate, key = credentials.admin
    cluster = {"server": f"https://{commands.LOOPBACK}:{port}", "certificate-authority": str(credentials.ca)}
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    context = {"cluster": "it", "user": "it"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": user}],
            "contexts": [{"name": "it", "context": context}],
            "current-context": "it",
        }
    )
