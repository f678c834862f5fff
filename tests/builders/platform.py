"""Webhook and operator as real processes with their real rights, in a namespace of their own.

It keeps no state but the cluster's, so one may serve the tests of a module; each test has an app and a Talkdesk of its
own there (`builders.stack`). A test that kills one of the programs starts it again.
"""

import asyncio
import json
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp

from builders.child import WITHIN, Child
from builders.kube_gate import KubeGate, gate
from builders.rbac import ACCOUNTS, Right, granted, right_in
from builders.serving import until
from builders.stack_manifests import CLUSTER_WIDE, rights
from builders.watched import Watched, watching
from talkdesk_crds.names import GROUP, LABEL_APP, VERSION
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound
from talkdesk_sandbox.controlplane import Cluster

PROGRAMS = ("operator", "webhook")
_PROBED = 0.1
"""Seconds between two probes: a program that starts needs the processor more."""
FREE_SIDE_PORTS = {
    "PROBE_BIND_ADDRESS": "127.0.0.1",
    "PROBE_PORT": "0",
    "METRICS_BIND_ADDRESS": "127.0.0.1",
    "METRICS_PORT": "0",
}
"""Settings of both programs for /healthz and /readyz, and for /metrics."""


@dataclass
class Platform:
    """Made by `platform`. Each program speaks to the API server through a gate of its own."""

    cluster: Cluster
    namespace: str
    kube: Kube
    """With an administrator's rights."""
    watched: Watched
    gates: dict[str, KubeGate]
    kubeconfigs: dict[str, Path]
    trust: ssl.SSLContext
    """For another gate."""
    settings: Mapping[str, str]
    """Of the operator, by their names without the prefix."""
    webhook_settings: Mapping[str, str] = field(default_factory=dict)
    """Likewise."""
    by: Sequence[str] = ()
    """A command that runs the programs."""
    also: Sequence[str] = ()
    """Other namespaces that both programs work in."""
    programs: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    """The webhook's for events, and those beside the work: `operator probes`, `operator metrics`, …"""
    logs: list[bytearray] = field(default_factory=list)
    """Of every program that ever ran here."""
    canaries: set[bytes] = field(default_factory=set)
    """Every secret of every test so far."""

    @property
    def operator(self) -> Child:
        return self.programs["operator"]

    @property
    def gate(self) -> KubeGate:
        """The operator's gate."""
        return self.gates["operator"]

    async def start_operator(self) -> None:
        """Start it, and wait until it works. The Lease of a killed one is deleted first, as if it had expired."""
        await self._free_lease()
        settings = {
            "KUBECONFIG": str(self.kubeconfigs["operator"]),
            "NAMESPACES": ",".join((self.namespace, *self.also)),
            "LEASE_NAMESPACE": self.namespace,
            **FREE_SIDE_PORTS,
            "LOG_LEVEL": "DEBUG",
            "ALLOW_INSECURE": "true",
            **self.settings,
        }
        await self._start("operator", settings)
        await until(self._operator_works, within=WITHIN, every=_PROBED)

    async def start_webhook(self) -> None:
        """Start it, where it was before if it ran before, and wait until it is ready."""
        settings = {
            "KUBECONFIG": str(self.kubeconfigs["webhook"]),
            "NAMESPACES": ",".join((self.namespace, *self.also)),
            "HOST": "127.0.0.1",
            "PORT": str(self.ports.get("webhook", 0)),
            **FREE_SIDE_PORTS,
            "APP_REFRESH_INTERVAL": "1s",
            "SHUTDOWN_DELAY": "0s",
            "LOG_LEVEL": "DEBUG",
            "ALLOW_INSECURE": "true",
            **self.webhook_settings,
        }
        program = await self._start("webhook", settings)
        self.ports["webhook"] = (await program.logged("server.listening"))["port"]
        await until(self._webhook_works, within=WITHIN, every=_PROBED)

    async def fetch(self, program: str, path: str) -> tuple[int, str]:
        """Ask one of the programs for its metrics or its health, each at the port of its own."""
        port = self.ports[f"{program} {'metrics' if path == '/metrics' else 'probes'}"]
        url = f"http://127.0.0.1:{port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as administrator in the namespace. Raises KubectlFailed."""
        return await asyncio.to_thread(self.cluster.kubectl, f"--namespace={self.namespace}", *arguments, stdin=stdin)

    async def clear(self) -> None:
        """Delete what is outside the namespace: tenants, bindings, the guard. Waits for nothing."""
        listing = await self.kube.request("GET", resource_path(GROUP, VERSION, "talkdeskapps", self.namespace))
        apps = [app["metadata"]["name"] for app in listing["items"]]
        if apps:
            tenants = f"--selector={LABEL_APP} in ({','.join(apps)})"
            await self.kubectl("delete", "namespaces", tenants, "--wait=false")
        for kind in sorted(CLUSTER_WIDE):
            names = [each["metadata"]["name"] for each in rights(self.namespace) if each["kind"] == kind]
            await self.kubectl("delete", kind, "--ignore-not-found", "--wait=false", *names)

    async def stop(self) -> None:
        """End both programs in order; fails when one can't."""
        for name, program in self.programs.items():
            status = await program.terminate()
            assert status in {0, -9}, f"{name} ended with {status}:\n{program.last_lines()}"
        assert not self.beyond_roles(), "the manifests' roles don't allow it: a right too few, or a call too many"

    def beyond_roles(self) -> set[Right]:
        """Return what the programs asked for in vain although no test has taken it away: no role has it.

        Names are the app's own choice: which account it acts as, which Secret it signs with.
        """
        roles = {replace(right, name="") for right in granted(rights(self.namespace), accounts=ACCOUNTS)}
        missed = {right_in(call.refusal) for gate in self.gates.values() for call in gate.calls if call.refusal}
        return {each for each in missed if each is not None and replace(each, name="") not in roles}

    async def _start(self, name: str, settings: Mapping[str, str]) -> Child:
        variables = {f"TALKDESK_{name.upper()}_{key}": value for key, value in settings.items()}
        program = self.programs[name] = await Child.start(f"talkdesk_{name}", variables, by=self.by)
        self.logs.append(program.log)
        for port in ("probes", "metrics"):
            self.ports[f"{name} {port}"] = (await program.logged(f"{port}.listening"))["port"]
        return program

    async def _operator_works(self) -> bool:
        return await self.fetch("operator", "/readyz") == (200, "running\n")

    async def _webhook_works(self) -> bool:
        try:
            return (await self.fetch("webhook", "/readyz"))[0] == 200
        except aiohttp.ClientConnectionError:
            return False

    async def _free_lease(self) -> None:
        path = resource_path("coordination.k8s.io", "v1", "leases", self.namespace, "talkdesk-operator")
        try:
            await self.kube.request("DELETE", path)
        except KubeNotFound:
            return


OpenGate: TypeAlias = Callable[[str, str, ssl.SSLContext], AbstractAsyncContextManager[KubeGate]]
"""Opens a program's gate to an API server."""


def _plain_gate(_: str, server: str, trust: ssl.SSLContext) -> AbstractAsyncContextManager[KubeGate]:
    return gate(server, trust)


@asynccontextmanager
async def platform(
    cluster: Cluster,
    namespace: str,
    *,
    granted: list[dict[str, Any]] | None = None,
    by: Sequence[str] = (),
    also: Sequence[str] = (),
    operator: bool = True,
    open_gate: OpenGate = _plain_gate,
    webhook_settings: Mapping[str, str] | None = None,
    **settings: str,
) -> AsyncIterator[Platform]:
    """Grant rights, open the gates, start both programs, and end them. Keywords are settings of the operator.

    Without `operator` only the webhook is started.

    `granted` are other objects than those of a base and an app that have the whole cluster. `by` is a command that runs
    each program. `also` are namespaces of other apps, whose rights somebody else gives.
    """
    items = rights(namespace) if granted is None else granted
    objects = {"apiVersion": "v1", "kind": "List", "items": items}
    await asyncio.to_thread(cluster.kubectl, "apply", "--server-side", "-f", "-", stdin=json.dumps(objects))
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(await Kube.connect(user_agent="test", kubeconfig=cluster.kubeconfig))
        trust = await asyncio.to_thread(_trust, cluster, namespace)
        gates = {name: await stack.enter_async_context(open_gate(name, kube.server, trust)) for name in PROGRAMS}
        kubeconfigs = {
            name: await asyncio.to_thread(_kubeconfig, cluster, namespace, name, gates[name].url) for name in PROGRAMS
        }
        watched = await stack.enter_async_context(watching(kube, namespace))
        made = Platform(
            cluster, namespace, kube, watched, gates, kubeconfigs, trust, settings, webhook_settings or {}, by, also
        )
        stack.push_async_callback(made.stop)
        await asyncio.gather(made.start_webhook(), *([made.start_operator()] if operator else []))
        yield made


def _trust(cluster: Cluster, namespace: str) -> ssl.SSLContext:
    """Return what trusts the API server and shows no certificate: it would count before the programs' own tokens."""
    config = json.loads(cluster.kubeconfig_for(namespace, "talkdesk-operator").read_text())
    authority = b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    context = ssl.create_default_context(cadata=authority.decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _kubeconfig(cluster: Cluster, namespace: str, program: str, url: str) -> Path:
    """Return the program's own token, and the gate for a server."""
    path = cluster.kubeconfig_for(namespace, f"talkdesk-{program}")
    config: dict[str, Any] = json.loads(path.read_text())
    config["clusters"][0]["cluster"] = {"server": url}
    path.write_text(json.dumps(config))
    return path
