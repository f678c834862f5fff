"""The operator as a process: reads settings, connects what belongs together, works until SIGTERM or SIGINT.

The composition root: beside `cli.live` the only module that names adapters, and the one place where the process gets
its clock and its source of random numbers.
"""

import asyncio
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from talkdesk_operator.adapters.hooks import HookClient, HookSettings
from talkdesk_operator.adapters.hooks.denied import denied_to_hooks
from talkdesk_operator.adapters.kubernetes.access_reviews import KubernetesAccessReviews
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.drift import DriftWatches
from talkdesk_operator.adapters.kubernetes.hook_records import SecretHookRecordStore
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.adapters.kubernetes.revisions import KubernetesRevisions
from talkdesk_operator.adapters.kubernetes.user_records import SecretUserRecordStore
from talkdesk_operator.adapters.notifications import HttpNotificationSender
from talkdesk_operator.adapters.scim_on_demand import ScimOnDemand
from talkdesk_operator.adapters.talkdesk import ClientSettings, TalkdeskClient
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.tenant.drift import targets_of
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.domain.tenant.waiting import WaitingTenants
from talkdesk_operator.informer.object_sightings import ObjectSightings
from talkdesk_operator.informer.survey import ApiSurvey
from talkdesk_operator.process.controller import BuildReconciler, Parts
from talkdesk_operator.process.last_resort import end_when_continued, end_within
from talkdesk_operator.process.run import serve
from talkdesk_operator.process.tuning import tune
from talkdesk_operator.reconcilers import (
    AccountReconciler,
    AppReconciler,
    CompiledApps,
    InstallationReconciler,
    TenantReconciler,
)
from talkdesk_operator.reconcilers.hooks.tenant_hooks import HookParts
from talkdesk_operator.reconcilers.installation_statuses import InstallationStatuses
from talkdesk_operator.reconcilers.notifications.courier import Courier
from talkdesk_operator.reconcilers.notifications.endpoint_targets import EndpointTargets
from talkdesk_operator.reconcilers.notifications.recorder import Recorder
from talkdesk_operator.reconcilers.rollouts import Rollouts
from talkdesk_operator.reconcilers.share import Share
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.contract import Cause, Reconcile
from talkdesk_runtime import logs
from talkdesk_runtime.background import in_background
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.circuit_breaker import BreakerLimits
from talkdesk_runtime.clock import Clock, new_rng
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.proxy import ProxyUnusable
from talkdesk_runtime.settings import UnusableSettings, read_settings, report
from talkdesk_runtime.side_ports import CannotListen
from talkdesk_runtime.tls_files import CertificateUnusable

__all__ = ["build_reconciler", "run"]


@asynccontextmanager
async def build_reconciler(parts: Parts) -> AsyncIterator[Reconcile]:
    """Connect the adapters and the reconcilers. At the end, close every one, also when closing another failed."""
    cache, metrics, clock = parts.cache, parts.metrics, parts.clock
    tls = _trust(parts.settings)
    async with AsyncExitStack() as stack:
        resources = Resources(parts.kube)
        ledger, waiting = DriftLedger(), WaitingTenants()
        sightings = ObjectSightings(cache, parts.queue, ledger, waiting, count=metrics.count_drift, now=clock.now)
        drift = DriftWatches(
            parts.kube,
            resources,
            sightings.seen,
            audit=sightings.audit,
            clock=clock,
            rng=parts.rng,
            shard=parts.shard,
        )

        def applied(identity: str, live: Mapping[str, Any]) -> None:
            drift.applied(identity, live)
            ledger.applied(live)

        cluster = KubernetesCluster(
            parts.kube,
            resources,
            instance=parts.identity,
            seen=parts.on_own_write,
            applied=applied,
            wrote=metrics.count_write,
            now=clock.now,
            watches=drift,
        )
        talkdesk = TalkdeskClient(
            _limits(parts.settings),
            tls=tls,
            clock=clock,
            rng=parts.rng,
            observe=metrics.count_talkdesk_request,
            fence=parts.fence,
        )
        stack.push_async_callback(talkdesk.aclose)
        scim = ScimOnDemand(
            lambda adapter: adapter.ScimClient(
                adapter.ScimSettings(denied_networks=parts.settings.denied_networks),
                tls=tls,
                clock=clock,
                observe=metrics.count_scim_request,
                fence=parts.fence,
            )
        )
        stack.push_async_callback(scim.aclose)
        denied = denied_to_hooks(
            parts.settings.denied_networks, parts.settings.allowed_hook_networks, parts.kube.server
        )
        hooks = HookClient(HookSettings(denied), clock=clock, observe=metrics.count_hook_request, fence=parts.fence)
        stack.push_async_callback(hooks.aclose)
        endpoints = HookClient(HookSettings(denied), clock=clock, observe=metrics.count_notification, fence=parts.fence)
        stack.push_async_callback(endpoints.aclose)
        courier = Courier(
            cache,
            HttpNotificationSender(endpoints),
            EndpointTargets(cluster.read_secret, clock),
            Recorder(
                cache,
                cluster,
                clock=clock,
                chance=parts.rng.random,
                wake=lambda key: parts.queue.add(key, Priority.CHANGED, cause=Cause.RETRY),
            ),
            clock=clock,
            chance=parts.rng.random,
            allow_insecure=parts.settings.allow_insecure,
        )
        stack.push_async_callback(courier.aclose)
        stack.enter_context(metrics.breakers.reading(talkdesk.open_breakers))
        records = SecretUserRecordStore(parts.kube, wrote=metrics.count_write)
        sync = UserSync(cluster.read_secret, records, scim, monotonic=clock.monotonic)
        users = LicensedUsers(talkdesk, sync)
        tenants = TenantReconciler(
            cluster,
            clock.now,
            users=users,
            cached=cache.installations,
            ledger=ledger,
            waiting=waiting,
            hooks=HookParts(
                cluster.read_secret,
                SecretHookRecordStore(parts.kube, wrote=metrics.count_write),
                hooks,
                clock.now,
                new_id=lambda: secrets.token_hex(8),
            ),
        )
        installations = InstallationReconciler(
            cluster,
            TalkdeskSteps(cluster, talkdesk),
            tenants,
            users,
            reread=cache.current,
            now=clock.now,
            answered=metrics.count_answer,
            statuses=InstallationStatuses(cluster, reread=cache.current, chance=parts.rng.random, notifier=courier),
        )
        reviews, insecure = KubernetesAccessReviews(parts.kube, resources), parts.settings.allow_insecure
        apps = CompiledApps(cluster, clock.now, access=reviews, allow_insecure=insecure)

        def follow() -> None:
            views = (view for app in cache.apps() for view in apps.all_views(app))
            drift.follow(frozenset(target for view in views for target in targets_of(view)))

        survey = None if parts.shard.is_whole else ApiSurvey(parts.kube, cache, parts.shard)
        revisions = KubernetesRevisions(parts.kube, wrote=metrics.count_write)
        rollouts = Rollouts(cache, cluster, apps, revisions, now=clock.now, survey=survey)
        share = Share(follow, parts.shard, survey)
        app = AppReconciler(cache, cluster, apps, now=clock.now, share=share, rollouts=rollouts)
        account = AccountReconciler(
            cache,
            cluster,
            app,
            installations,
            tenants,
            now=clock.now,
            share=share,
            ledger=ledger,
        )
        await stack.enter_async_context(in_background(drift.run(), "drift"))
        yield account.reconcile


def _limits(settings: Settings) -> ClientSettings:
    return ClientSettings(
        denied_networks=settings.denied_networks,
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
        return asyncio.run(
            serve(
                settings,
                build,
                clock=Clock.system(),
                rng=new_rng(),
                ending=end_within,
                leading=end_when_continued,
            )
        )
    except (KubeRefused, ProxyUnusable, CertificateUnusable) as error:
        report(Settings, error)
        return 2
    except CannotListen as error:
        report(Settings, error)
        return 1
