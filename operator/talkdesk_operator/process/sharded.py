"""The parts of a process that shares the accounts with others: a controller for each shard that it holds.

Belongs here: what such a process is made of. Does not belong here: what begins and ends when (`shard_set`,
`controller`).
"""

from dataclasses import replace
from datetime import timedelta

from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.informer.kopf_watch import LeasePlace
from talkdesk_operator.observability.probes import Health, JointHealth
from talkdesk_operator.process.controller import BuildReconciler, Controller, ProcessParts
from talkdesk_operator.process.leader_election import ElectionTimes, Leadership
from talkdesk_operator.process.lease_board import LeaseBoard
from talkdesk_operator.process.shard_set import ShardSet
from talkdesk_operator.process.shutdown import ShardShutdown
from talkdesk_runtime.kube import Kube

__all__ = ["connections_for_leases", "shard_set"]


def connections_for_leases(shards: int) -> int:
    """Return how many connections the Leases need, so that no request waits for one: its time would run meanwhile.

    That is one for each Lease, one for the looks at all, and one for what is asked after a Lease was taken.
    """
    return max(8, shards + 2)


def shard_set(
    parts: ProcessParts, build: BuildReconciler, place: LeasePlace, *, leases: Kube, health: JointHealth, end: timedelta
) -> ShardSet:
    """Connect them; `leases` is a connection that no reconcile waits for, `end` what an orderly end may take."""
    settings, clock, times = parts.settings, parts.clock, ElectionTimes()
    board = LeaseBoard(leases, place, parts.identity, settings.shards, times=times, clock=clock)

    async def work(shard: Shard, election: Leadership, own: Health, shutdown: ShardShutdown) -> None:
        # All watch the first Lease, which somebody renews whatever happens to the kinds: by it they see that watches
        # work, and that another number of shards counts. A role can name it, as it can't name the others.
        mine = replace(parts, health=own, shutdown=shutdown)
        controller = Controller(mine, build, election=election, lease=place, shard=shard, on_lease=board.observe)
        await controller.run()
        await parts.shutdown.completes_before(controller.forget())

    return ShardSet(
        count=settings.shards,
        board=board,
        work=work,
        shutdown=parts.shutdown,
        looks=parts.health,
        health=health,
        new_health=lambda: Health(clock=clock.monotonic, max_event_age=settings.watch_inactivity_timeout),
        clock=clock,
        rng=parts.rng,
        times=times,
        grace=end,
    )
