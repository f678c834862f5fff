"""The operator as a process that works on one shard and asks nobody: `python -m builders.pinned_operator`.

SHARD says which one, such as 0/2. All else is the real thing: settings, informer, reconcilers, probes and metrics.
"""

import asyncio
import os
import sys
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector

from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.observability.probes import Health, probes_of
from talkdesk_operator.process.controller import Controller, ProcessParts, Unelected
from talkdesk_operator.process.shutdown import Shutdown
from talkdesk_operator.process.tuning import tune
from talkdesk_operator.settings import Settings
from talkdesk_operator.wiring import build_reconciler
from talkdesk_runtime import logs
from talkdesk_runtime.clock import Clock, new_rng
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.settings import read_settings
from talkdesk_runtime.side_ports import serving_metrics, serving_probes
from talkdesk_runtime.token_review import TokenReviews


async def run(shard: Shard, settings: Settings) -> int:
    """Work on the shard until a signal; return the exit code."""
    clock, shutdown = Clock.system(), Shutdown(begun=lambda: None)
    shutdown.install_signal_handlers()
    health = Health(clock=clock.monotonic, max_event_age=None)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry)
    kube = await Kube.connect(
        user_agent=f"talkdesk-operator/{version('talkdesk-operator')}",
        kubeconfig=settings.kubeconfig,
        connections=settings.kubernetes_connections,
        timeout=settings.kubernetes_timeout,
    )
    async with (
        kube,
        serving_probes(probes_of(health), settings),
        serving_metrics(registry, settings, metrics.tls, TokenReviews(kube, clock=clock)),
    ):
        identity = f"shard-{shard.index}-of-{shard.count}"
        parts = ProcessParts(settings, kube, identity, health, shutdown, metrics, clock, new_rng())
        await Controller(parts, build_reconciler, election=Unelected(clock), lease=None, shard=shard).run()
    return shutdown.code


def main() -> int:
    """Read what is to be done from the environment."""
    index, _, count = os.environ["SHARD"].partition("/")
    settings = read_settings(Settings, [])
    logs.configure(settings.log_level, settings.log_format)
    tune()
    return asyncio.run(run(Shard(int(index), int(count)), settings))


if __name__ == "__main__":
    sys.exit(main())
