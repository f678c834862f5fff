"""A Kubernetes API server that can be killed and started again with the same data; a ControlPlane can't do that."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from builders.kube_api import kubeconfig
from builders.listening import free_port
from builders.serving import until
from talkdesk_sandbox.controlplane import Audit, Cluster, commands, find_programs
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
    audit: Audit | None = None
    processes: list[Processes] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    """Of the API servers that were killed."""

    async def start(self) -> None:
        self.processes.append(Processes(Path(tempfile.mkdtemp())))
        command = commands.apiserver(self.programs, self.credentials, self.database, self.port, self.audit)
        self.processes[-1].start("kube-apiserver", command)
        try:
            await until(self._is_ready, within=600)
        except TimeoutError:
            log = self.processes[-1].read_log("kube-apiserver").splitlines()[-20:]
            raise AssertionError("\n".join(["the API server is not ready again:", *log])) from None

    def kill(self) -> None:
        self.logs.append(self.processes[-1].read_log("kube-apiserver"))
        self.processes.pop().stop(keep_logs=False)

    def read_logs(self) -> list[str]:
        """Return what all API servers so far have written."""
        return [*self.logs, *(each.read_log("kube-apiserver") for each in self.processes)]

    async def _is_ready(self) -> bool:
        try:
            return await asyncio.to_thread(self.cluster.kubectl, "get", "--raw", "/readyz") == "ok"
        except KubectlFailed:
            return False


@contextmanager
def restartable(audit: Audit | None = None) -> Iterator[Restartable]:
    """Run the database until the end of the block; the API server is started by the test."""
    folder = Path(tempfile.mkdtemp())
    programs, credentials = find_programs(), make_credentials(folder / "credentials")
    database, port = folder / "etcd.sock", free_port()
    cluster = Cluster(_kubeconfig(folder, port, credentials), programs.kubectl, folder)
    made = Restartable(programs, credentials, database, cluster, port, audit)
    processes = Processes(folder)
    try:
        processes.start("etcd", commands.etcd(programs, folder / "etcd", database, fsync=False))
        yield made
    finally:
        while made.processes:
            made.kill()
        processes.stop(keep_logs=False)


def _kubeconfig(folder: Path, port: int, credentials: Credentials) -> Path:
    certificate, key = credentials.admin
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    url = f"https://{commands.LOOPBACK}:{port}"
    return kubeconfig(folder, url, user=user, certificate_authority=str(credentials.ca))
