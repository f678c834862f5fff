"""Webhook and operator as real processes with their real rights, in a namespace of their own.

It keeps no state but the cluster's, so one may serve the tests of a module; each test has an app and a Talkdesk of its
own there (`builders.stack`). A test that kills one of the programs starts it again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from builders.child import WITHIN, Child
from builders.kube_gate import KubeGate, gate
from builders.serving import until
from builders.stack_manifests import CLUSTER_WIDE, rights
from builders.watched import Watched, watching
from talkdesk_crds.names import GROUP, LABEL_APP, VERSION
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound
from talkdesk_sandbox.controlplane import Cluster

PROGRAMS = ("operator", "webhook")


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
    settings: Mapping[str, str]
    """Of the operator, by their names without the prefix."""
    programs: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
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
            "NAMESPACES": self.namespace,
            "LEASE_NAMESPACE": self.namespace,
            "PROBE_BIND_ADDRESS": "127.0.0.1",
            "PROBE_PORT": "0",
            "LOG_LEVEL": "DEBUG",
            **self.settings,
        }
        await self._start("operator", settings, "probes.listening")
        await until(self._operator_works, within=WITHIN)

    async def start_webhook(self) -> None:
        """Start it, where it was before if it ran before, and wait until it is ready."""
        settings = {
            "KUBECONFIG": str(self.kubeconfigs["webhook"]),
            "HOST": "127.0.0.1",
            "PORT": str(self.ports.get("webhook", 0)),
            "APP_REFRESH_INTERVAL": "1s",
            "LOG_LEVEL": "DEBUG",
        }
        await self._start("webhook", settings, "server.listening")
        await until(self._webhook_works, within=WITHIN)

    async def fetch(self, program: str, path: str) -> tuple[int, str]:
        """Ask one of the programs."""
        url = f"http://127.0.0.1:{self.ports[program]}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as administrator in the namespace. Raises KubectlFailed."""
        return await asyncio.to_thread(self.cluster.kubectl, f"--namespace={self.namespace}", *arguments, stdin=stdin)

    async def clear(self) -> None:
        """Delete what is outside the namespace: tenants, bindings, the guard. Waits for nothing."""
        listing = await self.kube.request("GET", resource_path(GROUP, VERSION, "talkdeskapps", self.namespace))
        apps = [app["metadata"]["name"] for app in listing["items"]]
        tenants = f"--selector={LABEL_APP} in ({','.join(apps)})"
        await self.kubectl("delete", "namespaces", tenants, "--wait=false")
        for kind in sorted(CLUSTER_WIDE):
            names = [each["metadata"]["name"] for each in rights(self.namespace) if each["kind"] == kind]
            await self.kubectl("delete", kind, "--ignore-not-found", "--wait=false", *names)

    async def stop(self) -> None:
        """End both programs in order; fails when one can't."""
        for name, program in self.programs.items():
            assert await program.terminate() in {0, -9}, f"{name} did not end in order"

    async def _start(self, name: str, settings: Mapping[str, str], event: str) -> None:
        variables = {f"TALKDESK_{name.upper()}_{key}": value for key, value in settings.items()}
        program = self.programs[name] = await Child.start(f"talkdesk_{name}", variables)
        self.logs.append(program.log)
        self.ports[name] = (await program.logged(event))["port"]

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


@asynccontextmanager
async def platform(cluster: Cluster, namespace: str, **settings: str) -> AsyncIterator[Platform]:
    """Yield rights, open the gates, start both programs, and end them. Keywords are settings of the operator."""
    objects = {"apiVersion": "v1", "kind": "List", "items": rights(namespace)}
    await asyncio.to_thread(cluster.kubectl, "apply", "--server-side", "-f", "-", stdin=json.dumps(objects))
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(await Kube.connect(user_agent="test", kubeconfig=cluster.kubeconfig))
        gates = {name: await stack.enter_async_context(gate(kube.server, kube.ssl_context)) for name in PROGRAMS}
        kubeconfigs = {
            name: await asyncio.to_thread(_kubeconfig, cluster, namespace, name, gates[name].url) for name in PROGRAMS
        }
        watched = await stack.enter_async_context(watching(kube, namespace))
        made = Platform(cluster, namespace, kube, watched, gates, kubeconfigs, settings)
        stack.push_async_callback(made.stop)
        await asyncio.gather(made.start_webhook(), made.start_operator())
        yield made


def _kubeconfig(cluster: Cluster, namespace: str, program: str, url: str) -> Path:
    """Return the program's own token, and the gate for a server."""
    path = cluster.kubeconfig_for(namespace, f"talkdesk-{program}")
    config: dict[str, Any] = json.loads(path.read_text())
    config["clusters"][0]["cluster"] = {"server": url}
    path.write_text(json.dumps(config))
    return path
