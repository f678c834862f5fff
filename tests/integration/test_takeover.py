"""Two replicas of the operator on a real API server: one ends, is killed, stopped or cut off, and the other goes on.

The API server's audit log says who wrote when: what is shown is that no write of the old leader comes after the first
one of the new. How long it took is printed; the bounds are those of a machine that is busy with a lot more.
"""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from builders.audit_log import AuditLog, audited_cluster
from builders.crds import apply_crds
from builders.kube_gate import gate
from builders.relay import relaying
from builders.say import Say
from builders.serving import until
from builders.shell_process import OPERATOR, SHELL
from builders.two_replicas import Replica, Team, make_team, now
from talkdesk_sandbox.controlplane import Cluster

CUSTOMERS = 2000
LAST = f"c{CUSTOMERS - 1}"
"""The customer whom a new leader looks at last."""
LEASE = 15.0
"""Seconds after which the Lease of a leader that is gone may be taken."""
RENEWAL = 2.0
"""Seconds between two renewals."""
PATIENCE = 240.0
"""Seconds until what is waited for must have happened; some twenty on an idle machine."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, AuditLog]]:
    with audited_cluster(tmp_path_factory.mktemp("audit")) as (cluster, log):
        apply_crds(cluster)
        yield cluster, log


@pytest.fixture(scope="module")
def crowd(plane: tuple[Cluster, AuditLog], tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with many customers."""
    team = make_team(*plane, "crowd", tmp_path_factory.mktemp("crowd"))

    async def fill() -> None:
        async with team.connection() as kube:
            await team.install(kube, *(f"c{number}" for number in range(CUSTOMERS)))

    asyncio.run(fill())
    return team


@pytest.fixture
def team(plane: tuple[Cluster, AuditLog], tmp_path: Path) -> Team:
    return make_team(*plane, f"team-{uuid.uuid4().hex[:8]}", tmp_path)


@asynccontextmanager
async def both(
    team: Team, *, program: Sequence[str] = OPERATOR, server: str = ""
) -> AsyncIterator[tuple[Replica, Replica]]:
    """Run a leader, perhaps by another address of the API server, and a standby with a warm cache."""
    async with team.replica(program=program, server=server) as leader:
        await leader.leads()
        async with team.replica(program=program) as standby:
            await standby.stands_by()
            yield leader, standby


@dataclass(frozen=True)
class Followed:
    """How one leader followed another; seconds since whatever ended the old one."""

    last: float
    """The last write of the old leader was done."""
    taken: float
    """The new one had the Lease."""
    first: float
    """The first write of the new one reached the API server."""

    @classmethod
    async def between(cls, began: datetime, old: Replica, new: Replica) -> "Followed":
        """Read it in the audit log. Fails when that has any write of the old leader after the first of the new."""
        await until(lambda: bool(new.writes), within=PATIENCE)  # what a write has changed is seen before its line
        first, writes = new.writes[0].began, old.writes
        assert [each for each in writes if each.ended >= first] == []
        taken = datetime.fromisoformat(new.process.all("leader.acquired")[0]["time"])
        return cls(*((moment - began).total_seconds() for moment in (writes[-1].ended, taken, first)))

    @override
    def __str__(self) -> str:
        load = f"load average {os.getloadavg()[0]:.1f}"
        return f"last write {self.last:.2f} s, Lease {self.taken:.2f} s, first write {self.first:.2f} s ({load})"


async def all_reconciled(replica: Replica) -> bool:
    return await replica.process.metric("controller_runtime_reconcile_total") >= CUSTOMERS


async def followed_after(crowd: Team, end: Callable[[Replica], Awaitable[None]]) -> tuple[Followed, list[str]]:
    """End the leader of many customers while one of them is edited; return also what the next one has listed since."""
    async with crowd.connection() as kube, both(crowd) as (leader, standby):
        await until(lambda: all_reconciled(leader), within=PATIENCE)
        async with crowd.edits(kube, LAST):
            await crowd.handled(kube, LAST, within=PATIENCE)
            began = now()
            await end(leader)
            await crowd.handled(kube, LAST, within=PATIENCE)
        return await Followed.between(began, leader, standby), standby.listed_since(began)


@pytest.mark.case(49)
async def test_a_leader_that_gets_sigterm_hands_many_customers_over_and_the_next_one_lists_nothing(
    crowd: Team, say: Say
) -> None:
    async def end(leader: Replica) -> None:
        assert await leader.process.end() == 0

    followed, listed = await followed_after(crowd, end)
    say(f"{CUSTOMERS} customers; after SIGTERM: {followed}")
    assert followed.first < LEASE
    assert listed == []


@pytest.mark.case(49)
async def test_a_leader_that_is_killed_is_followed_when_its_lease_has_expired_without_a_listing(
    crowd: Team, say: Say
) -> None:
    async def end(leader: Replica) -> None:
        leader.process.process.kill()

    followed, listed = await followed_after(crowd, end)
    say(f"{CUSTOMERS} customers; after SIGKILL: {followed}")
    assert followed.taken > LEASE - RENEWAL
    assert [each for each in listed if "limit=1&" not in f"{each}&"] == [], "of one object"


@pytest.mark.case(49)
async def test_a_leader_that_is_stopped_while_it_writes_does_not_write_when_it_goes_on_after_its_lease(
    team: Team, say: Say
) -> None:
    async with team.connection() as kube, both(team, program=SHELL) as (leader, standby):
        await team.install(kube, "a", account_name="stopped")
        await leader.process.stopped()
        began = now()
        await team.handled(kube, "a", within=PATIENCE)
        leader.process.process.send_signal(signal.SIGCONT)
        assert await asyncio.wait_for(leader.process.process.wait(), PATIENCE) == 1
        await team.handled(kube, "a", within=PATIENCE)
        followed = await Followed.between(began, leader, standby)
        say(f"after SIGSTOP: {followed}")
        assert leader.process.all("operator.stopped_too_long")


@asynccontextmanager
async def cut_off(team: Team) -> AsyncIterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """Yield an address of the API server, and what takes it away."""
    async with relaying(team.cluster.url) as relay:
        yield f"https://127.0.0.1:{relay.port}", relay.cut


@asynccontextmanager
async def without_renewals(team: Team) -> AsyncIterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """Yield an address of the API server, and what lets everything pass there but writes to Leases."""
    async with gate(team.cluster.url, team.trust) as passing:

        async def refuse() -> None:
            passing.refuse("PUT", ".*/leases/.*", 503, count=1000)

        yield passing.url, refuse


@pytest.mark.case(49)
@pytest.mark.parametrize("disturbed", [cut_off, without_renewals])
async def test_a_leader_that_cant_renew_its_lease_writes_nothing_beside_the_next_one_however_it_tries(
    team: Team, say: Say, disturbed: Callable[[Team], AbstractAsyncContextManager[Any]]
) -> None:
    # A reconcile that heeds no cancellation goes on until the last resort ends the process.
    async with (
        team.connection() as kube,
        disturbed(team) as (server, disturb),
        both(team, program=SHELL, server=server) as (leader, standby),
    ):
        await team.install(kube, "a", account_name="busy")
        await leader.process.prints("keeps writing")
        began = now()
        await disturb()
        await standby.process.until(lambda: standby.process.all("keeps writing"), within=PATIENCE)
        refused = len(leader.process.all("write refused"))
        await leader.process.until(lambda: len(leader.process.all("write refused")) > refused + 10)
        followed = await Followed.between(began, leader, standby)
        say(f"after the begin of the disturbance: {followed}")
        assert leader.process.all("leader.lost")
