"""The operator's process around the reconcilers: standby, loading, work, and an orderly end.

Belongs here: what starts and ends in which order. Does not belong here: what any part does, nor which reconciler runs,
which the composition root says.
"""

import asyncio
import random
import signal
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeAlias

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from talkdesk_operator.domain.installation.priority import priority_of
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.handlers import Handlers
from talkdesk_operator.informer.kopf_watch import LeasePlace, kopf_settings, watch
from talkdesk_operator.informer.relist import Relist
from talkdesk_operator.observability.metrics import InstallationsCollector, Metrics
from talkdesk_operator.observability.probes import Health, Stage, serving
from talkdesk_operator.process.leader_election import Leadership
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.queue import Cause, QueueSettings, Reconcile, WorkQueue
from talkdesk_runtime.kube import Kube

__all__ = ["BuildReconciler", "Parts", "serve"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reconciler can be made of."""

    settings: Settings
    kube: Kube
    store: InformerCache
    queue: WorkQueue
    metrics: Metrics
    identity: str
    """Names this process among all operators."""
    rng: random.Random


BuildReconciler: TypeAlias = Callable[[Parts], AbstractAsyncContextManager[Reconcile]]
"""Makes the reconciler, and at the end closes what it was made of."""


@dataclass(slots=True)
class Shutdown:
    """Why the process ends; the first reason stands."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0
    abrupt: bool = False
    """Running work must stop now, as another process may begin with it."""

    def begin(self, reason: str, code: int, *, abrupt: bool = False) -> None:
        """Begin to end, with that exit code."""
        if not self.event.is_set():
            self.code, self.abrupt = code, abrupt
            structlog.stdlib.get_logger(__name__).info("operator.stopping", reason=reason, code=code)
            self.event.set()

    def take_signals(self) -> None:
        """End in order at SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.begin, number.name, 0)

    def supervise(self, coroutine: Coroutine[Any, Any, None], name: str, *, abrupt: bool = False) -> asyncio.Task[None]:
        """Start something that goes on for as long as the process; when it ends before, so does the process."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                structlog.stdlib.get_logger(__name__).error("operator.part_broke", part=name, exc_info=error)
            self.begin(f"{name} ended", 1, abrupt=abrupt)

        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(ended)
        return task

    async def unless_stopped(self, work: Awaitable[None]) -> bool:
        """Wait for the work or the end of the process, whichever is first; return whether the work is done."""
        task = asyncio.ensure_future(work)
        end = asyncio.create_task(self.event.wait())
        try:
            await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            end.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if task.cancelled():
            return False
        task.result()
        return not self.event.is_set()


async def serve(settings: Settings, build: BuildReconciler) -> int:
    """Run until a signal or a loss; return the exit code: 0 after a signal, else 1.

    Raises KubeRefused without a usable configuration for the Kubernetes API, CannotListen without the probes' port.
    """
    shutdown = Shutdown()
    shutdown.take_signals()
    kube = await Kube.connect(
        user_agent=f"talkdesk-operator/{version('talkdesk-operator')}",
        kubeconfig=settings.kubeconfig,
        connections=settings.kubernetes_connections,
        timeout=settings.kubernetes_timeout,
    )
    limit = settings.watch_inactivity_timeout if settings.leader_election else None
    health = Health(clock=time.monotonic, silence_limit=limit)
    parts = _parts(settings, kube, health)
    async with (
        kube,
        serving(health, parts.metrics.registry, host=settings.probe_bind_address, port=settings.probe_port),
    ):
        if not settings.leader_election:
            await _work(parts, build, health, shutdown)
            return shutdown.code
        place = settings.namespace_of_lease()
        leadership = Leadership(kube, namespace=place, name=settings.lease_name, identity=parts.identity)
        health.enter(Stage.STANDBY)
        try:
            if await shutdown.unless_stopped(leadership.acquire()):
                lost = shutdown.supervise(leadership.lost(), "leadership", abrupt=True)
                await _work(parts, build, health, shutdown)
                lost.cancel()
        finally:
            await leadership.release()
    return shutdown.code


async def _work(parts: Parts, build: BuildReconciler, health: Health, shutdown: Shutdown) -> None:
    settings, store, queue = parts.settings, parts.store, parts.queue
    health.enter(Stage.LOADING)
    listing = Relist(parts.kube, store, settings.namespaces)
    if not await shutdown.unless_stopped(listing.load_until_successful(health, parts.rng)):
        return
    handlers = Handlers(store, queue, health, prioritize=priority_of, now=_now)
    for key in store.account_keys():
        handlers.enqueue(key, Cause.STARTUP)
    lease = LeasePlace(settings.namespace_of_lease(), settings.lease_name) if settings.leader_election else None
    async with build(parts) as reconcile:
        workers = shutdown.supervise(queue.run(reconcile, shutdown.event), "workers")
        registry, watching = handlers.registry(lease=lease is not None), kopf_settings(lease)
        others = [
            shutdown.supervise(
                watch(parts.kube, registry, watching, settings.namespaces, shutdown.take_signals), "watch"
            ),
            shutdown.supervise(
                listing.repeat(settings.relist_interval, parts.rng, lambda key: handlers.enqueue(key, Cause.WATCH)),
                "listing",
            ),
        ]
        health.enter(Stage.RUNNING)
        await shutdown.event.wait()
        health.enter(Stage.STOPPING)
        if shutdown.abrupt:
            workers.cancel()
        # The watches go on until the last pass has ended, which may yet need what they bring.
        await asyncio.gather(workers, return_exceptions=True)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _parts(settings: Settings, kube: Kube, health: Health) -> Parts:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    metrics = Metrics(registry)
    metrics.watch_age.set_function(health.silence)
    rng = random.Random()  # noqa: S311 - spreads load, protects nothing
    bounds = QueueSettings(
        workers=settings.workers, grace=settings.shutdown_timeout, resync_jitter=settings.resync_jitter
    )
    queue = WorkQueue(metrics, clock=asyncio.get_running_loop(), rng=rng, settings=bounds)
    store = InformerCache(echoed=queue.disown)
    registry.register(InstallationsCollector(store.all_installations, _now))
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    return Parts(settings, kube, store, queue, metrics, identity, rng)


def _now() -> datetime:
    return datetime.now(UTC)
