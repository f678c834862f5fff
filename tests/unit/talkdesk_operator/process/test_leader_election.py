import asyncio
import copy
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from talkdesk_crds.names import ANNOTATION_VERSIONS
from talkdesk_operator.process.leader_election import ElectionTimes, Leadership
from talkdesk_operator.process.lease import Lease
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.fence import FencedOff
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeNotFound, KubeUnreachable

WITHIN = 60.0
DEEP = '{"talkdeskapps": ' + "[" * 100_000 + "]" * 100_000 + "}"
LONG = json.dumps({"talkdeskapps": "9" * 5000})
QUICK = ElectionTimes(lease_duration=2, renew_deadline=1.5, retry_period=1, request_timeout=0.5)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/system/leases/operator"


@dataclass
class Leases:
    """An API server that knows one Lease; it can go away, or take requests and never answer."""

    lease: dict[str, Any] | None = None
    gone: bool = False
    silent: bool = False
    version: int = 0
    asked: list[str] = field(default_factory=list)
    written: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        self.asked.append(method)
        if self.silent:
            await asyncio.Event().wait()
        if self.gone:
            raise KubeUnreachable("connection refused")
        if method == "GET":
            assert path == LEASE
            if self.lease is None:
                raise KubeNotFound("no such lease")
            return copy.deepcopy(self.lease)
        return self._write(method, path, body)

    def _write(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == (LEASE if method == "PUT" else LEASE.rpartition("/")[0])
        if method == "POST" and self.lease is not None:
            raise KubeAlreadyExists("exists")
        if method == "PUT":
            if self.lease is None:
                raise KubeNotFound("no such lease")
            if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                raise KubeConflict("changed")
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        self.written.set()
        return copy.deepcopy(self.lease)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec


@asynccontextmanager
async def candidate(kube: Leases, identity: str = "me", times: ElectionTimes = QUICK) -> AsyncIterator[Leadership]:
    it = made(kube, identity, times)
    try:
        yield it
    finally:
        await asyncio.wait_for(it.release({}), WITHIN)


def made(kube: Leases, identity: str, times: ElectionTimes = QUICK, clock: Clock | None = None) -> Leadership:
    rng = random.Random(1)  # noqa: S311 - a test
    clock = clock or Clock.system()
    lease = Lease(kube, "system", "operator", identity, times, clock)
    return Leadership(lease, clock=clock, rng=rng, times=times)


async def soon(awaited: Any) -> None:
    await asyncio.wait_for(awaited, WITHIN)


async def test_the_first_candidate_makes_the_lease_and_leads() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        assert kube.spec["holderIdentity"] == "me"
        assert kube.spec["leaseDurationSeconds"] == 2
        renewed = datetime.fromisoformat(kube.spec["renewTime"])
        assert abs(datetime.now(UTC) - renewed) < timedelta(seconds=WITHIN), "UTC, whatever the machine's zone"


async def test_a_leader_renews_and_keeps_the_time_since_when_it_leads() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        before = dict(kube.spec)
        for _ in range(2):
            kube.written.clear()
            await soon(kube.written.wait())
        assert kube.spec["acquireTime"] == before["acquireTime"]
        assert kube.spec["renewTime"] > before["renewTime"]
        assert kube.spec["leaseTransitions"] == 0


@pytest.mark.case(49)
async def test_while_one_leads_the_other_waits_and_follows_at_once_when_it_is_released() -> None:
    kube = Leases()
    async with candidate(kube, "first") as first:
        await soon(first.acquire())
        async with candidate(kube, "second") as second:
            waiting = asyncio.create_task(second.acquire())
            for _ in range(2):
                kube.written.clear()
                await soon(kube.written.wait())
            assert not waiting.done()
            await first.release({})
            assert kube.spec["holderIdentity"] == ""
            await soon(waiting)
            assert kube.spec["holderIdentity"] == "second"
            assert kube.spec["leaseTransitions"] == 1


async def test_of_candidates_that_start_at_the_same_time_one_leads() -> None:
    kube = Leases()
    async with candidate(kube, "first") as first, candidate(kube, "second") as second:
        tasks = [asyncio.create_task(it.acquire()) for it in (first, second)]
        done, waiting = await asyncio.wait(tasks, timeout=WITHIN, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (1, 1)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_the_lease_of_a_leader_that_died_is_taken_when_it_has_expired() -> None:
    kube = Leases()
    dead = made(kube, "dead")
    await soon(dead.acquire())
    assert dead._renewal is not None
    dead._renewal.cancel()
    async with candidate(kube) as it:
        await soon(it.acquire())
        assert kube.spec["holderIdentity"] == "me"


@pytest.mark.parametrize("fault", ["gone", "silent"])
async def test_a_leader_that_cant_renew_stops_before_its_lease_expires(fault: str) -> None:
    kube = Leases()
    times = ElectionTimes(lease_duration=9, renew_deadline=1.5, retry_period=1, request_timeout=5)
    async with candidate(kube, times=times) as it:
        await soon(it.acquire())
        setattr(kube, fault, True)
        await asyncio.wait_for(it.lost(), times.lease_duration)
        kube.silent = False


async def test_a_short_outage_does_not_end_the_leadership() -> None:
    kube = Leases()
    times = ElectionTimes(lease_duration=12, renew_deadline=10, retry_period=1, request_timeout=0.5)
    async with candidate(kube, times=times) as it:
        await soon(it.acquire())
        lost = asyncio.create_task(it.lost())
        kube.gone = True
        await asyncio.wait((lost,), timeout=1.5)
        kube.gone = False
        kube.written.clear()
        await soon(kube.written.wait())
        assert not lost.done()
        lost.cancel()


async def test_a_candidate_waits_for_an_api_server_that_is_away() -> None:
    kube = Leases(gone=True)
    async with candidate(kube) as it:
        waiting = asyncio.create_task(it.acquire())
        await asyncio.wait((waiting,), timeout=0.2)
        kube.gone = False
        await soon(waiting)


async def test_a_lease_that_somebody_else_took_is_not_given_back() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        assert kube.lease is not None
        kube.lease["spec"]["holderIdentity"] = "thief"
        kube.lease["metadata"]["resourceVersion"] = "stolen"
        await it.release({})
        assert kube.spec["holderIdentity"] == "thief"


async def test_one_request_gives_the_lease_back() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        kube.asked.clear()
    assert kube.asked == ["PUT"]
    assert kube.spec["holderIdentity"] == ""


async def test_a_lease_is_given_back_also_when_the_answer_to_its_renewal_was_not_waited_for() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        assert kube.lease is not None
        kube.lease["metadata"]["resourceVersion"] = "renewed"
    assert kube.spec["holderIdentity"] == ""


async def test_a_release_that_fails_is_no_error() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        kube.gone = True


async def test_a_candidate_that_never_led_gives_nothing_back() -> None:
    kube = Leases()
    async with candidate(kube):
        pass
    assert kube.lease is None


async def test_waiting_for_the_loss_before_the_acquisition_is_an_error() -> None:
    async with candidate(Leases()) as it:
        with pytest.raises(RuntimeError, match="acquire comes first"):
            await it.lost()


@pytest.mark.case(49)
async def test_a_wall_clock_that_jumps_costs_no_leader_its_lease() -> None:
    kube, offset = Leases(), timedelta()
    skewed = replace(Clock.system(), now=lambda: datetime.now(UTC) + offset)
    first, second = made(kube, "first", clock=skewed), made(kube, "second", clock=skewed)
    await soon(first.acquire())
    lost = asyncio.create_task(first.lost())
    waiting = asyncio.create_task(second.acquire())
    for hours in (1, -2, 3):
        offset = timedelta(hours=hours)
        for _ in range(2):
            kube.written.clear()
            await soon(kube.written.wait())
    assert not lost.done()
    assert not waiting.done()
    assert kube.spec["holderIdentity"] == "first"
    lost.cancel()
    waiting.cancel()
    await first.release({})


@pytest.mark.case(49)
@pytest.mark.parametrize("hours", [-1, 1])
async def test_wall_clocks_an_hour_apart_take_the_lease_from_no_leader_and_keep_it_from_nobody(hours: int) -> None:
    kube = Leases()
    first = made(kube, "first")
    skewed = replace(Clock.system(), now=lambda: datetime.now(UTC) + timedelta(hours=hours))
    second = made(kube, "second", clock=skewed)
    await soon(first.acquire())
    waiting = asyncio.create_task(second.acquire())
    for _ in range(3):
        kube.written.clear()
        await soon(kube.written.wait())
    assert not waiting.done()
    began = time.monotonic()
    await first.release(None)
    await soon(waiting)
    assert time.monotonic() - began > QUICK.lease_duration - QUICK.retry_period
    assert kube.spec["holderIdentity"] == "second"
    await second.release({})


@pytest.mark.case(49)
async def test_a_candidate_counts_from_when_it_saw_the_lease_whatever_is_written_in_it() -> None:
    kube = Leases()
    async with candidate(kube, "dead") as dead:
        await soon(dead.acquire())
        await dead.release(None)
    kube.spec["renewTime"] = "2000-01-01T00:00:00.000000Z"
    async with candidate(kube) as it:
        began = asyncio.get_running_loop().time()
        await soon(it.acquire())
        assert asyncio.get_running_loop().time() - began >= QUICK.lease_duration


@pytest.mark.case(49)
async def test_a_leader_that_was_asleep_for_longer_than_its_lease_sends_nothing_and_has_lost_it() -> None:
    kube, asleep = Leases(), 0.0
    clock = replace(Clock.system(), monotonic=lambda: time.monotonic() + asleep)
    it = made(kube, "me", clock=clock)
    await soon(it.acquire())
    it.fence.check()
    asleep = 60.0
    with pytest.raises(FencedOff):
        it.fence.check()
    await soon(it.lost())
    asleep = 0.0
    assert it.fence.is_shut(), "for good, even if the clock went back"
    await it.release(None)


@pytest.mark.case(49)
async def test_a_candidate_that_is_shown_that_the_lease_is_free_takes_it_at_once() -> None:
    kube = Leases()
    seldom = ElectionTimes(retry_period=600)
    async with candidate(kube, "first") as first, candidate(kube, "second", seldom) as second:
        await soon(first.acquire())
        waiting = asyncio.create_task(second.acquire())
        await soon(second.attempted.wait())
        stale = copy.deepcopy(kube.lease or {})
        await first.release({"talkdeskapps": "7"})
        assert kube.lease is not None
        assert json.loads(kube.lease["metadata"]["annotations"][ANNOTATION_VERSIONS]) == {"talkdeskapps": "7"}
        second.observe(kube.lease)
        second.observe(stale)
        await soon(waiting)
        assert second.left_behind == {"talkdeskapps": "7"}
        assert ANNOTATION_VERSIONS not in kube.lease["metadata"]["annotations"], "or it would speak for the next one"


@pytest.mark.parametrize("note", ["no JSON", "[]", '"7"', "", "[" * 100_000, DEEP, LONG])
async def test_a_note_in_the_lease_that_makes_no_sense_is_none(note: str) -> None:
    kube = Leases()
    async with candidate(kube, "first") as first, candidate(kube, "second") as second:
        await soon(first.acquire())
        await first.release({"talkdeskapps": "7"})
        assert kube.lease is not None
        kube.lease["metadata"]["annotations"] = {ANNOTATION_VERSIONS: note}
        await soon(second.acquire())
        assert second.left_behind == {}


@pytest.mark.case(49)
async def test_a_leader_that_is_shown_another_holder_stops_at_once() -> None:
    kube = Leases()
    times = ElectionTimes(lease_duration=900, renew_deadline=600, retry_period=300)
    async with candidate(kube, times=times) as it:
        await soon(it.acquire())
        lease = copy.deepcopy(kube.lease or {})
        lease["spec"]["holderIdentity"] = "thief"
        lease["metadata"]["resourceVersion"] = "99"
        it.observe(lease)
        await soon(it.lost())
        assert it.fence.is_shut()


@pytest.mark.case(49)
async def test_a_lease_that_is_left_to_expire_keeps_its_holder_and_nothing_is_sent_any_more() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        await it.release(None)
        assert kube.spec["holderIdentity"] == "me"
        assert it.fence.is_shut()


async def test_a_leader_whose_lease_was_deleted_ends() -> None:
    kube = Leases()
    async with candidate(kube) as it:
        await soon(it.acquire())
        kube.lease = None
        await soon(it.lost())
