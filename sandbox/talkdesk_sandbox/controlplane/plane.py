"""A control plane from start to end: folder, credentials, programs, readiness, and nothing left behind.

Belongs here: the order of the steps. Does not belong here: each of the steps.
"""

import http.client
import json
import os
import shutil
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from talkdesk_sandbox.controlplane import commands
from talkdesk_sandbox.controlplane.certificates import Credentials, make_credentials
from talkdesk_sandbox.controlplane.cluster import Cluster, write_private
from talkdesk_sandbox.controlplane.errors import StartFailed, report
from talkdesk_sandbox.controlplane.processes import Processes, unused_folder
from talkdesk_sandbox.controlplane.programs import Programs, find_programs

__all__ = ["ControlPlane"]

_READY_WITHIN: Final = 120.0  # seconds; 3 on an idle machine
_CHECK_EVERY: Final = 0.05  # seconds
_PORTS_TRIED: Final = 5
_LAST_LINES: Final = 10  # of a log, in an error
_ETCD_SOCKET: Final = "etcd.sock"
_MAX_SOCKET_PATH: Final = 107  # bytes, as Linux has it (unix(7)), less the zero at its end


class ControlPlane:
    """A context manager: a Cluster of one's own for as long as the block lasts.

    Any number may run at the same time. `fsync=True` makes the database wait for the disk as a production one does.
    Without it a crash of the machine could lose writes, which does not matter because the cluster ends with its user.
    With `audit` the API server writes down who asked for what; that file stays.
    The logs are kept, and their folder is printed, when the block or the start fails or `keep_logs` is set.
    """

    def __init__(
        self, programs: Programs | None = None, *, fsync: bool = False, audit: commands.Audit | None = None
    ) -> None:
        self.keep_logs = False
        """Set it to keep the logs also when the block succeeds."""
        self._programs = programs
        self._fsync = fsync
        self._audit = audit
        self._processes: Processes | None = None

    def __enter__(self) -> Cluster:
        """Start it; find the programs or compile them first.

        Raises ProgramsUnavailable, BuildFailed, or StartFailed.
        """
        programs = self._programs or find_programs()
        for _ in range(_PORTS_TRIED):
            try:
                return self._start(programs)
            except _PortTaken:
                continue
        raise StartFailed(f"somebody else took the port of the API server {_PORTS_TRIED} times")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it. Report when one of its programs had ended before."""
        if self._processes is None:
            return
        failed = kind is not None and issubclass(kind, Exception)
        if self._processes.wait_ended(0):
            report(self._processes.reason())
            failed = True
        self._stop(self._processes, keep_logs=failed or self.keep_logs)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of etcd, kube-apiserver and kube-controller-manager: to measure them, or to disturb them."""
        return {} if self._processes is None else dict(self._processes.pids)

    def wait(self) -> None:
        """Wait until a program ends by itself, which ends them all."""
        if self._processes is not None:
            self._processes.wait_ended(None)

    def _start(self, programs: Programs) -> Cluster:
        folder = unused_folder("talkdesk-controlplane-")
        if len(os.fsencode(folder / _ETCD_SOCKET)) > _MAX_SOCKET_PATH:
            raise StartFailed(f"the path of the temporary folder {folder.parent} is too long for a socket: set TMPDIR")
        try:
            folder.mkdir(mode=0o700)
            self._processes = processes = Processes(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            return self._boot(programs, folder, processes)
        except BaseException as error:
            self._stop(processes, keep_logs=isinstance(error, StartFailed))
            raise

    def _boot(self, programs: Programs, folder: Path, processes: Processes) -> Cluster:
        # Everything is read from the folder before the first start because the keys are removed when a program ends.
        credentials = make_credentials(folder / "credentials")
        context = _client_context(credentials)
        port = _free_port()
        kubeconfig = folder / "kubeconfig"
        write_private(kubeconfig, _kubeconfig(port, credentials))
        etcd_socket = folder / _ETCD_SOCKET
        processes.start("etcd", commands.etcd(programs, folder / "etcd", etcd_socket, fsync=self._fsync))
        _wait(processes, "etcd", lambda: _listens(etcd_socket))
        processes.start("kube-apiserver", commands.apiserver(programs, credentials, etcd_socket, port, self._audit))
        _wait(processes, "kube-apiserver", lambda: _is_ready(port, context))
        if program := programs.controller_manager:
            # Nothing waits for it: before it works, a namespace can be created and used, only not deleted completely.
            # It is not started earlier because it gives up without an API server for ten seconds.
            command = commands.controller_manager(program, credentials, kubeconfig)
            processes.start("kube-controller-manager", command)
        return Cluster(kubeconfig, programs.kubectl, folder)

    def _stop(self, processes: Processes, *, keep_logs: bool) -> None:
        self._processes = None
        processes.stop(keep_logs=keep_logs)
        if keep_logs:
            report(f"logs are in {processes.logs}")


class _PortTaken(Exception):
    """Another process took the port before the API server bound it."""


def _wait(processes: Processes, program: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while not condition():
        if processes.wait_ended(_CHECK_EVERY):
            log = processes.read_log(program)
            if "address already in use" in log:
                raise _PortTaken
            raise StartFailed("\n".join([processes.reason(), *log.splitlines()[-_LAST_LINES:]]))
        if time.monotonic() > deadline:
            raise StartFailed(f"{program} was not ready within {_READY_WITHIN:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((commands.LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _client_context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=credentials.ca)
    context.load_cert_chain(*credentials.admin)
    return context


def _is_ready(port: int, context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(commands.LOOPBACK, port, timeout=5, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False  # it does not listen yet, or another process does, which our API server will report
    finally:
        connection.close()


def _kubeconfig(port: int, credentials: Credentials) -> str:
    def data(path: Path) -> str:
        return b64encode(path.read_bytes()).decode()

    name = "talkdesk-sandbox"
    certificate, key = credentials.admin
    cluster = {"server": f"https://{commands.LOOPBACK}:{port}", "certificate-authority-data": data(credentials.ca)}
    user = {"client-certificate-data": data(certificate), "client-key-data": data(key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(config, indent=2)
