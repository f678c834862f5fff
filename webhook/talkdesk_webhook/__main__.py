"""The webhook as a process: reads settings, connects what belongs together, serves until SIGTERM or SIGINT.

The composition root: the only module that names every other.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import httpx
import structlog
import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from starlette.applications import Starlette

from talkdesk_runtime import logs
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.proxy import ProxyUnusable
from talkdesk_runtime.settings import UnusableSettings, read_settings, report
from talkdesk_webhook.app import create_app
from talkdesk_webhook.apps import Apps
from talkdesk_webhook.body import BodyLimits
from talkdesk_webhook.connection import BoundedConnection
from talkdesk_webhook.inbox import Inbox
from talkdesk_webhook.metrics import Metrics
from talkdesk_webhook.readiness import Readiness
from talkdesk_webhook.receiver import Receiver
from talkdesk_webhook.relay import LogoutRelay, relay_client
from talkdesk_webhook.relay_keys import RelayKeys
from talkdesk_webhook.settings import Settings
from talkdesk_webhook.signing_keys import KeyLifetimes, SigningKeys, gateway_client

__all__ = ["Clients", "build", "main"]

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Clients:
    """What requests are made with; none can take another's connections."""

    kube: Kube
    gateway: httpx.AsyncClient
    """Fetches signing keys."""
    relay: httpx.AsyncClient
    """Forwards logouts."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the webhook; return 0 after an orderly end, 1 when it can't listen, 2 when its settings are no good."""
    try:
        settings = read_settings(Settings, sys.argv[1:] if arguments is None else arguments)
    except UnusableSettings as error:
        report(Settings, error)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    # uvicorn raises the signal that ended it once more when it is done; by then nothing is left to interrupt.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
            return runner.run(_serve(settings))
    except (KubeRefused, ProxyUnusable) as error:
        report(Settings, error)
        return 2
    except SystemExit:
        return 1  # uvicorn exits so when it can't listen; it has logged why


def build(settings: Settings, clients: Clients, registry: CollectorRegistry) -> Starlette:
    """Connect the parts."""
    lifetimes = KeyLifetimes(
        refresh_interval=settings.signing_key_refresh_interval,
        max_age=settings.signing_key_max_age,
        negative_ttl=settings.signing_key_negative_ttl,
    )
    relay_keys = RelayKeys(clients.kube, settings.app_refresh_interval)
    receiver = Receiver(
        Apps(clients.kube, settings.app_refresh_interval),
        SigningKeys(clients.gateway, lifetimes),
        Inbox(clients.kube),
        LogoutRelay(clients.relay, relay_keys, max_in_flight=settings.max_logouts_in_flight),
        body_limits=BodyLimits(settings.max_body_bytes, settings.body_timeout),
        request_timeout=settings.request_timeout,
    )
    ready = Readiness(clients.kube).ready
    return create_app(receiver, Metrics(registry), ready, max_in_flight=settings.max_in_flight)


async def _serve(settings: Settings) -> int:
    user_agent = f"talkdesk-webhook/{version('talkdesk-operator')}"
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    async with (
        await Kube.connect(
            user_agent=user_agent,
            kubeconfig=settings.kubeconfig,
            connections=settings.max_in_flight,
            timeout=settings.kubernetes_timeout,
        ) as kube,
        gateway_client(settings.signing_key_timeout, user_agent=user_agent) as gateway,
        relay_client(settings.max_in_flight, user_agent=user_agent) as relay,
    ):
        config = _server_config(settings, build(settings, Clients(kube, gateway, relay), registry))
        listener = config.bind_socket()
        address, port = listener.getsockname()[:2]
        _log.info("server.listening", address=address, port=port, cluster=kube.server)
        await uvicorn.Server(config).serve([listener])
    _log.info("server.stopped")
    return 0


def _server_config(settings: Settings, app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=BoundedConnection,
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(settings.keepalive_timeout.total_seconds()),
        timeout_graceful_shutdown=max(1, round(settings.shutdown_timeout.total_seconds())),
    )


if __name__ == "__main__":
    sys.exit(main())
