"""Plain HTTP to services in a cluster, through `kubectl proxy`: any number of them by one process.

Belongs here: the proxy and its URLs. Does not belong here: what is asked.
"""

import re
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from talkdesk_sandbox.controlplane.cluster import Cluster
from talkdesk_sandbox.controlplane.processes import Processes, unused_folder
from talkdesk_sandbox.kind.errors import ClusterFailed

__all__ = ["ApiProxy"]

_LISTENS_WITHIN: Final = 30.0  # seconds
_NAME: Final = "kubectl-proxy"


class ApiProxy:
    """A context manager. The proxy ends no later than this process; it outlives a restart of the API server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._folder = unused_folder("talkdesk-api-proxy-")
        self._processes: Processes | None = None
        self.url: str = ""
        """Where the whole API is, with the rights of the kubeconfig."""

    def __enter__(self) -> Self:
        """Start it. Raises ClusterFailed."""
        self._folder.mkdir(mode=0o700)
        try:
            self._processes = Processes(self._folder)
            kubeconfig = f"--kubeconfig={self._cluster.kubeconfig}"
            command = [str(self._cluster.program), "proxy", "--port=0", "--address=127.0.0.1", kubeconfig]
            self._processes.start(_NAME, command)
            self.url = self._listening(self._processes)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self._stop()

    def service(self, namespace: str, name: str, port: str | int) -> str:
        """Return the URL of a Service, by one of its ready pods."""
        return f"{self.url}/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy"

    def pod(self, namespace: str, name: str, port: str | int) -> str:
        """Return the URL of a pod."""
        return f"{self.url}/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy"

    def _listening(self, processes: Processes) -> str:
        end = time.monotonic() + _LISTENS_WITHIN
        while not (found := re.search(r"Starting to serve on (\S+)", processes.read_log(_NAME))):
            if processes.wait_ended(0.05) or time.monotonic() > end:
                raise ClusterFailed(f"kubectl proxy does not listen: {processes.read_log(_NAME).strip()}")
        return f"http://{found[1]}"

    def _stop(self) -> None:
        if self._processes is not None:
            self._processes.stop(keep_logs=False)
        shutil.rmtree(Path(self._folder), ignore_errors=True)
