"""Using a cluster, a local control plane or any other: kubectl, and credentials with fewer rights than an admin's.

Belongs here: everything for which a kubeconfig and kubectl are enough. Does not belong here: starting one (`plane`).
"""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.errors import KubectlFailed

__all__ = ["Cluster", "write_private"]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can ever read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


class Cluster:
    """A Kubernetes API that is running. Safe to use from several threads."""

    def __init__(self, kubeconfig: Path, kubectl: Path, scratch: Path) -> None:
        """Use the current context of `kubeconfig`; `scratch` is a private folder for temporary files."""
        self.kubeconfig: Final = kubeconfig
        """The path of a kubeconfig with an administrator's rights."""
        self.program: Final = kubectl
        """The path of kubectl."""
        self._scratch = scratch

    @property
    def url(self) -> str:
        """The API server's URL."""
        return self.kubectl("config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}")

    @property
    def environment(self) -> dict[str, str]:
        """The environment for kubectl and other clients: the process's own with KUBECONFIG, its PATH with kubectl."""
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self._scratch / "kubectl"),
            "KUBERC": "off",
            "PATH": f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl and return its standard output. Raises KubectlFailed with kubectl's message."""
        done = subprocess.run(
            [self.program, *arguments], env=self.environment, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise KubectlFailed(f"kubectl {shlex.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def kubeconfig_for(self, namespace: str, service_account: str, *, hours: int = 24) -> Path:
        """Return a kubeconfig that acts as an existing service account, with a token that is valid for some hours.

        RBAC then decides as for a pod. Raises KubectlFailed when there is no such account.
        """
        token = self.kubectl("create", "token", service_account, f"--namespace={namespace}", f"--duration={hours}h")
        config = json.loads(self.kubectl("config", "view", "--minify", "--flatten", "--raw", "--output=json"))
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token.strip()}}]
        path = self._scratch / f"{namespace}.{service_account}.kubeconfig"
        write_private(path, json.dumps(config, indent=2))
        return path
