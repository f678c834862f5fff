"""The ports beside a program's work: one for /healthz and /readyz, one for /metrics.

So whoever exposes the port of the work exposes neither, TLS or access rules of /metrics don't concern a kubelet, which
could follow none, and limits on the work's connections never refuse a probe.

Belongs here: listening and HTTP. Does not belong here: what live and ready mean.

    CannotListen    an address or port can't be had
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from ssl import SSLContext
from typing import Self, TypeAlias

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from talkdesk_runtime.background import in_background
from talkdesk_runtime.bounded_connections import BoundedConnections, quiet_logger
from talkdesk_runtime.listener import listener_at
from talkdesk_runtime.networks import source_of
from talkdesk_runtime.settings import MetricsAccess, ProcessSettings
from talkdesk_runtime.tls_files import ReloadedCertificate, TlsMetrics
from talkdesk_runtime.token_review import TokenReviews, Verdict

__all__ = ["CannotListen", "Probes", "serving_metrics", "serving_probes"]

Problem: TypeAlias = Callable[[], Awaitable[str | None]]
"""Returns what is wrong, or None."""
_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]
_HANDSHAKE = 10.0
"""Seconds for a TLS handshake."""
_log = structlog.stdlib.get_logger(__name__)


class CannotListen(Exception):
    """An address or port can't be had; `str()` says which and why."""

    @classmethod
    def at(cls, host: str, port: int, error: OSError) -> Self:
        """Return it for an address of IPv4 or IPv6, or a name."""
        shown = f"[{host}]" if ":" in host else host
        return cls(f"can't listen on {shown}:{port}: {error.strerror}")


class Probes:
    """What a kubelet is told."""

    def __init__(self, *, not_live: Problem, not_ready: Problem, state: Callable[[], str] = lambda: "ok") -> None:
        """Take what finds problems, and what names the state in which there are none."""
        self.routes = {"/healthz": self._answer(not_live, state), "/readyz": self._answer(not_ready, state)}

    @staticmethod
    def _answer(find_problem: Problem, state: Callable[[], str]) -> _Handler:
        async def answer(_: web.Request) -> web.Response:
            problem = await find_problem()
            return web.Response(status=200 if problem is None else 503, text=f"{problem or state()}\n")

        return answer


@asynccontextmanager
async def serving_probes(probes: Probes, settings: ProcessSettings) -> AsyncIterator[int]:
    """Serve until left; yield the port. Raises CannotListen."""
    async with _listening(probes.routes, settings.probe_bind_address, settings.probe_port) as (host, port):
        _log.info("probes.listening", host=host, port=port)
        yield port


@asynccontextmanager
async def serving_metrics(
    registry: CollectorRegistry, settings: ProcessSettings, tls_metrics: TlsMetrics, reviews: TokenReviews
) -> AsyncIterator[int | None]:
    """Serve until left; yield the port, or None where nobody may read. Raises CannotListen and CertificateUnusable."""
    if settings.metrics_access is MetricsAccess.NOBODY:
        yield None
        return
    async with AsyncExitStack() as stack:
        context = None
        if settings.metrics_tls_cert_file is not None and settings.metrics_tls_key_file is not None:
            files = settings.metrics_tls_cert_file, settings.metrics_tls_key_file
            certificate = ReloadedCertificate(*files, port="metrics", metrics=tls_metrics)
            await stack.enter_async_context(in_background(certificate.run(), "certificate of /metrics"))
            context = certificate.context
        handler = _metrics(registry)
        if settings.metrics_access is MetricsAccess.AUTHORIZED:
            handler = _authorized(handler, reviews)
        access = settings.metrics_access.value
        listening = _listening({"/metrics": handler}, settings.metrics_bind_address, settings.metrics_port, tls=context)
        host, port = await stack.enter_async_context(listening)
        _log.info("metrics.listening", host=host, port=port, tls=context is not None, access=access)
        yield port


def _metrics(registry: CollectorRegistry) -> _Handler:
    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return answer


def _authorized(handler: _Handler, reviews: TokenReviews) -> _Handler:
    """Let through who shows a token whose owner may read."""

    async def answer(request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        match await reviews.verdict(token, source_of(request.remote or "")):
            case Verdict.ALLOWED:
                return await handler(request)
            case Verdict.UNKNOWN:
                headers = {"WWW-Authenticate": "Bearer"}
                return web.Response(status=401, headers=headers, text="a bearer token of this cluster is needed\n")
            case Verdict.FORBIDDEN:
                return web.Response(status=403, text="the token's owner may not get the URL /metrics\n")
            case Verdict.UNAVAILABLE:
                headers = {"Retry-After": "5"}
                return web.Response(status=503, headers=headers, text="the token can't be reviewed now\n")

    return answer


@asynccontextmanager
async def _listening(
    routes: Mapping[str, _Handler], host: str, port: int, tls: SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve until left; yield address and port."""
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0, logger=quiet_logger())
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - it is set up
    handshake = None if tls is None else _HANDSHAKE
    try:
        try:
            server = await asyncio.get_running_loop().create_server(
                BoundedConnections(runner.server),
                sock=listener_at(host, port),
                ssl=tls,
                backlog=128,
                ssl_handshake_timeout=handshake,
            )
        except OSError as error:
            raise CannotListen.at(host, port, error) from None
        try:
            yield server.sockets[0].getsockname()[:2]
        finally:
            server.close()
    finally:
        await runner.cleanup()
