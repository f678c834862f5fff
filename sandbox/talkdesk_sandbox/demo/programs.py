"""How our programs are called: as in a cluster, but on free ports of this machine.

Belongs here: command lines and environments. Does not belong here: starting them (`stage`).
"""

import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from talkdesk_sandbox.demo import service

__all__ = ["LOOPBACK", "SYSTEM", "Ports", "operator", "scim", "simulator", "webhook"]

LOOPBACK: Final = "127.0.0.1"
SYSTEM: Final = "talkdesk-system"
"""The namespace of operator and webhook in manifests/base."""


@dataclass(frozen=True, slots=True)
class Ports:
    """One port for each program."""

    simulator: int
    webhook: int
    operator: int
    scim: int

    @classmethod
    def free(cls) -> Self:
        """Find ports that are free now; somebody else could still take one, which the program then says."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(4)]
            for each in sockets:
                each.bind((LOOPBACK, 0))
            return cls(*(int(each.getsockname()[1]) for each in sockets))


def simulator(ports: Ports, scratch: Path) -> list[str]:
    """Serve a pretend Talkdesk; it needs no cluster."""
    command = ["-m", "talkdesk_sandbox.simulator", "serve", f"--port={ports.simulator}"]
    return [*_python(scratch), *command]


def scim(ports: Ports, scratch: Path) -> list[str]:
    """Serve a pretend SCIM service, as a partner may have one; it needs no cluster."""
    command = ["-m", "talkdesk_sandbox.scim", f"--port={ports.scim}", f"--token={service.TOKEN}"]
    return [*_python(scratch), *command]


def webhook(ports: Ports, kubeconfig: Path, scratch: Path) -> list[str]:
    """Take events with the rights of the webhook's ServiceAccount."""
    settings = {"HOST": LOOPBACK, "PORT": str(ports.webhook), "KUBECONFIG": str(kubeconfig)}
    environment = {f"TALKDESK_WEBHOOK_{name}": value for name, value in settings.items()}
    return [*_python(scratch, **environment), "-m", "talkdesk_webhook"]


def operator(ports: Ports, kubeconfig: Path, scratch: Path) -> list[str]:
    """Do the work with the rights of the operator's ServiceAccount."""
    settings = {
        "PROBE_BIND_ADDRESS": LOOPBACK,
        "PROBE_PORT": str(ports.operator),
        "KUBECONFIG": str(kubeconfig),
        "LEASE_NAMESPACE": SYSTEM,  # which a pod reads from its own mount
    }
    environment = {f"TALKDESK_OPERATOR_{name}": value for name, value in settings.items()}
    return [*_python(scratch, **environment), "-m", "talkdesk_operator"]


def _python(scratch: Path, **environment: str) -> list[str]:
    # Nothing of the person's environment: no settings that happen to be exported, no proxy in front of this machine.
    # Temporary files of libraries go where they are removed even when the program is killed.
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
    pairs = {**kept, "TMPDIR": str(scratch), "PYTHONUTF8": "1", **environment}
    return ["env", "-i", *(f"{name}={value}" for name, value in pairs.items()), sys.executable]
