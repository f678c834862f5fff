"""The operator's process around the reconcilers: standby, loading, work, and an orderly end.

Belongs here: what starts and ends in which order. Does not belong here: what any part does, nor which reconciler runs,
which `wiring` decides.

    probes ──▶ Lease ──▶ list ──▶ workers, watch, relist ──▶ signal ──▶ workers end ──▶ watches end ──▶ Lease given back
                 │                        │
                 │                        └── one of them ends ──▶ the same end, exit code 1
                 └── lost ──▶ workers are cancelled at once, exit code 1
"""

import asyncio
import random
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
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
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube

__all__ = ["BuildReconciler", "Parts", "Shutdown", "serve"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reconciler can be made of."""

    settings: Settings
    kube: Kube
    cache: InformerCache
    queue: WorkQueue
    metrics: Metrics
    on_own_write: Callable[[Mapping[str, Any]], None]
    """Takes an object of ours as the answer to a write showed it; see Handlers."""
    identity: str
    """Names this process among all operators."""
    clock: Clock
    rng: random.Random


BuildReconciler: TypeAlias = Callable[[Parts], AbstractAsyncContextManager[Reconcile]]
"""Makes the reconciler, and at the end closes what it was made of."""


@dataclass(slots=True)
class Shutdown:
    """Why the process ends; the first reason stands."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0
    abrupt: bool = False
    """Running reconciles must stop now, because another process may begin with the same accounts."""

    def begin(self, reason: str, code: int, *, abrupt: bool = False) -> None:
        """Begin to end, with that exit code."""
        if not self.event.is_set():
            self.code, self.abrupt = code, abrupt
            structlog.stdlib.get_logger(__name__).info("operator.stopping", reason=reason, code=code)
            self.event.set()

    def install_signal_handlers(self) -> None:
        """End in order at SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.begin, number.name, 0)

    def supervise(self, coroutine: Coroutine[Any, Any, None], name: str, *, abrupt: bool = False) -> asyncio.Task[None]:
        """Start something that goes on for as long as the process; when it ends before, so does the process."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                structlog.stdlib.get_logger(__name__).error("operator.part_failed", part=name, exc_info=error)
            self.begin(f"{name} ended", 1, abrupt=abrupt)

        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(ended)
        return task

    async def completes_before(self, work: Awaitable[None]) -> bool:
        """Wait for the work or the begin of the end; return whether the work was first. Else it is cancelled.

        Raises what the work raised.
        """
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


async def serve(settings: Settings, build: BuildReconciler, *, clock: Clock, rng: random.Random) -> int:
    """Run until a signal or a loss; return the exit code: 0 after a signal, else 1.

    Raises KubeRefused without a usable configuration for the Kubernetes API, CannotListen without the probes' port.
    """
    shutdown = Shutdown()
    shutdown.install_signal_handlers()
    kube = await Kube.connect(
        user_agent=f"talkdesk-operator/{version('talkdesk-operator')}",
        kubeconfig=settings.kubeconfig,
        connections=settings.kubernetes_connections,
        timeout=settings.kubernetes_timeout,
    )
    limit = settings.watch_inactivity_timeout if settings.leader_election else None
    health = Health(clock=clock.monotonic, max_event_age=limit)
    process = _Process(settings, build, kube, health, shutdown, clock, rng)
    async with (
        kube,
        serving(health, process.metrics.registry, host=settings.probe_bind_address, port=settings.probe_port),
    ):
        if not settings.leader_election:
            await process.work()
            return shutdown.code
        leadership = Leadership(
            kube,
            namespace=settings.namespace_of_lease(),
            name=settings.lease_name,
            identity=process.parts.identity,
            clock=clock,
        )
        health.enter(Stage.STANDBY)
        try:
            if await shutdown.completes_before(leadership.acquire()):
                lost = shutdown.supervise(leadership.lost(), "leadership", abrupt=True)
                await process.work()
                lost.cancel()
        finally:
            await leadership.release()
    return shutdown.code


class _Process:
    """The parts of one process, and what they do from the first listing to the end of the last reconcile."""

    def __init__(
        self,
        settings: Settings,
        build: BuildReconciler,
        kube: Kube,
        health: Health,
        shutdown: Shutdown,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._build = build
        self._health = health
        self._shutdown = shutdown
        self.metrics = _metrics(health)
        cache = InformerCache()
        self.metrics.registry.register(InstallationsCollector(cache.all_installations, clock.now))
        bounds = QueueSettings(
            workers=settings.workers, grace=settings.shutdown_timeout, resync_jitter=settings.resync_jitter
        )
        queue = WorkQueue(self.metrics, scheduler=asyncio.get_running_loop(), rng=rng, settings=bounds)
        self._handlers = Handlers(cache, queue, health, prioritize=priority_of, now=clock.now)
        self._relist = Relist(kube, cache, settings.namespaces, clock=clock, rng=rng)
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        written = self._handlers.on_own_write
        self.parts = Parts(settings, kube, cache, queue, self.metrics, written, identity, clock, rng)

    async def work(self) -> None:
        """List everything, then reconcile until the end of the process begins, and end in order."""
        self._health.enter(Stage.LOADING)
        if not await self._shutdown.completes_before(self._relist.load_until_successful(self._health)):
            return
        for key in self.parts.cache.account_keys():
            self._handlers.enqueue(key, Cause.STARTUP)
        async with self._build(self.parts) as reconcile:
            workers = self._shutdown.supervise(self.parts.queue.run(reconcile, self._shutdown.event), "workers")
            watches = [
                self._shutdown.supervise(self._watch(), "watch"),
                self._shutdown.supervise(
                    self._relist.repeat(
                        self._settings.relist_interval, lambda key: self._handlers.enqueue(key, Cause.WATCH)
                    ),
                    "listing",
                ),
            ]
            self._health.enter(Stage.RUNNING)
            await self._shutdown.event.wait()
            self._health.enter(Stage.STOPPING)
            if self._shutdown.abrupt:
                workers.cancel()
            # The watches go on until the last reconcile has ended, which may yet need what they bring.
            await asyncio.gather(workers, return_exceptions=True)
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def _watch(self) -> None:
        settings, parts = self._settings, self.parts
        lease = LeasePlace(settings.namespace_of_lease(), settings.lease_name) if settings.leader_election else None
        await watch(
            parts.kube,
            self._handlers.registry(lease=lease is not None),
            kopf_settings(lease, parts.rng),
            settings.namespaces,
            clock=parts.clock,
            started=self._shutdown.install_signal_handlers,
        )


def _metrics(health: Health) -> Metrics:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    metrics = Metrics(registry)
    metrics.watch_age.set_function(health.event_age)
    return metrics
