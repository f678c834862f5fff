"""The webhook as a process: reads settings, connects what belongs together, serves until SIGTERM or SIGINT.

The composition root: the only module that names every other.
"""

import argparse
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
from pydantic import ValidationError
from starlette.applications import Starlette

from talkdesk_runtime import logs
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_webhook.app import create_app
from talkdesk_webhook.apps import Apps
from talkdesk_webhook.body import BodyLimits
from talkdesk_webhook.connection import BoundedConnection
from talkdesk_webhook.inbox import Inbox
from talkdesk_webhook.keys import KeyTimes, SigningKeys, gateway_client
from talkdesk_webhook.metrics import Metrics
from talkdesk_webhook.readiness import Readiness
from talkdesk_webhook.receiver import Receiver
from talkdesk_webhook.relay import LogoutRelay, relay_client
from talkdesk_webhook.relay_keys import RelayKeys
from talkdesk_webhook.settings import PREFIX, Settings

__all__ = ["Clients", "build", "main"]

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Clients:
    """What requests are made with; neither can take the other's connections."""

    kube: Kube
    gateway: httpx.AsyncClient
    """Asks for signing keys."""
    relay: httpx.AsyncClient
    """Passes logouts on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the webhook; return 0 after an orderly end, 1 when it can't listen, 2 when its settings are no good."""
    _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        return _unusable(_in_one_line(error))
    logs.configure(settings.log_level, settings.log_format)
    # uvicorn raises the signal that ended it once more when it is done; by then nothing is left to interrupt.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
            return runner.run(_serve(settings))
    except KubeRefused as error:
        return _unusable(str(error))
    except SystemExit:
        return 1  # uvicorn's way to say that it can't listen there; it has logged why


def build(settings: Settings, clients: Clients, registry: CollectorRegistry) -> Starlette:
    """Connect the parts."""
    times = KeyTimes(refresh=settings.key_refresh, keep=settings.key_keep, unknown=settings.key_unknown)
    relay_keys = RelayKeys(clients.kube, settings.app_refresh)
    receiver = Receiver(
        Apps(clients.kube, settings.app_refresh),
        SigningKeys(clients.gateway, times),
        Inbox(clients.kube),
        LogoutRelay(clients.relay, relay_keys, in_flight=settings.logouts_in_flight),
        body_limits=BodyLimits(settings.max_body_bytes, settings.body_within),
        answer_within=settings.answer_within,
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
        gateway_client(settings.gateway_timeout, user_agent=user_agent) as gateway,
        relay_client(settings.max_in_flight, user_agent=user_agent) as relay,
    ):
        config = _server_config(settings, build(settings, Clients(kube, gateway, relay), registry))
        listener = config.bind_socket()
        _log.info("listening", address=listener.getsockname()[0], port=listener.getsockname()[1], cluster=kube.server)
        await uvicorn.Server(config).serve([listener])
    _log.info("ended")
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
        timeout_keep_alive=round(settings.keep_alive.total_seconds()),
        timeout_graceful_shutdown=max(1, round(settings.shutdown_within.total_seconds())),
    )


def _parser() -> argparse.ArgumentParser:
    lines = [
        f"  {PREFIX}{name.upper()}  (default: {field.default if field.default is not None else 'none'})\n"
        f"      {field.description}"
        for name, field in Settings.model_fields.items()
    ]
    parser = argparse.ArgumentParser(
        prog="talkdesk-webhook",
        description="Takes Talkdesk's lifecycle events and stores them as TalkdeskInstallations.",
        epilog="environment variables:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("talkdesk-operator"))
    return parser


def _in_one_line(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(f"{PREFIX}{str(problem['loc'][0]).upper()}: {problem['msg']}" for problem in problems)


def _unusable(why: str) -> int:
    sys.stderr.write(f"talkdesk-webhook: {' '.join(why.split())}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
