"""The operator's process: settings, connection, probes, signals, and the controllers that do the work.

Belongs here: what a process has once. Does not belong here: what begins and ends in which order for a Lease
(`controller`), what any part does, nor which reconciler runs, which `wiring` decides.

    probes ──▶ controller ──▶ signal, or the end of any part (exit code 1) ──▶ the controller ends ──▶ connections end
               (one, or where accounts are divided one for each shard that is held)

Every end is bounded in time: where something hangs, `last_resort` ends the process, and the Lease is left to expire. A
second signal cancels running reconciles at once, and so does the loss of the Lease, also during the end.
"""

import random
import socket
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from talkdesk_operator.informer.kopf_watch import LeasePlace
from talkdesk_operator.observability.loop_lag import LoopLag
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.observability.probes import Health, HealthReport, JointHealth, probes_of
from talkdesk_operator.process.controller import BuildReconciler, Controller, Election, ProcessParts, Unelected
from talkdesk_operator.process.leader_election import ElectionTimes, Leadership
from talkdesk_operator.process.lease import Lease
from talkdesk_operator.process.sharded import connections_for_leases, shard_set
from talkdesk_operator.process.shutdown import Shutdown
from talkdesk_operator.settings import Settings
from talkdesk_runtime.background import in_background
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.programs import installed_version
from talkdesk_runtime.proxy import ProxyUnusable
from talkdesk_runtime.side_ports import CannotListen, serving_metrics, serving_probes
from talkdesk_runtime.tls_files import CertificateUnusable
from talkdesk_runtime.token_review import TokenReviews

__all__ = ["serve"]


async def serve(
    settings: Settings,
    build: BuildReconciler,
    *,
    clock: Clock,
    rng: random.Random,
    ending: Callable[[timedelta], object] = lambda _: None,
    leading: Callable[[Callable[[], bool]], object] = lambda _: None,
) -> int:
    """Run until a signal or a loss; return the exit code: 0 after a signal, else 1.

    `ending` gets the time in which the process must have ended, when it begins to end; `leading` gets a function that
    says whether a leadership has expired, before any begins. Raises KubeRefused without a usable configuration for the
    Kubernetes API, CannotListen without the port of probes or metrics, CertificateUnusable without the certificate of
    the latter.
    """
    shutdown = Shutdown(begun=lambda: ending(settings.shutdown_timeout + _CLOSING))
    shutdown.install_signal_handlers()
    log = structlog.stdlib.get_logger(__name__)
    try:
        code = await _serve(settings, build, shutdown, clock, rng, leading)
    except (KubeRefused, ProxyUnusable, CannotListen, CertificateUnusable):
        raise  # nothing has begun
    except BaseException as error:
        shutdown.begin(type(error).__name__, 1)
        raise
    log.info("operator.ended", reason=shutdown.reason, code=code)
    return code


async def _serve(
    settings: Settings,
    build: BuildReconciler,
    shutdown: Shutdown,
    clock: Clock,
    rng: random.Random,
    leading: Callable[[Callable[[], bool]], object],
) -> int:
    limit = settings.watch_inactivity_timeout if settings.leader_election else None
    health = Health(clock=clock.monotonic, max_event_age=limit)
    joint = JointHealth(health) if settings.shards > 1 else None
    lag = LoopLag(clock.monotonic, clock.sleep)
    metrics = _metrics(joint or health, lag)
    metrics.shards.set(settings.shards)
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    kube = await _connect(settings, settings.kubernetes_connections)
    async with (
        kube,
        in_background(lag.run(), "event loop's lag"),
        serving_probes(probes_of(joint or health), settings),
        serving_metrics(metrics.registry, settings, metrics.tls, TokenReviews(kube, clock=clock)),
    ):
        parts = ProcessParts(settings, kube, identity, health, shutdown, metrics, clock, rng)
        await (_alone(parts, build, leading) if joint is None else _sharing(parts, build, leading, joint))
    return shutdown.code


async def _connect(settings: Settings, connections: int) -> Kube:
    return await Kube.connect(
        user_agent=f"talkdesk-operator/{installed_version()}",
        kubeconfig=settings.kubeconfig,
        connections=connections,
        timeout=settings.kubernetes_timeout,
    )


async def _alone(parts: ProcessParts, build: BuildReconciler, leading: Callable[[Callable[[], bool]], object]) -> None:
    """Work on all accounts, or stand by."""
    lease = _lease_place(parts.settings) if parts.settings.leader_election else None
    election = _election(parts, lease)
    leading(election.fence.has_expired)
    await Controller(parts, build, election=election, lease=lease).run()


async def _sharing(
    parts: ProcessParts, build: BuildReconciler, leading: Callable[[Callable[[], bool]], object], health: JointHealth
) -> None:
    """Work on some shards, or on none for the time being."""
    place, end = _lease_place(parts.settings), parts.settings.shutdown_timeout + _CLOSING
    # Several controllers may well use up all connections of the process; the Leases must not wait for these.
    async with await _connect(parts.settings, connections_for_leases(parts.settings.shards)) as leases:
        shards = shard_set(parts, build, place, leases=leases, health=health, end=end)
        leading(shards.has_expired)
        await shards.run()


def _lease_place(settings: Settings) -> LeasePlace:
    return LeasePlace(settings.namespace_of_lease(), settings.lease_name)


def _election(parts: ProcessParts, place: LeasePlace | None) -> Election:
    if place is None:
        return Unelected(parts.clock)
    times = ElectionTimes()
    lease = Lease(parts.kube, place.namespace, place.name, parts.identity, times, parts.clock)
    return Leadership(lease, clock=parts.clock, rng=parts.rng, times=times)


_CLOSING: Final = timedelta(seconds=15)
"""For everything after the last reconcile: watches, connections, the Lease. With the default time for reconciles, this
is less than the pod's grace."""


def _metrics(health: HealthReport, lag: LoopLag) -> Metrics:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    metrics = Metrics(registry)
    metrics.watch_age.set_function(health.event_age)
    metrics.loop_lag.set_function(lag.longest)
    return metrics
