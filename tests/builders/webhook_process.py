"""The webhook as a real process, with exactly its rights in a cluster, and a gateway that has its keys."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from builders.events import APP_ID, Signer, encode
from builders.platform import FREE_SIDE_PORTS
from builders.serving import serving, until
from talkdesk_crds.names import API_VERSION, GROUP
from talkdesk_sandbox.controlplane import Cluster

RIGHTS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: webhook, namespace: %(namespace)s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: webhook, namespace: %(namespace)s}
rules:
- {apiGroups: [%(group)s], resources: [talkdeskapps], verbs: [get, list, watch]}
- {apiGroups: [%(group)s], resources: [talkdeskapps/status], verbs: [patch]}
- {apiGroups: [%(group)s], resources: [talkdeskinstallations], verbs: [create, patch]}
- {apiGroups: [%(group)s], resources: [talkdeskinstallations/registers], verbs: [update]}
- {apiGroups: [""], resources: [secrets], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: webhook, namespace: %(namespace)s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: webhook}
subjects: [{kind: ServiceAccount, name: webhook, namespace: %(namespace)s}]
"""


@dataclass
class Gateway:
    """The part of Talkdesk's API gateway that has signing keys; it can be down."""

    signers: list[Signer]
    url: str = ""
    down: bool = False
    asked: list[str] = field(default_factory=list)

    async def key(self, request: Request) -> Response:
        self.asked.append(request.path_params["key_id"])
        if self.down:
            return JSONResponse({"message": "down"}, 503)
        for signer in self.signers:
            if signer.key_id == request.path_params["key_id"]:
                return JSONResponse({"key_id": signer.key_id, "public_key": signer.pem, "created_at": "2026-01-01"})
        return JSONResponse({"message": "unknown"}, 404)

    def links(self, account: str = "acme") -> dict[str, Any]:
        tokens = f"{self.url}/accounts/{account}/oauth/token"
        return {"root": {"href": self.url}, "tokens": {"href": tokens}}


@asynccontextmanager
async def gateway(*signers: Signer) -> AsyncIterator[Gateway]:
    it = Gateway(list(signers))
    async with serving(Starlette(routes=[Route("/events/signature-keys/{key_id}", it.key)])) as served:
        it.url = served.url
        yield it


def apply_app(cluster: Cluster, namespace: str, it: Gateway, name: str = "sentiment", **spec: Any) -> None:
    """Make a TalkdeskApp whose Talkdesk is the gateway."""
    endpoints = {"api": it.url, "token": f"{it.url}/accounts/{{account}}/oauth/token", "allowInsecure": True}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${tenant.name}"}}
    tenant = {"serviceAccountName": "maker", "steps": [{"name": "one", "manifests": [config_map]}]}
    app = {
        "apiVersion": API_VERSION,
        "kind": "TalkdeskApp",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"appId": APP_ID, "endpoints": endpoints, "tenant": tenant} | spec,
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(app))


def grant(cluster: Cluster, namespace: str) -> Path:
    """Make the webhook's service account; return its kubeconfig."""
    cluster.kubectl("apply", "-f", "-", stdin=RIGHTS % {"namespace": namespace, "group": GROUP})
    return cluster.kubeconfig_for(namespace, "webhook")


@dataclass
class WebhookProcess:
    """A running webhook and what it logged so far."""

    process: asyncio.subprocess.Process
    namespace: str
    log: bytearray
    client: httpx.AsyncClient
    _ports: dict[str, int] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """The port for events."""
        return self.port_of("server")

    def port_of(self, listener: str) -> int:
        """Return one of its ports: `server`, `probes`, `metrics`."""
        if listener not in self._ports:
            lines = map(json.loads, self.log.splitlines())
            self._ports[listener] = int(
                next(line["port"] for line in lines if line["event"] == f"{listener}.listening")
            )
        return self._ports[listener]

    async def fetch(self, path: str) -> httpx.Response:
        """Ask for its metrics or its health, each at the port of its own."""
        port = self.port_of("metrics" if path == "/metrics" else "probes")
        return await self.client.get(f"http://127.0.0.1:{port}{path}")

    async def listens(self) -> bool:
        """Return whether it takes events, or would if it reached the API server."""
        return not {"listening", "listed"} & {*(await self.fetch("/readyz")).text.split()}

    async def post(self, body: Any, signer: Signer, *, app: str = "sentiment", **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else encode(body)
        return await self.client.post(
            f"/events/{self.namespace}/{app}", content=raw, headers=signer.headers(raw) | headers
        )

    async def result(self, body: Any, signer: Signer, *, app: str = "sentiment") -> str:
        """Post an event that must be acknowledged, and return the result."""
        response = await self.post(body, signer, app=app)
        assert response.status_code == 200, response.text
        result: str = response.json()["result"]
        return result

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@asynccontextmanager
async def webhook_process(kubeconfig: Path, namespace: str, **settings: str) -> AsyncIterator[WebhookProcess]:
    """Start a webhook, wait until it answers, and end it."""
    environment = os.environ | {
        "TALKDESK_WEBHOOK_KUBECONFIG": str(kubeconfig),
        "TALKDESK_WEBHOOK_NAMESPACES": namespace,
        "TALKDESK_WEBHOOK_HOST": "127.0.0.1",
        "TALKDESK_WEBHOOK_PORT": "0",
        **{f"TALKDESK_WEBHOOK_{name}": value for name, value in FREE_SIDE_PORTS.items()},
        "TALKDESK_WEBHOOK_APP_REFRESH_INTERVAL": "1s",
        "TALKDESK_WEBHOOK_SHUTDOWN_DELAY": "0s",
        "TALKDESK_WEBHOOK_ALLOW_INSECURE": "true",
        **{f"TALKDESK_WEBHOOK_{name.upper()}": value for name, value in settings.items()},
    }
    command: Sequence[str] = [sys.executable, "-m", "talkdesk_webhook"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    log = bytearray()
    reading = asyncio.create_task(_read(process, log))
    try:
        await until(lambda: b'"server.listening"' in log or process.returncode is not None, within=120)
        assert process.returncode is None, log.decode()
        async with httpx.AsyncClient(timeout=20) as client:
            it = WebhookProcess(process, namespace, log, client)
            client.base_url = f"http://127.0.0.1:{it.port}"
            await until(it.listens)
            yield it
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def _read(process: asyncio.subprocess.Process, log: bytearray) -> None:
    assert process.stderr is not None
    while piece := await process.stderr.read(65536):
        log += piece
