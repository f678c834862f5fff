"""The webhook as a process: reads settings, connects what belongs together, serves until SIGTERM or SIGINT.

The composition root: the only module that names every other.
"""

import asyncio
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Self

import httpx
import structlog
import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from starlette.applications import Starlette

from talkdesk_runtime import logs
from talkdesk_runtime.background import in_background
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.open_files import allow_open_files
from talkdesk_runtime.programs import installed_version
from talkdesk_runtime.proxy import ProxyUnusable
from talkdesk_runtime.settings import UnusableSettings, read_settings, report
from talkdesk_runtime.side_ports import CannotListen, Probes, serving_metrics, serving_probes
from talkdesk_runtime.tls_files import CertificateUnusable, ReloadedCertificate
from talkdesk_runtime.token_review import TokenReviews
from talkdesk_webhook.acceptor import Acceptor
from talkdesk_webhook.app import create_app
from talkdesk_webhook.app_list import AppList
from talkdesk_webhook.apps import Apps
from talkdesk_webhook.body import BodyLimits
from talkdesk_webhook.connection_limits import ConnectionLimits
from talkdesk_webhook.connection_reports import ConnectionReports
from talkdesk_webhook.event_reports import EventReports
from talkdesk_webhook.inbox import Inbox
from talkdesk_webhook.key_keeper import KeyKeeper
from talkdesk_webhook.metrics import Metrics
from talkdesk_webhook.readiness import Readiness
from talkdesk_webhook.receiver import Receiver
from talkdesk_webhook.relay import LogoutRelay, relay_client
from talkdesk_webhook.relay_keys import RelayKeys
from talkdesk_webhook.server import Drain, DrainingServer, listener_of, server_config
from talkdesk_webhook.settings import Settings
from talkdesk_webhook.signing_keys import KeyLifetimes, SigningKeys, gateway_client
from talkdesk_webhook.sources import Sources

__all__ = ["Clients", "Known", "build", "main"]

_OTHER_FILES = 64
_RESPONSE_TIME = 10.0
"""Seconds for a response to be taken; nobody who wants it needs one."""
_LAST_REPORT = 2.0
"""Seconds for the last write of what became of deliveries."""
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
    allow_open_files(settings.max_connections + 3 * settings.max_in_flight + _OTHER_FILES)
    drain = Drain(settings.shutdown_delay)
    # Until the server has handlers of its own: nothing was taken yet, so there is nothing to drain. uvicorn raises the
    # signal that ended it once more when it is done; by then nothing is left to interrupt.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: drain.skip())
    try:
        with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
            return runner.run(_serve(settings, drain))
    except (KubeRefused, ProxyUnusable, CertificateUnusable) as error:
        report(Settings, error)
        return 2
    except CannotListen as error:
        report(Settings, error)
        return 1


@dataclass(frozen=True)
class Known:
    """What is known before an event comes, and kept up to date beside events."""

    apps: AppList
    keys: SigningKeys
    keeper: KeyKeeper

    @classmethod
    def begin(cls, settings: Settings, clients: Clients, metrics: Metrics) -> Self:
        """Make the parts, which know nothing yet."""
        apps = AppList(clients.kube, settings.namespaces, allow_insecure=settings.allow_insecure)
        metrics.apps_watched.set_function(lambda: float(apps.is_complete))
        metrics.apps.set_function(lambda: float(sum(1 for _ in apps.apps())))
        lifetimes = KeyLifetimes(
            refresh_interval=settings.signing_key_refresh_interval,
            max_age=settings.signing_key_max_age,
            negative_ttl=settings.signing_key_negative_ttl,
        )
        keys = SigningKeys(clients.gateway, lifetimes)
        return cls(apps, keys, KeyKeeper(keys, apps.apps, apps.changed, lifetimes.refresh_interval))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep it up to date until left."""
        async with in_background(self.apps.run(), "list of apps"), in_background(self.keeper.run(), "signing keys"):
            yield


def build(settings: Settings, clients: Clients, known: Known, metrics: Metrics, reports: EventReports) -> Starlette:
    """Connect the parts."""
    relay_keys = RelayKeys(clients.kube, settings.app_refresh_interval)
    receiver = Receiver(
        Apps(clients.kube, known.apps, settings.app_refresh_interval),
        known.keys,
        Inbox(clients.kube),
        LogoutRelay(clients.relay, relay_keys, max_in_flight=settings.max_logouts_in_flight),
        body_limits=BodyLimits(
            settings.max_body_bytes,
            settings.body_timeout,
            together=max(1, settings.max_in_flight // 4) * settings.max_body_bytes,
        ),
        request_timeout=settings.request_timeout,
        found=reports.found,
    )
    return create_app(
        receiver,
        metrics,
        max_in_flight=settings.max_in_flight,
        reports=reports,
        path_prefix=settings.path_prefix,
    )


async def _serve(settings: Settings, drain: Drain) -> int:
    user_agent = f"talkdesk-webhook/{installed_version()}"
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
        gateway_client(settings.signing_key_timeout, user_agent=user_agent, denied=settings.denied_networks) as gateway,
        relay_client(settings.max_in_flight, user_agent=user_agent, denied=settings.denied_networks) as relay,
    ):
        reports = EventReports(kube)
        metrics, clients = Metrics(registry), Clients(kube, gateway, relay)
        known = Known.begin(settings, clients, metrics)
        app = build(settings, clients, known, metrics, reports)
        certificate = _certificate(settings, metrics)
        tls = None if certificate is None else certificate.context
        config = server_config(
            app,
            _acceptor(settings, metrics, drain, tls),
            host=settings.host,
            port=settings.port,
            keepalive=settings.keepalive_timeout,
            shutdown=settings.shutdown_timeout,
        )
        server = DrainingServer(config, drain)
        async with (
            serving_metrics(registry, settings, metrics.tls, TokenReviews(kube)),
            serving_probes(_probes(kube, known.apps, server, drain), settings),
            known.kept(),
            in_background(reports.run(), "reports of deliveries"),
            nullcontext() if certificate is None else in_background(certificate.run(), "certificate for events"),
        ):
            listener = listener_of(server.config)
            address, port = listener.getsockname()[:2]
            _log.info("server.listening", address=address, port=port, tls=tls is not None, cluster=kube.server)
            await server.serve([listener])
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_REPORT):
                await reports.write()
    _log.info("server.stopped")
    return 0


def _probes(kube: Kube, apps: AppList, server: uvicorn.Server, drain: Drain) -> Probes:
    """Return what a kubelet is told: the truth about the port for events, although it asks at another."""

    async def not_live() -> None:
        """Find nothing: whoever gets an answer knows that the event loop turns."""

    def accepting() -> str | None:
        if drain.begun or server.should_exit:
            return "shutting down"
        if not server.started or not all(each.is_serving() for each in server.servers):
            return "not listening for events"
        # Only at the start: whatever becomes of the watch later, events are taken.
        return None if apps.was_tried else "the apps are being listed"

    return Probes(not_live=not_live, not_ready=Readiness(kube, accepting).not_ready)


def _certificate(settings: Settings, metrics: Metrics) -> ReloadedCertificate | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return ReloadedCertificate(settings.tls_cert_file, settings.tls_key_file, port="http", metrics=metrics.tls)


def _acceptor(settings: Settings, metrics: Metrics, drain: Drain, tls: ssl.SSLContext | None) -> Acceptor:
    return Acceptor(
        Sources(
            settings.allowed_sources,
            most=settings.max_connections,
            most_of_one=settings.max_connections_per_source,
        ),
        ConnectionReports(metrics),
        limits=ConnectionLimits(
            header_bytes=settings.max_header_bytes,
            header_time=settings.header_timeout.total_seconds(),
            request_time=(settings.body_timeout + settings.request_timeout).total_seconds() + _RESPONSE_TIME,
            requests=settings.max_requests_per_connection,
        ),
        draining=lambda: drain.begun,
        tls=tls,
    )


if __name__ == "__main__":
    sys.exit(main())
