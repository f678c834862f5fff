"""Who acts in the model: the real webhook's inbox and the real operator's reconcilers, over a world."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog

from builders.api_server import HOME, ApiServer, Place
from builders.operator_in_memory import KEY
from model.hook_port import HookPort
from model.hook_properties import has_service
from model.kube import Stored
from model.properties import is_confidential, judge_deletion, judge_end_of_turn, judge_report
from model.records import record
from model.scim_port import ScimPort
from model.suspension import judge_suspension
from model.talkdesk_port import TalkdeskPort
from model.world import World
from talkdesk_crds import KINDS
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.hook_records import SecretHookRecordStore
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.adapters.kubernetes.user_records import SecretUserRecordStore
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.shard import WHOLE
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.domain.tenant.waiting import WaitingTenants
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.cached_object import is_deleted
from talkdesk_operator.reconcilers import (
    AccountReconciler,
    AppReconciler,
    CompiledApps,
    InstallationReconciler,
    TenantReconciler,
)
from talkdesk_operator.reconcilers.hooks.tenant_hooks import HookParts
from talkdesk_operator.reconcilers.installation_statuses import InstallationStatuses
from talkdesk_operator.reconcilers.share import Share
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_operator.workqueue.contract import Cause, Result
from talkdesk_webhook.inbox import Inbox, InboxUnavailable

__all__ = ["deliver", "operate", "operate_beside", "quietly"]

T = TypeVar("T")
_PLURALS = {kind.INFO.kind: kind.INFO.plural for kind in KINDS}
_BACKOFF = 5
"""Seconds until a reconcile that could not even write its status is made again."""
_HORIZON = timedelta(days=300)
"""What comes later is left out: after a year the record of a customer who left goes, of which the properties speak."""


class _Shared:
    """What costs time to make, and depends on nothing that happens: compiled templates, discovery, an event loop."""

    def __init__(self) -> None:
        never: Any = None
        self.apps = CompiledApps(never, never)
        self.resources = Resources(ApiServer().kube)
        self.loop = asyncio.new_event_loop()
        self.inner_loop = asyncio.new_event_loop()
        """For a turn within another's."""


_shared: list[_Shared] = []


def shared() -> _Shared:
    if not _shared:
        _shared.append(_Shared())
    return _shared[0]


_leaks: list[str] = []
"""Lines of the log with a secret, or with a user's name or address."""


def _listen(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if is_confidential(repr(line)):
        _leaks.append(f"I4: a line of the log tells too much: {line['event']}")
    raise structlog.DropEvent


@contextmanager
def quietly() -> Iterator[None]:
    """Let nothing be logged, but what is be looked at; and let garbage be looked for seldom."""
    before, threshold = structlog.get_config(), gc.get_threshold()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20), processors=[_listen])
    gc.freeze()
    gc.set_threshold(200_000, 50, 1000)
    try:
        yield
    finally:
        structlog.configure(**before)
        gc.set_threshold(*threshold)
        gc.unfreeze()
        for loop in (loop for each in _shared for loop in (each.loop, each.inner_loop)):
            loop.close()
        _shared.clear()


def deliver(world: World, number: int) -> None:
    """Let the webhook take an event of Talkdesk's."""
    happening = world.talkdesk.events[number - 1]
    try:
        _driven(Inbox(world.server.kube).store(record(happening)))
    except InboxUnavailable:
        return  # 503: it is delivered again
    finally:
        _judge_lines(world)
    world.pending -= {number}
    world.acknowledged |= {number}


def operate(world: World, *, stale: bool = False) -> None:
    """Let the operator reconcile the account for whatever is due; with a stale cache, before its watches bring news."""
    operator = _Operator(world)
    world.server.deleted = lambda place, raw: judge_deletion(world, place, raw)
    world.server.reported = lambda raw: judge_report(world, raw)
    if not stale and operator.catch_up():
        world.due |= {Cause.WATCH}
    causes, world.due = world.due, frozenset()
    if not causes:
        return
    world.timers.pop(Cause.RETRY, None)
    if Cause.RESYNC in causes:
        world.timers.pop(Cause.RESYNC, None)
    try:
        loop = shared().inner_loop if shared().loop.is_running() else shared().loop
        result = loop.run_until_complete(operator.accounts.reconcile(KEY, causes))
    except Exception as error:  # noqa: BLE001 - whatever escapes is a fault, but a choice of the search's
        world.faults.append(f"the reconcile raised {type(error).__name__}: {error}")
        return
    finally:
        world.cache = None
        _judge_lines(world)
    _plan(world, causes, result)
    judge_end_of_turn(world)
    judge_suspension(world)


def _judge_lines(world: World) -> None:
    world.faults += _leaks
    _leaks.clear()


def operate_beside(world: World) -> None:
    """Let another leader reconcile in the middle of the operator's turn, with a cache that is up to date."""
    mine = world.seen, world.timers, world.due, world.cache, world.effect, world.proven, world.read, world.begun
    world.begun = world.state()
    world.seen, world.timers, world.due = dict(world.ours()), {}, frozenset({Cause.STARTUP})
    world.effect, world.proven, world.read = (lambda _, happen: happen()), set(), {}
    outer = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        operate(world)
    finally:
        asyncio._set_running_loop(outer)
        world.seen, world.timers, world.due, world.cache, world.effect, world.proven, world.read, world.begun = mine


def _plan(world: World, causes: frozenset[Cause], result: Result) -> None:
    """Do with a result what the queue does."""
    if result.error:
        again = causes & {Cause.RESYNC, Cause.DRIFT} | {Cause.RETRY}
        if result.conflict:
            world.due |= again
        else:
            world.timers |= dict.fromkeys(again, world.now + _BACKOFF)
    for requeue in result.next:
        cause = Cause.RESYNC if requeue.priority is Priority.RESYNC else Cause.RETRY
        if requeue.after > _HORIZON:
            continue
        if requeue.after <= timedelta():
            world.due |= {cause}
        else:
            at = world.now + -(-requeue.after // timedelta(seconds=1))
            world.timers[cause] = min(at, world.timers.get(cause, at))


def _driven(turn: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing; it may run inside of another's turn."""
    try:
        turn.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    raise AssertionError("it waits for something")


class _Operator:
    """What `wiring` makes in a real process, for one turn."""

    def __init__(self, world: World) -> None:
        self.world, self.cache = world, InformerCache()
        for raw in world.seen.values():
            self.cache.observe(raw)
        world.cache = self.cache
        cluster = KubernetesCluster(
            world.server.kube,
            shared().resources,
            instance="operator-1",
            now=world.moment,
            seen=self._seen,
            applied=lambda *_: None,
            wrote=lambda *_: None,
        )
        self.accounts = self._reconciler(cluster, world.moment)

    def _reconciler(self, cluster: KubernetesCluster, now: Callable[[], datetime]) -> AccountReconciler:
        world = self.world
        talkdesk = TalkdeskPort(world)
        records = SecretUserRecordStore(world.server.kube, wrote=lambda *_: None)
        sync = UserSync(
            cluster.read_secret, records, ScimPort(world), monotonic=lambda: 0.0, salt=lambda: "a salt that stays"
        )
        users = LicensedUsers(talkdesk, sync)
        ledger = DriftLedger()
        tenants = TenantReconciler(
            cluster,
            now,
            users=users,
            cached=self.cache.installations,
            ledger=ledger,
            waiting=WaitingTenants(),
            hooks=self._hooks(cluster) if has_service(world) else None,
        )
        installations = InstallationReconciler(
            cluster,
            TalkdeskSteps(cluster, talkdesk),
            tenants,
            users,
            reread=self.cache.current,
            now=now,
            answered=lambda *_: None,
            statuses=InstallationStatuses(cluster, reread=self.cache.current, chance=lambda: 0.5),
        )
        share = Share(lambda: None, WHOLE, None)
        app = AppReconciler(self.cache, cluster, shared().apps, now=now, share=share)
        return AccountReconciler(self.cache, cluster, app, installations, tenants, now=now, share=share, ledger=ledger)

    def _hooks(self, cluster: KubernetesCluster) -> HookParts:
        port, store = HookPort(self.world), SecretHookRecordStore(self.world.server.kube, wrote=lambda *_: None)
        return HookParts(cluster.read_secret, store, port, self.world.moment, port.new_id)

    def catch_up(self) -> bool:
        """Let the watches bring all news; return whether they wake the account."""
        present = dict(self.world.ours())
        woken = False
        for place, raw in list(self.world.seen.items()):
            if place not in present or present[place]["metadata"]["uid"] != raw["metadata"]["uid"]:
                woken |= bool(self.cache.remove(raw).keys)
        for raw in present.values():
            woken |= bool(self.cache.observe(raw).keys)
        self.world.seen = present
        return woken

    def _seen(self, raw: Mapping[str, Any]) -> None:
        """Take the answer to a write of the operator's own."""
        if self.cache.put(raw).by_others:
            self.world.due |= {Cause.WATCH}
        metadata = raw["metadata"]
        place: Place = (_PLURALS[raw["kind"]], metadata.get("namespace", HOME), metadata["name"])
        if is_deleted(raw):
            self.world.seen.pop(place, None)
            return
        present = self.world.server.at(place)
        same = present is not None and present["metadata"]["resourceVersion"] == metadata["resourceVersion"]
        self.world.seen[place] = present if same and isinstance(present, Stored) else Stored(raw)
