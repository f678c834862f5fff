"""Everything that the life is played on: control plane, kinds, rights, an app, and our programs.

Belongs here: the order of setting up and of clearing away. Does not belong here: each of the things.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Final, NoReturn, Self

from talkdesk_sandbox.controlplane import Cluster, ControlPlane, Programs, find_programs
from talkdesk_sandbox.controlplane.processes import Processes, unused_folder
from talkdesk_sandbox.demo import programs, service
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.manifests import EXAMPLE, OVERLAY, Example, pointed_at
from talkdesk_sandbox.demo.programs import LOOPBACK, SYSTEM, Ports
from talkdesk_sandbox.demo.screen import Screen
from talkdesk_sandbox.demo.talkdesk import Talkdesk
from talkdesk_sandbox.demo.waiting import PendingItem

__all__ = ["Stage"]

_READY_WITHIN: Final = 30.0  # seconds; 3 on an idle machine
_LAST_LINES: Final = 15  # of a log, in an error


class Stage:
    """A context manager; once entered, an event of the simulator runs all the way. Ends whatever it started."""

    cluster: Cluster
    waiting: PendingItem
    talkdesk: Talkdesk
    ports: Ports
    app: Example

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
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
        return f"http://{LOOPBACK}:{self.ports.webhook}/events/{self.app.namespace}/{self.app.name}"

    @property
    def simulator_url(self) -> str:
        """Where the simulator listens."""
        return f"http://{LOOPBACK}:{self.ports.simulator}"

    @property
    def scim_url(self) -> str:
        """Where the pretend SCIM service listens."""
        return f"http://{LOOPBACK}:{self.ports.scim}{service.PATH}"

    def users_at_scim(self) -> int:
        """Count the users that the SCIM service has. Raises DemoFailed."""
        return service.count_users(LOOPBACK, self.ports.scim)

    def stay(self) -> NoReturn:
        """Never return. Raises DemoFailed when one of the programs ends by itself."""
        self.waiting.for_ever()

    def _set_up(self) -> None:
        found = find_programs()  # may take minutes, and says so itself
        self._screen.step("A cluster, an operator, a webhook and a pretend Talkdesk")
        self._start_cluster(found)
        self._install()
        self._start_programs()
        self._install_app()

    def _start_cluster(self, found: Programs) -> None:
        begin = time.monotonic()
        self.cluster = self._exits.enter_context(ControlPlane(found))
        started = "etcd, kube-apiserver" + (", controller manager" if found.controller_manager else "")
        self._screen.fact("control plane", started, time.monotonic() - begin)

    def _install(self) -> None:
        begin = time.monotonic()
        self.cluster.kubectl("apply", "--server-side", "-k", str(OVERLAY))
        self.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self._screen.fact("manifests", "kinds and rights: manifests/overlays/demo", time.monotonic() - begin)

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
        self.waiting = PendingItem(self.cluster, self._processes)
        self.waiting.ready("simulator", ports.simulator, "/_control/clock", within=_READY_WITHIN)
        self.waiting.ready("webhook", ports.webhook, "/readyz", within=_READY_WITHIN)
        self.waiting.ready("operator", ports.operator, "/readyz", within=_READY_WITHIN)
        self.waiting.ready("scim", ports.scim, f"{service.PATH}/Users", within=_READY_WITHIN, headers=service.HEADERS)
        self.talkdesk = self._exits.enter_context(Talkdesk(self.simulator_url))
        self._screen.fact("programs", "operator, webhook, talkdesk-simulator, a SCIM service", time.monotonic() - begin)

    def _install_app(self) -> None:
        begin = time.monotonic()
        folder = pointed_at(self.simulator_url, self._processes.logs.parent / "app")
        self.cluster.kubectl("apply", "--server-side", "-k", str(folder))
        self.app = Example.read(self.cluster)
        self.waiting.until(
            f"TalkdeskApp {self.app.name} did not become Ready",
            ("--for=condition=Ready", f"talkdeskapp/{self.app.name}", f"--namespace={self.app.namespace}"),
            of="operator",
            within=_READY_WITHIN,
        )
        self.talkdesk.send_events_to(self.app.app_id, self.callback)
        where = os.path.relpath(EXAMPLE, EXAMPLE.parents[2])
        self._screen.fact("app", f"{where}, its endpoints led to the simulator", time.monotonic() - begin)


@contextmanager
def _processes() -> Iterator[Processes]:
    """Yield processes that end with the block, and their folder with them; after a failure the logs stay."""
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
    """Add to an error what the programs can tell about it."""
    program = error.program if isinstance(error, DemoFailed) else None
    if processes.wait_ended(0) and (reason := processes.reason()) != str(error):
        error.add_note(reason)
        program = reason.partition(" ")[0]
    if program is not None:
        lines = processes.read_log(program).splitlines()[-_LAST_LINES:]
        error.add_note("\n".join([f"the last lines of the log of {program}:", *(lines or ["(it is empty)"])]))
    error.add_note(f"all logs of operator, webhook, simulator and scim: {processes.logs}")
