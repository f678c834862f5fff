"""A Kubernetes API on a real socket that returns scripted answers: whole ones, or streams of events."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import web

from builders.listening import listening
from talkdesk_runtime.kube import Kube


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"


Answer: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def answer(content: Any = None, *, status: int = 200, raw: bytes | None = None, **headers: Any) -> Answer:
    """One whole answer, of JSON unless it is `raw`; underscores in the headers' names are hyphens."""
    body = raw if raw is not None else json.dumps(content or {}).encode()

    async def respond(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return respond


def failure(status: int, reason: str = "", message: str = "it went wrong", **headers: Any) -> Answer:
    return answer({"kind": "Status", "reason": reason, "message": message}, status=status, **headers)


def stream(*pieces: bytes | dict[str, Any], end: str = "well") -> Answer:
    """Events, or raw bytes, one after the other; then the stream ends `well`, is `cut`, or is left `open`."""

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece if isinstance(piece, bytes) else json.dumps(piece).encode() + b"\n")
        if end == "open":
            await asyncio.Event().wait()
        if end == "cut" and request.transport is not None:
            request.transport.close()
        return response

    return respond


@dataclass
class KubeApi:
    """Returns the answers in order; the last one is repeated."""

    answers: list[Answer]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(
            Asked(request.method, request.raw_path.partition("?")[0], request.query, request.headers, body)
        )
        next_answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await next_answer(request)


@asynccontextmanager
async def kube_api(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[KubeApi]:
    api = KubeApi(list(answers) or [answer()])
    server = web.Server(api.handle, access_log=None, handler_cancellation=True)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    async with listening(runner, tls=tls) as api.url:
        yield api


def kubeconfig(folder: Path, url: str, *, user: Mapping[str, Any] | None = None, **cluster: Any) -> Path:
    """Write a kubeconfig for a server; underscores in the cluster's keywords are hyphens."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": url} | {k.replace("_", "-"): v for k, v in cluster.items()}}],
        "users": [{"name": "it", "user": dict(user or {})}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


async def connect(folder: Path, url: str, *, timeout: float = 5, connections: int = 10, **options: Any) -> Kube:
    """Connect by a kubeconfig."""
    return await Kube.connect(
        user_agent="test/1",
        kubeconfig=kubeconfig(folder, url, **options),
        connections=connections,
        timeout=timedelta(seconds=timeout),
    )
