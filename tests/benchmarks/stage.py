"""What is measured: a control plane with the repository's manifests, and our three programs as real processes.

Belongs here: setting up and clearing away. Does not belong here: load and figures.

Two namespaces have the same rights and the same app: `sentiment`, where the operator works, and `bench-limit`, which it
does not watch, for writes that are only to be written.
"""

import asyncio
import json
import os
import signal
import tempfile
from base64 import b64decode
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import yaml

from benchmarks.measuring import Samples, parse_metrics, scrape, wait_until
from benchmarks.programs import serves, start_line
from benchmarks.sending import BenchFailed
from talkdesk_crds.app import TalkdeskApp
from talkdesk_sandbox.controlplane import Cluster, ControlPlane
from talkdesk_sandbox.controlplane.processes import Processes
from talkdesk_sandbox.demo.programs import LOOPBACK, Ports, side_ports
from talkdesk_sandbox.simulator.control import Client

__all__ = ["APP", "LIMIT", "SYSTEM", "WORK", "Stage"]

SYSTEM: Final = "talkdesk-system"
WORK: Final = "sentiment"
LIMIT: Final = "bench-limit"
APP: Final = "sentiment"
_MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
_LEFT_OUT: Final = "access"
"""The step of the example's template that is left out, so that a tenant has six objects."""
_START_WITHIN: Final = 60.0

_T = TypeVar("_T")


@dataclass
class Stage:
    """A context manager; once entered, an event that is posted to the webhook runs all the way."""

    profile: Path | None = None
    """Folder for profiles of operator and webhook; the figures are worth nothing then."""
    cluster: Cluster = field(init=False)
    ports: Ports = field(init=False)
    plane: ControlPlane = field(init=False)
    processes: Processes = field(init=False)
    operator: Processes = field(init=False)
    """The operator's alone, which may end while the others go on."""
    api_url: str = field(init=False)
    ca_file: Path = field(init=False)
    operator_settings: dict[str, str] = field(init=False)
    """But for its ports."""
    tokens: dict[str, str] = field(init=False, default_factory=dict)
    """Bearer tokens of webhook and operator."""
    _exits: ExitStack = field(init=False, default_factory=ExitStack)
    _operator_line: Sequence[str] = field(init=False)

    def __enter__(self) -> Self:
        """Start everything. Raises BenchFailed or ControlPlaneError."""
        with self._exits:
            self._start_cluster()
            self._start_programs()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End everything."""
        self._exits.__exit__(kind, error, at)

    @property
    def pids(self) -> dict[str, int]:
        """Return all processes that share the machine's cores while something is measured."""
        return {**self.plane.pids, **self.processes.pids, **self.operator.pids}

    def webhook_url(self, namespace: str, app: str = APP) -> str:
        """Return the address for events."""
        return f"http://{LOOPBACK}:{self.ports.webhook}/events/{namespace}/{app}"

    def talkdesk(self, act: Callable[[Client], Coroutine[Any, Any, _T]]) -> _T:
        """Ask the simulator."""

        async def run() -> _T:
            async with Client(f"http://{LOOPBACK}:{self.ports.simulator}") as client:
                return await act(client)

        return asyncio.run(run())

    def operator_metrics(self) -> Samples:
        """Read the operator's metrics."""
        return scrape(f"http://{LOOPBACK}:{self.ports.operator_metrics}/metrics")

    def api_metrics(self) -> Samples:
        """Read the API server's metrics."""
        return parse_metrics(self.cluster.kubectl("get", "--raw", "/metrics"))

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` finds."""
        return json.loads(self.cluster.kubectl("get", *arguments, "--output=json"))

    def toggle_profile(self, program: str) -> None:
        """Start the program's profile; stop it at the second call and wait until it is written."""
        if self.profile is not None:
            os.kill(self.pids[program], signal.SIGUSR1)

    def stop_operator(self) -> None:
        """End the operator in order, so that its Lease is free. Raises BenchFailed."""
        os.kill(self.operator.pids["operator"], signal.SIGTERM)
        if not self.operator.wait_ended(_START_WITHIN):
            raise BenchFailed("the operator does not end")

    def start_operator(self) -> None:
        """Start the operator, and don't wait for it."""
        self.new_operators().start("operator", list(self._operator_line))

    def replace_talkdesk(self, line: Sequence[str], path: str) -> None:
        """End simulator and webhook, and start another Talkdesk at the simulator's port; it serves that path then."""
        os.kill(self.processes.pids["simulator"], signal.SIGKILL)
        self.processes.wait_ended(_START_WITHIN)
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="talkdesk-bench-")), "run")
        folder.mkdir()
        self.processes = Processes(folder)
        self._exits.callback(self.processes.stop, keep_logs=False)
        self._start("talkdesk", line, self.ports.simulator, path)

    def new_operators(self) -> Processes:
        """Return a place for operators that are started instead of the one before, which has ended."""
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="talkdesk-bench-")), "run")
        folder.mkdir()
        self.operator = operator = Processes(folder)
        self._exits.callback(operator.stop, keep_logs=False)
        return operator

    def _start_cluster(self) -> None:
        self.plane = ControlPlane()
        self.cluster = self._exits.enter_context(self.plane)
        self.cluster.kubectl("apply", "--server-side", "-k", str(_MANIFESTS / "overlays" / "controlplane"))
        self.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self.cluster.kubectl("create", "namespace", LIMIT)
        example = yaml.safe_load_all(self.cluster.kubectl("kustomize", str(_MANIFESTS / "examples" / APP)))
        objects = {"apiVersion": "v1", "kind": "List", "items": [x for x in example if x["kind"] != "TalkdeskApp"]}
        self.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(objects))
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "talkdesk-webhook", "namespace": LIMIT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "talkdesk-webhook-app"},
            "subjects": [{"kind": "ServiceAccount", "name": "talkdesk-webhook", "namespace": SYSTEM}],
        }
        self.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(binding))

    def _start_programs(self) -> None:
        folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="talkdesk-bench-")))
        (folder / "run").mkdir()
        self.processes = Processes(folder / "run")
        self._exits.callback(self.processes.stop, keep_logs=False)
        self.ports = ports = Ports.free()
        kubeconfigs = {who: self.cluster.kubeconfig_for(SYSTEM, f"talkdesk-{who}") for who in ("webhook", "operator")}
        self._read_access(kubeconfigs, folder)
        simulator = start_line("talkdesk_sandbox.simulator", {}, "serve", f"--port={ports.simulator}")
        self._start("simulator", simulator, ports.simulator, "/_control/clock")
        self._install_app()
        webhook = {"HOST": LOOPBACK, "PORT": str(ports.webhook), "KUBECONFIG": str(kubeconfigs["webhook"])}
        webhook |= side_ports(ports.webhook_probes, ports.webhook_metrics) | {
            "SHUTDOWN_DELAY": "0s",
            "ALLOW_INSECURE": "true",
        }
        line = start_line("talkdesk_webhook", _named("WEBHOOK", webhook), profile=self._profile("webhook"))
        self._start("webhook", line, ports.webhook_probes, "/readyz")
        self.operator_settings = {
            "KUBECONFIG": str(kubeconfigs["operator"]),
            "LEASE_NAMESPACE": SYSTEM,
            "NAMESPACES": f"{WORK},{SYSTEM}",
            "ALLOW_INSECURE": "true",
            "ALLOWED_HOOK_NETWORKS": "127.0.0.0/8",
        }
        operator = self.operator_settings | side_ports(ports.operator_probes, ports.operator_metrics)
        profile = self._profile("operator")
        self._operator_line = start_line("talkdesk_operator", _named("OPERATOR", operator), profile=profile)
        self.start_operator()
        _await_start(self.operator, "operator", ports.operator_probes, "/readyz")

    def start_beside(self, name: str, line: Sequence[str], port: int, path: str) -> None:
        """Start another process, and wait until it serves that path."""
        self._start(name, line, port, path)

    def _start(self, name: str, line: Sequence[str], port: int, path: str) -> None:
        self.processes.start(name, list(line))
        _await_start(self.processes, name, port, path)

    def _install_app(self) -> None:
        app = yaml.safe_load((_MANIFESTS / "examples" / APP / "app.yaml").read_text())
        spec, simulator = app["spec"], f"http://{LOOPBACK}:{self.ports.simulator}"
        del spec["region"]
        token = f"{simulator}/accounts/{{account}}/oauth/token"
        spec["endpoints"] = {"api": simulator, "token": token, "allowInsecure": True}
        spec["tenant"]["steps"] = [step for step in spec["tenant"]["steps"] if step["name"] != _LEFT_OUT]
        for namespace in (WORK, LIMIT):
            app["metadata"]["namespace"] = namespace
            self.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(app))

    def read_app(self) -> TalkdeskApp:
        """Read the app that is measured."""
        return TalkdeskApp.read(self.get(f"talkdeskapp/{APP}", f"--namespace={WORK}"))

    def _read_access(self, kubeconfigs: dict[str, Path], folder: Path) -> None:
        for who, path in kubeconfigs.items():
            config = json.loads(path.read_text())
            self.tokens[who] = config["users"][0]["user"]["token"]
            cluster = config["clusters"][0]["cluster"]
        self.api_url = cluster["server"]
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(b64decode(cluster["certificate-authority-data"]))

    def _profile(self, program: str) -> Path | None:
        return self.profile / f"{program}.prof" if self.profile is not None else None


def _await_start(processes: Processes, name: str, port: int, path: str) -> None:
    try:
        wait_until(lambda: serves(f"http://{LOOPBACK}:{port}{path}"), f"start of the {name}", _START_WITHIN)
    except BenchFailed as error:
        raise BenchFailed(f"{error}\n{processes.read_log(name)[-2000:]}") from None


def _named(program: str, settings: dict[str, str]) -> dict[str, str]:
    return {f"TALKDESK_{program}_{name}": value for name, value in settings.items()}
