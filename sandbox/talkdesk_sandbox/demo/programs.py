"""How our programs are called: as in a cluster, but on free ports of this machine.

Belongs here: command lines and environments. Does not belong here: starting them (`environment`).
"""

import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Self

from talkdesk_sandbox.demo import scim_service

__all__ = ["LOOPBACK", "SYSTEM", "Ports", "operator", "scim", "side_ports", "simulator", "webhook"]

LOOPBACK: Final = "127.0.0.1"
SYSTEM: Final = "talkdesk-system"
"""The namespace of operator and webhook in manifests/base."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of all programs."""

    simulator: int
    webhook: int
    webhook_probes: int
    webhook_metrics: int
    operator_probes: int
    operator_metrics: int
    scim: int

    @classmethod
    def free(cls) -> Self:
        """Return ports that are free now; another process could still take one, which the program then reports."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in fields(cls)]
            for each in sockets:
                each.bind((LOOPBACK, 0))
            return cls(*(int(each.getsockname()[1]) for each in sockets))


def simulator(ports: Ports, scratch: Path) -> list[str]:
    """Return how to run a simulated Talkdesk; it needs no cluster."""
    command = ["-m", "talkdesk_sandbox.simulator", "serve", f"--port={ports.simulator}"]
    return [*_python(scratch), *command]


def scim(ports: Ports, scratch: Path) -> list[str]:
    """Return how to run a SCIM service, as a partner may have one; it needs no cluster."""
    command = ["-m", "talkdesk_sandbox.scim", f"--port={ports.scim}", f"--token={scim_service.TOKEN}"]
    return [*_python(scratch), *command]


def webhook(ports: Ports, kubeconfig: Path, scratch: Path) -> list[str]:
    """Return how to run the webhook with the rights of its ServiceAccount."""
    settings = {
        "HOST": LOOPBACK,
        "PORT": str(ports.webhook),
        **side_ports(ports.webhook_probes, ports.webhook_metrics),
        "KUBECONFIG": str(kubeconfig),
        "SHUTDOWN_DELAY": "0s",
        "ALLOW_INSECURE": "true",  # simulator and SCIM service speak plain http
    }
    environment = {f"TALKDESK_WEBHOOK_{name}": value for name, value in settings.items()}
    return [*_python(scratch, **environment), "-m", "talkdesk_webhook"]


def operator(ports: Ports, kubeconfig: Path, scratch: Path) -> list[str]:
    """Return how to run the operator with the rights of its ServiceAccount."""
    settings = {
        **side_ports(ports.operator_probes, ports.operator_metrics),
        "KUBECONFIG": str(kubeconfig),
        "LEASE_NAMESPACE": SYSTEM,  # which a pod reads from its own mount
        "ALLOW_INSECURE": "true",
    }
    environment = {f"TALKDESK_OPERATOR_{name}": value for name, value in settings.items()}
    return [*_python(scratch, **environment), "-m", "talkdesk_operator"]


def side_ports(probes: int, metrics: int) -> dict[str, str]:
    """Return the settings that both programs have for /healthz and /readyz, and for /metrics."""
    return {
        "PROBE_BIND_ADDRESS": LOOPBACK,
        "PROBE_PORT": str(probes),
        "METRICS_BIND_ADDRESS": LOOPBACK,
        "METRICS_PORT": str(metrics),
    }


def _python(scratch: Path, **environment: str) -> list[str]:
    # Nothing of the person's environment: no exported settings, no proxy. Libraries' temporary files go to a folder
    # that is removed even when the program is killed.
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
    pairs = {**kept, "TMPDIR": str(scratch), "PYTHONUTF8": "1", **environment}
    return ["env", "-i", *(f"{name}={value}" for name, value in pairs.items()), sys.executable]
