"""What both long runs play on: an app, its Talkdesk, two webhooks behind a balancer, and two operators."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from builders.balancer import Balancer, balancing
from builders.crds import apply_crds
from builders.platform import FREE_SIDE_PORTS
from builders.serving import until
from builders.stack_manifests import ACCOUNT_NAME, PLAN, rights, talkdesk_app
from soak.programs import Program
from talkdesk_crds.names import GROUP, LABEL_NAMESPACE, VERSION, dns_label
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.simulator import Behavior, Settings, Simulator, SimulatorServer

__all__ = ["APP", "NAMESPACE", "Crew", "Stage", "staged"]

NAMESPACE: Final = "team"
APP: Final = "sentiment"
_TENANTS: Final = f"td-{NAMESPACE}-all"
"""One namespace for all tenants: to make and remove thousands of them would be most of the work."""
_PLACE: Final = {"name": "${tenant.name}", "namespace": _TENANTS}
_DATA: Final = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": _PLACE,
    "data": {"account": ACCOUNT_NAME, "plan": PLAN},
}
_SECRET: Final = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": _PLACE,
    "data": {"client_id": "${base64.encode(bytes(credentials.clientId))}"},
}
_STEPS: Final = (
    {"name": "data", "manifests": [_DATA]},
    {"name": "credentials", "manifests": [_SECRET], "onOffboard": "Delete"},
)


@dataclass(frozen=True)
class Crew:
    """How many programs, and how they run."""

    operators: int
    """One alone needs no Lease, and so does not end where the machine is too busy to renew it in time."""
    webhooks: int
    debug: bool = False
    """Whether they log all they can."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further ones of their environment."""


@dataclass
class Stage:
    """Made by `staged`."""

    cluster: Cluster
    server: SimulatorServer
    balancer: Balancer
    webhooks: Sequence[Program]
    operators: Sequence[Program]
    app_id: str
    running: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def simulator(self) -> Simulator:
        return self.server.simulator

    @property
    def programs(self) -> Sequence[Program]:
        return [*self.webhooks, *self.operators]

    def tenant_of(self, account_id: str) -> str:
        """Return the name of an account's objects."""
        return dns_label(f"td-{NAMESPACE}-{account_id}")

    async def listed(self, plural: str) -> Any:
        """Return all objects of one of our kinds, by their names."""
        return await self._listed(resource_path(GROUP, VERSION, plural, NAMESPACE))

    async def credentials(self) -> Any:
        """Return the Secrets beside the installations, by their names."""
        return await self._listed(resource_path("", "v1", "secrets", NAMESPACE))

    async def tenant_objects(self, plural: str) -> Any:
        """Return ConfigMaps or Secrets of all tenants, by their names."""
        return await self._listed(resource_path("", "v1", plural, _TENANTS))

    async def events(self) -> Any:
        """Return the Kubernetes Events, by their names."""
        return await self._listed(resource_path("events.k8s.io", "v1", "events", NAMESPACE))

    async def _listed(self, path: str) -> Any:
        async with await Kube.connect(user_agent="test", kubeconfig=self.cluster.kubeconfig) as kube:
            return {item["metadata"]["name"]: item for item in (await kube.request("GET", path))["items"]}


@asynccontextmanager
async def staged(cluster: Cluster, behavior: Behavior, crew: Crew, **spec: Any) -> AsyncIterator[Stage]:
    """Start everything; keywords are fields of the app's spec."""
    await asyncio.to_thread(_prepare, cluster)
    async with balancing() as balancer:
        callback = f"{balancer.url}/events/{NAMESPACE}/{APP}"
        async with SimulatorServer(Settings(behavior=behavior, callback_url=callback)) as server:
            app_id = secrets.token_hex(16)
            app = talkdesk_app(APP, app_id, server.url, steps=_STEPS, tenant={"objectScope": "Any"}, **spec)
            app["metadata"]["namespace"] = NAMESPACE
            await asyncio.to_thread(cluster.kubectl, "apply", "-f", "-", stdin=json.dumps(app))
            made = Stage(
                cluster,
                server,
                balancer,
                [_webhook(cluster, number, crew) for number in range(crew.webhooks)],
                [_operator(cluster, number, crew) for number in range(crew.operators)],
                app_id,
            )
            try:
                await _begin(made)
                yield made
            finally:
                await asyncio.gather(*(each.stop() for each in made.programs))
                await asyncio.gather(*made.running)


async def _begin(stage: Stage) -> None:
    stage.running.extend(asyncio.create_task(each.run()) for each in stage.programs)
    await asyncio.gather(*(each.started() for each in stage.programs))
    stage.balancer.backends.extend(stage.webhooks)
    await until(lambda: len(stage.balancer.ready) == len(stage.webhooks), within=600)
    for each in stage.operators:
        await until(each.is_ready, within=600)


def _prepare(cluster: Cluster) -> None:
    apply_crds(cluster)
    names = [{"name": NAMESPACE}, {"name": _TENANTS, "labels": {LABEL_NAMESPACE: NAMESPACE}}]
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata} for metadata in names]
    for items in (spaces, rights(NAMESPACE)):
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed))


def _webhook(cluster: Cluster, number: int, crew: Crew) -> Program:
    settings = {"HOST": "127.0.0.1", "APP_REFRESH_INTERVAL": "1s", "SHUTDOWN_DELAY": "0s"}
    return _program(cluster, "webhook", number, settings, crew)


def _operator(cluster: Cluster, number: int, crew: Crew) -> Program:
    settings = {"LEASE_NAMESPACE": NAMESPACE, "LEADER_ELECTION": str(crew.operators > 1).lower()}
    return _program(cluster, "operator", number, settings, crew)


def _program(cluster: Cluster, kind: str, number: int, settings: dict[str, str], crew: Crew) -> Program:
    common = {
        "KUBECONFIG": str(cluster.kubeconfig_for(NAMESPACE, f"talkdesk-{kind}")),
        "NAMESPACES": NAMESPACE,
        "ALLOW_INSECURE": "true",
        "LOG_LEVEL": "DEBUG" if crew.debug else "INFO",
        **FREE_SIDE_PORTS,
    }
    named = {f"TALKDESK_{kind.upper()}_{name}": value for name, value in (common | settings).items()}
    return Program(f"{kind}-{number}", f"talkdesk_{kind}", {**named, **crew.variables})
