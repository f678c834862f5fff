"""Everything that the demonstration needs: control plane, kinds, rights, an app, and our programs.

Belongs here: starting and ending all of it in order. Does not belong here: each of the parts.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from talkdesk_sandbox.controlplane import Cluster, ControlPlane, Programs, find_programs
from talkdesk_sandbox.controlplane.processes import Processes, unused_folder
from talkdesk_sandbox.demo import programs, scim_service
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.manifests import EXAMPLE, OVERLAY, Example, write_overlay
from talkdesk_sandbox.demo.programs import LOOPBACK, SYSTEM, Ports
from talkdesk_sandbox.demo.sync_client import SyncClient
from talkdesk_sandbox.demo.terminal import Terminal
from talkdesk_sandbox.demo.waiter import Waiter

__all__ = ["DemoEnvironment"]

_READY_WITHIN: Final = 30.0  # seconds; 3 on an idle machine
_LAST_LINES: Final = 15  # of a log, in an error


class DemoEnvironment:
    """A context manager: when it is entered, the simulator's events are handled to the end. It ends what it started."""

    cluster: Cluster
    waiter: Waiter
    simulator: SyncClient
    ports: Ports
    app: Example

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        """Start everything. Raises DemoFailed or ControlPlaneError."""
        with self._exits:
            self._set_up()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End everything, in reverse order."""
        self._exits.__exit__(kind, error, at)

    @property
    def callback(self) -> str:
        """Where Talkdesk's events for the app go."""
        return f"{self.webhook_url}/events/{self.app.namespace}/{self.app.name}"

    @property
    def webhook_url(self) -> str:
        """Where the webhook listens, for the events of all apps."""
        return f"http://{LOOPBACK}:{self.ports.webhook}"

    @property
    def simulator_url(self) -> str:
        """Where the simulator listens."""
        return f"http://{LOOPBACK}:{self.ports.simulator}"

    @property
    def scim_url(self) -> str:
        """Where the simulated SCIM service listens."""
        return f"http://{LOOPBACK}:{self.ports.scim}{scim_service.PATH}"

    @property
    def logs(self) -> Path:
        """The folder of the logs of operator, webhook, simulator and SCIM service."""
        return self._processes.logs

    @property
    def metrics_urls(self) -> tuple[str, str]:
        """Where operator and webhook show their metrics."""
        ports = (self.ports.operator_metrics, self.ports.webhook_metrics)
        operator, webhook = (f"http://{LOOPBACK}:{port}/metrics" for port in ports)
        return operator, webhook

    def users_at_scim(self) -> int:
        """Count the users that the SCIM service has. Raises DemoFailed."""
        return scim_service.count_users(LOOPBACK, self.ports.scim)

    def wait(self) -> NoReturn:
        """Wait until one of the programs ends by itself. Raises DemoFailed then."""
        self.waiter.until_one_ends()

    def _set_up(self) -> None:
        binaries = find_programs()  # may take minutes, and reports progress itself
        self._terminal.step("A cluster, an operator, a webhook and a simulated Talkdesk")
        self._start_cluster(binaries)
        self._install()
        self._start_programs()
        self._install_app()

    def _start_cluster(self, binaries: Programs) -> None:
        begin = time.monotonic()
        self.cluster = self._exits.enter_context(ControlPlane(binaries))
        started = "etcd, kube-apiserver" + (", controller manager" if binaries.controller_manager else "")
        self._terminal.fact("control plane", started, time.monotonic() - begin)

    def _install(self) -> None:
        begin = time.monotonic()
        self.cluster.kubectl("apply", "--server-side", "-k", str(OVERLAY))
        self.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self._terminal.fact("manifests", "kinds and rights: manifests/overlays/controlplane", time.monotonic() - begin)

    def _start_programs(self) -> None:
        begin = time.monotonic()
        self._processes = self._exits.enter_context(_processes())
        scratch = self._processes.logs.parent  # goes with them
        self.ports = ports = Ports.free()
        webhook, operator = (
            self.cluster.kubeconfig_for(SYSTEM, f"talkdesk-{name}") for name in ("webhook", "operator")
        )
        self._processes.start("simulator", programs.simulator(ports, scratch))
        self._processes.start("scim", programs.scim(ports, scratch))
        self._processes.start("webhook", programs.webhook(ports, webhook, scratch))
        self._processes.start("operator", programs.operator(ports, operator, scratch))
        self.waiter = Waiter(self.cluster, self._processes)
        self.waiter.ready("simulator", ports.simulator, "/_control/clock", within=_READY_WITHIN)
        self.waiter.ready("webhook", ports.webhook_probes, "/readyz", within=_READY_WITHIN)
        self.waiter.ready("operator", ports.operator_probes, "/readyz", within=_READY_WITHIN)
        self.waiter.ready(
            "scim", ports.scim, f"{scim_service.PATH}/Users", within=_READY_WITHIN, headers=scim_service.HEADERS
        )
        self.simulator = self._exits.enter_context(SyncClient(self.simulator_url))
        self._terminal.fact(
            "programs", "operator, webhook, talkdesk-simulator, a SCIM service", time.monotonic() - begin
        )

    def _install_app(self) -> None:
        begin = time.monotonic()
        folder = write_overlay(self.simulator_url, self._processes.logs.parent / "app")
        self.cluster.kubectl("apply", "--server-side", "-k", str(folder))
        self.app = Example.read(self.cluster)
        self.waiter.until(
            f"TalkdeskApp {self.app.name} did not become Ready",
            ("--for=condition=Ready", f"talkdeskapp/{self.app.name}", f"--namespace={self.app.namespace}"),
            of="operator",
            within=_READY_WITHIN,
        )
        self.simulator.send_events_to(self.app.app_id, self.callback)
        # So that commands work as they are written in README.md: nobody's own kubeconfig is changed.
        self.cluster.kubectl("config", "set-context", "--current", f"--namespace={self.app.namespace}")
        where = os.path.relpath(EXAMPLE, EXAMPLE.parents[2])
        self._terminal.fact("app", f"{where}, its endpoints are the simulator's", time.monotonic() - begin)


@contextmanager
def _processes() -> Iterator[Processes]:
    """Yield processes that end with the block and whose folder is then removed; after a failure the logs stay."""
    folder = unused_folder("talkdesk-demo-")
    try:
        folder.mkdir(mode=0o700)
        processes = Processes(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    failed = False
    try:
        yield processes
    except Exception as error:
        failed = True
        _explain(error, processes)
        raise
    finally:
        processes.stop(keep_logs=failed)


def _explain(error: Exception, processes: Processes) -> None:
    """Add to an error what the programs' logs say about it."""
    program = error.program if isinstance(error, DemoFailed) else None
    if processes.wait_ended(0) and (reason := processes.reason()) != str(error):
        error.add_note(reason)
        program = reason.partition(" ")[0]
    if program is not None:
        lines = processes.read_log(program).splitlines()[-_LAST_LINES:]
        error.add_note("\n".join([f"the last lines of the log of {program}:", *(lines or ["(it is empty)"])]))
    error.add_note(f"all logs of operator, webhook, simulator and scim: {processes.logs}")
