"""The operator as a process: reads settings, connects what belongs together, works until SIGTERM or SIGINT.

The composition root: the only module that names the adapters.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

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
from talkdesk_operator.reconcilers.talkdesk import TalkdeskSteps
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.contract import Cause, Reconcile
from talkdesk_runtime import logs
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.proxy import ProxyUnusable
from talkdesk_runtime.settings import UnusableSettings, read_settings, report

__all__ = ["build_reconciler", "run"]


@asynccontextmanager
async def build_reconciler(parts: Parts) -> AsyncIterator[Reconcile]:
    """Connect the adapters and the reconcilers, and close them at the end."""
    settings, store, metrics = parts.settings, parts.store, parts.metrics
    bounds = ClientSettings(
        connect_timeout=settings.talkdesk_connect_timeout,
        total_timeout=settings.talkdesk_timeout,
        concurrency=settings.talkdesk_concurrency,
        breaker=BreakerLimits(
            failures=settings.talkdesk_breaker_failures,
            open_time=Backoff(settings.talkdesk_breaker_min_open_time, settings.talkdesk_breaker_max_open_time),
        ),
    )
    tls = ssl.create_default_context()
    if settings.talkdesk_ca_file is not None:
        tls.load_verify_locations(settings.talkdesk_ca_file)
    resources = Resources(parts.kube)

    def drifted(namespace: str, tenant: str) -> None:
        key = store.key_of_tenant(namespace, tenant)
        if key is not None:
            parts.queue.add(key, Priority.CHANGED, cause=Cause.DRIFT)

    drift = DriftWatches(parts.kube, resources, drifted, observe=metrics.count_drift, rng=parts.rng)
    cluster = KubernetesCluster(
        parts.kube,
        resources,
        instance=parts.identity,
        seen=store.put,
        applied=drift.applied,
        wrote=metrics.count_write,
    )
    talkdesk = TalkdeskClient(bounds, tls=tls, rng=parts.rng, observe=metrics.count_talkdesk_request)
    breakers = CircuitBreakersCollector(talkdesk.open_breakers)
    metrics.registry.register(breakers)
    scim = ScimOnDemand(lambda adapter: adapter.ScimClient(tls=tls, observe=metrics.count_scim_request))
    records = SecretUserRecordStore(parts.kube, wrote=metrics.count_write)
    users = LicensedUsers(talkdesk, UserSync(cluster.read_credentials, records, scim))
    tenants = TenantReconciler(cluster, _now, forget=users.forget)
    installations = InstallationReconciler(
        cluster,
        TalkdeskSteps(cluster, talkdesk),
        tenants,
        users,
        reread=store.current,
        now=_now,
        answered=metrics.count_answer,
    )
    apps = CompiledApps(cluster, _now)

    def follow() -> None:
        drift.follow(frozenset(target for app in store.apps() for target in targets_of(apps.view(app))))

    watching = asyncio.create_task(drift.run(asyncio.Event()), name="drift")
    try:
        yield AccountReconciler(store, cluster, apps, installations, tenants, now=_now, follow=follow).reconcile
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        metrics.registry.unregister(breakers)
        await talkdesk.aclose()
        await scim.aclose()


def _now() -> datetime:
    return datetime.now(UTC)


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
        return asyncio.run(serve(settings, build))
    except (KubeRefused, ProxyUnusable) as error:
        report(Settings, error)
        return 2
    except CannotListen as error:
        report(Settings, error)
        return 1
