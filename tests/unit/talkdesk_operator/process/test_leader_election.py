import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from talkdesk_operator.process.leader_election import ElectionTimes, Leadership
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeNotFound, KubeUnreachable

WITHIN = 15.0
QUICK = ElectionTimes(lease_duration=2, renew_deadline=1.5, retry_period=1, request_timeout=0.5)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/system/leases/operator"


@dataclass
class Leases:
    """An API server that knows one Lease; it can go away, or take requests and never answer."""

    lease: dict[str, Any] | None = None
    gone: bool = False
    silent: bool = False
    version: int = 0
    written: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
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
            assert self.lease is not None
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
    it = Leadership(kube, namespace="system", name="operator", identity=identity, clock=Clock.system(), times=times)
    try:
        yield it
    finally:
        await asyncio.wait_for(it.release(), WITHIN)


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
            await first.release()
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
    dead = Leadership(kube, namespace="system", name="operator", identity="dead", clock=Clock.system(), times=QUICK)
    await soon(dead.acquire())
    assert dead._election is not None
    dead._election.cancel()
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
        await it.release()
        assert kube.spec["holderIdentity"] == "thief"


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
