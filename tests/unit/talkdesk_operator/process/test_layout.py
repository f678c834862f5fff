"""Two numbers of shards at a time: whatever comes before what, nobody acts by one while somebody acts by the other.

The orders are walked one by one: whenever several requests or answers are under way, a list of choices says which one
arrives next, until no list is left.
"""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from builders.leases_api import Connection, LeasesApi
from builders.virtual_time import VirtualTime, run
from talkdesk_crds.names import ANNOTATION_FORMER_SHARDS, ANNOTATION_SHARDS
from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.informer.kopf_watch import LeasePlace
from talkdesk_operator.process.layout import FirstShard, Ground, Layout, OtherShard, Verdict, lease_name, shard_of
from talkdesk_operator.process.leader_election import Leadership
from talkdesk_operator.process.lease import ElectionTimes
from talkdesk_operator.process.lease_board import LeaseBoard
from talkdesk_runtime.kube_errors import KubeUnreachable

TIMES = ElectionTimes()
PLAIN = "talkdesk-operator"
STEPS = 10
"""So many steps come in every order: each of both takes a Lease, looks at all, and one writes once more."""


def lease(shards: int = 1, former: str = "") -> dict[str, Any]:
    notes = {ANNOTATION_SHARDS: str(shards) if shards > 1 else "", ANNOTATION_FORMER_SHARDS: former}
    annotations = {key: value for key, value in notes.items() if value}
    spec = {"holderIdentity": "", "leaseDurationSeconds": 15}
    return {"metadata": {"name": PLAIN, "resourceVersion": "1", "annotations": annotations}, "spec": spec}


@pytest.mark.parametrize("count", [1, 2, 4, 64])
def test_the_first_lease_has_the_plain_name_in_every_layout_and_no_other_lease_is_in_two(count: int) -> None:
    names = [lease_name(PLAIN, Shard(index, count)) for index in range(count)]
    assert names[0] == PLAIN
    assert len(set(names)) == count
    assert [shard_of(PLAIN, name) for name in names[1:]] == [Shard(index, count) for index in range(1, count)]


@pytest.mark.parametrize(
    "name", [PLAIN, "other-1-of-2", f"{PLAIN}-2-of-2", f"{PLAIN}-0-of-2", f"{PLAIN}-01-of-2", f"{PLAIN}-1-of-65", "x"]
)
def test_a_lease_of_another_name_is_no_further_shards(name: str) -> None:
    assert shard_of(PLAIN, name) is None


@pytest.mark.parametrize(
    ("raw", "layout"),
    [
        (None, Layout(0)),
        ({"metadata": {}}, Layout(1)),
        (lease(4), Layout(4)),
        (lease(4, "1,2"), Layout(4, "1,2")),
        ({"metadata": {"annotations": {ANNOTATION_SHARDS: "many"}}}, Layout(0)),
        ({"metadata": {"annotations": {ANNOTATION_SHARDS: "9" * 5000}}}, Layout(0)),
        ({"metadata": {"annotations": {ANNOTATION_SHARDS: "\u0662"}}}, Layout(0)),
        (lease(4, "1," * 5000), Layout(4, "1," * 100)),
    ],
)
def test_the_first_lease_says_the_layout(raw: dict[str, Any] | None, layout: Layout) -> None:
    assert Layout.in_lease(raw) == layout
    assert [count for count in range(5) if layout.lets_act(count)] == ([] if layout.former else [layout.count])


@dataclass
class Walk:
    """One order of all steps, and who acted at the same time in it."""

    choices: list[int]
    """Which of those who could take a step did so, each time."""
    options: list[int] = field(default_factory=list)
    """How many could."""
    pending: "list[tuple[str, asyncio.Future[None]]]" = field(default_factory=list)
    steps: int = 0
    loses_looks: bool = False
    """Whether a look at all Leases may also get no answer, in each of these orders."""
    racing: bool = False
    """Whether the order matters; afterwards, who comes first is served first."""
    candidates: "list[Candidate]" = field(default_factory=list)
    acted: set[frozenset[str]] = field(default_factory=set)
    """Who acted at the same time."""

    async def move(self, sender: str, _part: str) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pending.append((sender, waiting))
        await waiting

    def happens(self) -> bool:
        """See who acts, and let the next step be taken."""
        self.acted.add(frozenset(each.name for each in self.candidates if each.acts))
        self.pending = [each for each in self.pending if not each[1].done()]
        if not self.pending:
            return False
        racing = self.racing and self.steps < STEPS
        self.steps += racing
        self.pending.sort(key=lambda each: each[0] if racing else "")
        self.pending.pop(self._choice(len(self.pending)) if racing else 0)[1].set_result(None)
        return True

    def loses_a_look(self) -> bool:
        """Return whether the look that is answered now gets no answer."""
        return self.loses_looks and self.racing and self.steps < STEPS and self._choice(2) == 1

    def _choice(self, options: int) -> int:
        number = len(self.options)
        self.options.append(options)
        return self.choices[number] if number < len(self.choices) else 0

    def next(self) -> list[int] | None:
        """Return the choices of the next order, if any is left."""
        made = [*self.choices, *([0] * (len(self.options) - len(self.choices)))]
        while made and made[-1] + 1 >= self.options[len(made) - 1]:
            made.pop()
        return [*made[:-1], made[-1] + 1] if made else None


@dataclass(frozen=True)
class Losing(Connection):
    """One on which answers to looks get lost, where the walk says so."""

    walk: Walk

    @override
    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        answer = await super().request(method, path, body=body)
        if method == "GET" and path.endswith("/leases") and self.walk.loses_a_look():
            raise KubeUnreachable("no answer")
        return answer


class Careless(OtherShard):
    """One that does not ask again once it has the Lease."""

    @override
    async def written(self) -> Verdict:
        return Verdict.ACT


class Trusting(OtherShard):
    """One to which an answer from before it had the Lease is as good as one from after that."""

    @override
    async def written(self) -> Verdict:
        await self._look()
        return Verdict.GIVE_BACK if self.confirmed() < 0 else Verdict.ACT


class Hasty(FirstShard):
    """One that waits for nobody."""

    @override
    async def written(self) -> Verdict:
        self._wait = 0
        return await super().written()


@dataclass
class Candidate:
    """A process that asks for one shard's Lease and, worse than a real one, never gives it up."""

    api: LeasesApi
    walk: Walk
    name: str
    shard: Shard
    loop: VirtualTime
    kind: type[OtherShard] | type[FirstShard] | None = None

    def __post_init__(self) -> None:
        clock = self.loop.clock()
        place = LeasePlace("system", PLAIN)
        kube = Losing(self.api, self.name, self.walk)
        self.board = LeaseBoard(kube, place, self.name, self.shard.count, times=TIMES, clock=clock)
        rng = random.Random(1)  # noqa: S311 - a test
        lease = self.board.leases[self.shard.index]
        self.election = Leadership(lease, clock=clock, rng=rng, times=TIMES, ground=self._ground())

    def _ground(self) -> Ground:
        board, clock = self.board, self.loop.clock()
        if self.shard.index:
            other = self.kind if self.kind is not None and issubclass(self.kind, OtherShard) else OtherShard
            return other(look=board.look, confirmed=lambda: board.confirmed)
        first = self.kind if self.kind is not None and issubclass(self.kind, FirstShard) else FirstShard
        look = None if self.shard.count == 1 else board.look_and_see_nobody_else
        return first(self.shard.count, wait=TIMES.lease_duration, clock=clock, nobody_else=look)

    async def keep_looking(self, *, trying: bool) -> None:
        """Look at all Leases again and again, as whoever holds a shard does, or wants one."""
        while True:
            await asyncio.sleep(TIMES.retry_period)
            await self.board.look()
            if trying and not self.election.acquired.is_set() and self.board.layout.lets_act(self.shard.count):
                await self.election.try_once()

    @property
    def acts(self) -> bool:
        return not self.election.fence.is_shut()


async def race(walk: Walk, racing: list[Candidate], late: Candidate | None) -> None:
    """Let the candidates ask at the same time, knowing what was before; then let the rest happen."""
    walk.candidates = [*racing, *([late] if late else [])]
    for each in racing:
        await each.board.look()
    walk.racing = True
    tries = [asyncio.create_task(each.election.try_once()) for each in racing]
    looks = [asyncio.create_task(each.keep_looking(trying=each is late)) for each in walk.candidates]
    await asyncio.sleep(TIMES.retry_period / 2)
    walk.racing = False
    for _ in range(60):
        await asyncio.sleep(0.5)
    walk.acted.add(frozenset({f"at last: {each.name}" for each in walk.candidates if each.acts}))
    for task in (*tries, *looks):
        task.cancel()
    await asyncio.gather(*tries, *looks, return_exceptions=True)
    for each in walk.candidates:
        await each.election.release(None)


def walk_through(
    before: int,
    *shards: tuple[str, Shard],
    late: Shard | None = None,
    loses_looks: bool = False,
    **kinds: type[OtherShard] | type[FirstShard],
) -> list[set[frozenset[str]]]:
    """Return for each order of all requests and answers who acted at the same time."""
    found: list[set[frozenset[str]]] = []
    choices: list[int] | None = []
    while choices is not None:
        walk = Walk(choices, loses_looks=loses_looks)
        api = LeasesApi({PLAIN: lease(before)}, version=1, moves=walk.move)

        async def main(loop: VirtualTime, api: LeasesApi = api, walk: Walk = walk) -> None:
            racing = [Candidate(api, walk, name, shard, loop, kinds.get(name)) for name, shard in shards]
            await race(walk, racing, Candidate(api, walk, "late", late, loop) if late else None)

        with capture_logs():
            run(main, walk.happens)
        found.append(walk.acted)
        choices = walk.next()
    return found


def together(found: list[set[frozenset[str]]], *names: str) -> int:
    """Return in how many orders they acted at the same time."""
    return sum(any({*names} <= acting for acting in order) for order in found)


@pytest.mark.case(49)
@pytest.mark.parametrize("loses_looks", [False, True], ids=["all looks are answered", "any look may fail"])
@pytest.mark.parametrize("new", [1, 4])
def test_in_no_order_does_a_shard_of_the_former_layout_act_beside_the_new_one(new: int, loses_looks: bool) -> None:  # noqa: FBT001 - a parameter
    late = Shard(2, new) if new > 2 and not loses_looks else None
    found = walk_through(2, ("old", Shard(1, 2)), ("new", Shard(0, new)), late=late, loses_looks=loses_looks)
    print(f"{len(found)} orders, the old one acts in {together(found, 'old')}")  # noqa: T201
    assert len(found) >= 10
    assert 0 < together(found, "old") < len(found), "else nothing was tried"
    assert together(found, "old", "new") == together(found, "old", "late") == 0
    assert together(found, "at last: new", *(["at last: late"] if late else [])) == len(found)


@pytest.mark.case(49)
@pytest.mark.parametrize(("old", "new"), [(1, 4), (4, 1), (4, 2)])
def test_in_no_order_do_the_first_shards_of_two_layouts_act_beside_each_other(old: int, new: int) -> None:
    found = walk_through(old, ("old", Shard(0, old)), ("new", Shard(0, new)))
    assert together(found, "old", "new") == 0
    assert together(found, "at last: old") + together(found, "at last: new") == len(found)
    assert together(found, "at last: old")
    assert together(found, "at last: new")


def test_a_holder_that_does_not_ask_again_would_be_seen_to_act_beside_the_other_layout() -> None:
    found = walk_through(2, ("old", Shard(1, 2)), ("new", Shard(0, 4)), old=Careless)
    assert together(found, "old", "new")


def test_a_holder_that_trusts_an_older_answer_would_be_seen_to_act_beside_the_other_layout() -> None:
    found = walk_through(2, ("old", Shard(1, 2)), ("new", Shard(0, 4)), loses_looks=True, old=Trusting)
    assert together(found, "old", "new")


@pytest.mark.parametrize("new", [1, 4])
def test_a_layout_that_waits_for_nobody_would_be_seen_to_act_beside_the_other(new: int) -> None:
    found = walk_through(2, ("old", Shard(1, 2)), ("new", Shard(0, new)), new=Hasty)
    assert together(found, "old", "new")
