"""The operator as a process: reads settings, connects what belongs together, works until SIGTERM or SIGINT.

The composition root: the only module that names the adapters, and the one place where the process gets its clock and
its source of random numbers.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.drift import DriftWatches
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.adapters.kubernetes.user_records import SecretUserRecordStore
from talkdesk_operator.adapters.scim_on_demand import ScimOnDemand
from talkdesk_operator.adapters.talkdesk import ClientSettings, TalkdeskClient
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.tenant.drift import targets_of
from talkdesk_operator.observability.metrics import CircuitBreakersCollector
from talkdesk_operator.observability.probes import CannotListen
from talkdesk_operator.process.run import BuildReconciler, Parts, serve
from talkdesk_operator.process.tuning import tune
from talkdesk_operator.reconcilers import AccountReconciler, CompiledApps, InstallationReconciler, TenantReconciler
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.contract import Cause, Reconcile
from talkdesk_runtime import logs
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits
from talkdesk_runtime.clock import Clock, new_rng
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.proxy import ProxyUnusable
from talkdesk_runtime.settings import UnusableSettings, read_settings, report

__all__ = ["build_reconciler", "run"]


@asynccontextmanager
async def build_reconciler(parts: Parts) -> AsyncIterator[Reconcile]:
    """Connect the adapters and the reconcilers. At the end, close every one, also when closing another failed."""
    cache, metrics, clock = parts.cache, parts.metrics, parts.clock
    tls = _trust(parts.settings)
    async with AsyncExitStack() as stack:
        resources = Resources(parts.kube)
        drift = DriftWatches(
            parts.kube, resources, _queue_drift(parts), count=metrics.count_drift, clock=clock, rng=parts.rng
        )
        cluster = KubernetesCluster(
            parts.kube,
            resources,
            instance=parts.identity,
            seen=parts.on_own_write,
            applied=drift.applied,
            wrote=metrics.count_write,
            now=clock.now,
        )
        talkdesk = TalkdeskClient(
            _limits(parts.settings), tls=tls, clock=clock, rng=parts.rng, observe=metrics.count_talkdesk_request
        )
        stack.push_async_callback(talkdesk.aclose)
        scim = ScimOnDemand(
            lambda adapter: adapter.ScimClient(tls=tls, clock=clock, observe=metrics.count_scim_request)
        )
        stack.push_async_callback(scim.aclose)
        breakers = CircuitBreakersCollector(talkdesk.open_breakers)
        metrics.registry.register(breakers)
        stack.callback(metrics.registry.unregister, breakers)
        records = SecretUserRecordStore(parts.kube, wrote=metrics.count_write)
        sync = UserSync(cluster.read_credentials, records, scim, monotonic=clock.monotonic)
        users = LicensedUsers(talkdesk, sync)
        tenants = TenantReconciler(cluster, clock.now, forget=users.forget)
        installations = InstallationReconciler(
            cluster,
            TalkdeskSteps(cluster, talkdesk),
            tenants,
            users,
            reread=cache.current,
            now=clock.now,
            chance=parts.rng.random,
            answered=metrics.count_answer,
        )
        apps = CompiledApps(cluster, clock.now)

        def follow() -> None:
            drift.follow(frozenset(target for app in cache.apps() for target in targets_of(apps.view(app))))

        account = AccountReconciler(cache, cluster, apps, installations, tenants, now=clock.now, follow=follow)
        await stack.enter_async_context(_in_background(drift.run(), "drift"))
        yield account.reconcile


def _limits(settings: Settings) -> ClientSettings:
    return ClientSettings(
        connect_timeout=settings.talkdesk_connect_timeout,
        total_timeout=settings.talkdesk_timeout,
        concurrency=settings.talkdesk_concurrency,
        breaker=BreakerLimits(
            failures=settings.talkdesk_breaker_failures,
            open_time=Backoff(settings.talkdesk_breaker_min_open_time, settings.talkdesk_breaker_max_open_time),
        ),
    )


def _trust(settings: Settings) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    if settings.talkdesk_ca_file is not None:
        tls.load_verify_locations(settings.talkdesk_ca_file)
    return tls


def _queue_drift(parts: Parts) -> Callable[[str, str], None]:
    def drifted(namespace: str, tenant: str) -> None:
        key = parts.cache.key_of_tenant(namespace, tenant)
        if key is not None:
            parts.queue.add(key, Priority.CHANGED, cause=Cause.DRIFT)

    return drifted


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run something until the end of the block. An error in it costs only itself, but is logged when it happens."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            structlog.stdlib.get_logger(__name__).error("operator.part_failed", part=name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(arguments: Sequence[str] | None = None, build: BuildReconciler = build_reconciler) -> int:
    """Run the operator; return 0 after an orderly end, 1 when it must start anew, 2 when its settings are no good."""
    try:
        settings = read_settings(Settings, sys.argv[1:] if arguments is None else arguments)
    except UnusableSettings as error:
        report(Settings, error)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    tune()
    try:
        return asyncio.run(serve(settings, build, clock=Clock.system(), rng=new_rng()))
    except (KubeRefused, ProxyUnusable) as error:
        report(Settings, error)
        return 2
    except CannotListen as error:
        report(Settings, error)
        return 1
