"""Waiting for a condition: with a time limit, by a watch where there is one, and only while the programs run.

Belongs here: time limits, and finding out which program failed. Does not belong here: the conditions.
"""

import http.client
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn

from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.controlplane.processes import Processes
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.programs import LOOPBACK

__all__ = ["Waiter"]

_CHECK_EVERY: Final = 0.05  # seconds; whether the programs run, while kubectl watches
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Waiter:
    """Waits in a cluster whose objects the given programs change."""

    def __init__(self, cluster: Cluster, processes: Processes) -> None:
        self._cluster = cluster
        self._processes = processes

    def until(self, what: str, arguments: Sequence[str], *, of: str, within: float) -> None:
        """Run `kubectl wait` with these arguments for at most `within` seconds. Raises DemoFailed.

        `what` says what did not happen; `of` is the program that should have done it.
        """
        command = ["kubectl", "wait", f"--timeout={within:.0f}s", *arguments]
        with subprocess.Popen(
            command,
            env=self._cluster.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as kubectl:
            try:
                while kubectl.poll() is None:
                    if self._processes.wait_ended(_CHECK_EVERY):
                        raise self._ended()
                output = kubectl.stderr.read() if kubectl.stderr else ""
            finally:
                kubectl.kill()
        if kubectl.returncode != 0:
            raise DemoFailed(f"{what}: {' '.join(output.split())}", of)

    def ready(
        self, name: str, port: int, path: str, *, within: float, headers: Mapping[str, str] = _NO_HEADERS
    ) -> None:
        """Wait until a program answers 200 there. Raises DemoFailed."""
        deadline = time.monotonic() + within
        while (problem := _problem(port, path, headers)) is not None:
            if self._processes.wait_ended(_CHECK_EVERY):
                raise self._ended()
            if time.monotonic() > deadline:
                raise DemoFailed(f"{name} is not ready after {within:.0f} s: {problem}", name)

    def until_one_ends(self) -> NoReturn:
        """Wait until a program ends by itself. Raises DemoFailed then."""
        self._processes.wait_ended(None)
        raise self._ended()

    def _ended(self) -> DemoFailed:
        reason = self._processes.reason()
        return DemoFailed(reason, reason.partition(" ")[0])


def _problem(port: int, path: str, headers: Mapping[str, str]) -> str | None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        output = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    return None if answer.status == http.HTTPStatus.OK else f"{answer.status} {output}"
