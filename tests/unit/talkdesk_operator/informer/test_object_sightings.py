"""What is seen of tenants' objects becomes work: drift, readiness, and what happened while nobody watched."""

import random
from datetime import datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from typing_extensions import override

from builders.manual_clock import ManualClock
from builders.objects import NOON
from builders.raw_objects import tenant
from talkdesk_crds.names import FIELD_MANAGER, LABEL_TENANT
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Sighting, Target
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.domain.tenant.waiting import WaitingTenants
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.object_sightings import ObjectSightings
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.workqueue.queue import Cause, Priority, WorkQueue

KEY = AccountKey("team", "sentiment", "a1")
NAME = "sentiment-a1"
TARGET = Target("team", "sentiment", "user", "", "v1", "ConfigMap")
PLANNED = {"step": "base", "version": "v1", "kind": "ConfigMap", "namespace": "x", "name": "facts"}
READY = {"type": "Ready", "status": "True", "reason": "Applied", "lastTransitionTime": "2026-05-01T10:00:00Z"}
CONTESTED = READY | {"type": "Contested", "reason": "FieldManagerConflict"}


class Queue(WorkQueue):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        clock = ManualClock()
        rng = random.Random(1)  # noqa: S311 - a test
        super().__init__(Metrics(CollectorRegistry()), scheduler=clock, rng=rng)
        self.asked: list[tuple[Cause, float]] = []

    @override
    def add(self, key: AccountKey, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        self.add_after(key, 0.0, priority, order, cause=cause)

    @override
    def add_after(self, key: AccountKey, delay: float, priority: Priority, order: float = 0.0, *, cause: Cause) -> None:
        assert (key, priority, order) == (KEY, Priority.CHANGED, 0.0)
        self.asked.append((cause, delay))


class World:
    def __init__(self, *conditions: dict[str, Any], **spec: Any) -> None:
        self.cache, self.queue = InformerCache(), Queue()
        self.ledger, self.waiting = DriftLedger(), WaitingTenants()
        self.counted: list[str] = []
        self.sightings = ObjectSightings(
            self.cache, self.queue, self.ledger, self.waiting, count=self.counted.append, now=self._now
        )
        inventory = [PLANNED | {"uid": "u1"}]
        status = {"conditions": [*(conditions or (READY,))], "inventory": inventory}
        self.cache.observe(tenant(spec={"objects": [PLANNED]} | spec, status=status))

    def _now(self) -> datetime:
        return NOON

    def sees(self, change: Change, *, name: str = "facts", tenant: str = NAME) -> None:
        self.sightings.seen(Sighting(TARGET, change, tenant, "x" if name else "", name))


@pytest.mark.case(51)
@pytest.mark.parametrize("change", [Change.DRIFTED, Change.DELETED])
def test_drift_is_counted_noted_and_queued_at_once(change: Change) -> None:
    world = World()
    world.sees(change)
    assert world.queue.asked == [(Cause.DRIFT, 0.0)]
    assert world.counted == ["ConfigMap"]
    assert world.ledger.is_due("team", NAME, NOON)


def test_an_object_of_which_nothing_but_its_absence_is_known_counts_as_drift() -> None:
    world = World()
    world.sees(Change.DELETED, name="")
    assert world.queue.asked == [(Cause.DRIFT, 0.0)]


@pytest.mark.parametrize("spec", [{"state": "Offboarded"}, {"objects": []}], ids=["offboarded", "pruned"])
def test_an_object_that_we_delete_ourselves_is_no_drift(spec: dict[str, Any]) -> None:
    world = World(**spec)
    world.sees(Change.DELETED)
    assert world.queue.asked == []
    assert not world.ledger.is_due("team", NAME, NOON)


def test_a_job_that_has_completed_may_go() -> None:
    world = World()
    done = [PLANNED | {"uid": "u1", "completedInputs": "x"}]
    status = {"conditions": [READY], "inventory": done}
    world.cache.observe(tenant(spec={"objects": [PLANNED]}, status=status, version="2"))
    world.sees(Change.DELETED)
    assert world.queue.asked == []


def test_objects_of_unknown_tenants_and_other_changes_are_nobodys_business() -> None:
    world = World()
    world.sees(Change.DRIFTED, tenant="unknown")
    world.sees(Change.OTHER)
    assert world.queue.asked == []


@pytest.mark.case(87)
def test_a_fight_is_queued_later_and_later() -> None:
    world = World()
    for _ in range(4):
        world.sees(Change.DRIFTED)
        world.ledger.corrected("team", NAME, world.ledger.begin())
    assert [delay for _, delay in world.queue.asked] == [0.0, 0.0, 2.0, 4.0]


@pytest.mark.parametrize("change", [Change.OTHER, Change.DELETED])
def test_a_tenant_that_waits_is_looked_at_when_an_object_changes(change: Change) -> None:
    world = World(state="Offboarded")
    world.waiting.note("team", NAME, waits=True)
    world.sees(change)
    world.sees(change)
    assert world.queue.asked == [(Cause.WATCH, 0.0), (Cause.WATCH, 1.0)]


def listed(uid: str = "u1") -> DriftDetector:
    detector = DriftDetector()
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:data": {}}, "time": "2026-05-01T10:00:00Z"}
    metadata = {"uid": uid, "resourceVersion": "5", "labels": {LABEL_TENANT: NAME}, "managedFields": [entry]}
    detector.present({"metadata": metadata})
    return detector


@pytest.mark.case(88)
async def test_what_went_while_the_operator_was_down_is_queued_at_the_first_listing() -> None:
    world = World()
    await world.sightings.audit(TARGET, listed())
    assert world.queue.asked == []
    await world.sightings.audit(TARGET, listed("made-anew"))
    assert world.queue.asked == [(Cause.DRIFT, 0.0)]
    assert world.ledger.is_due("team", NAME, NOON)


@pytest.mark.case(87)
async def test_a_dispute_of_before_the_start_is_looked_at_when_it_has_been_quiet() -> None:
    world = World(READY, CONTESTED)
    await world.sightings.audit(TARGET, listed())
    ((cause, delay),) = world.queue.asked
    assert (cause, delay > 60) == (Cause.DRIFT, True)


async def test_an_app_without_tenants_has_nothing_to_audit() -> None:
    world = World()
    await world.sightings.audit(Target("team", "other", "user", "", "v1", "ConfigMap"), listed("another"))
    assert world.queue.asked == []
