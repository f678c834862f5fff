"""A whole run: two undisturbed lives, then a life for each disturbance, in batches; those not reached once more.

Belongs here: the order of all that, and what came of it. Does not belong here: words for people (`report`).
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import orjson

from talkdesk_sandbox.controlplane import Cluster
from torture.batch import Batch, Outcome, Session
from torture.plan import lives
from torture.play import PATIENCE, differences
from torture.points import Disturbance, Kind, Point
from torture.programs import session
from torture.steps import STEPS

__all__ = ["Learned", "Run", "Unlike", "learn", "run"]

_LEARNERS: Final = 2
_LIVES_OF_A_SESSION: Final = 120


class Unlike(Exception):
    """Two undisturbed lives did not end alike, so nothing can be compared with them."""


@dataclass(frozen=True)
class Learned:
    """What an undisturbed life does, and what it comes to."""

    points: Sequence[Point]
    """In order; each was there in both lives."""
    reference: Sequence[Any]
    """What was there after each step."""
    seconds: float

    def save(self, path: Path) -> None:
        """Keep it for further runs of the same code."""
        path.write_bytes(orjson.dumps([list(map(str, self.points)), self.reference]))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what was kept."""
        points, reference = orjson.loads(path.read_bytes())
        return cls([Point.parse(each) for each in points], reference, 0.0)


@dataclass
class Run:
    """What came of all disturbances so far."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: dict[Kind, float] = field(default_factory=lambda: defaultdict(float))
    """By kind: a batch's time, divided among its lives."""
    problems: list[str] = field(default_factory=list)
    """What can't be said of one life."""
    lists: list[str] = field(default_factory=list)
    """The queries of all listings."""

    def take(self, batch: Batch) -> None:
        """Add what a batch showed."""
        self.outcomes += batch.outcomes
        self.problems += batch.problems
        self.lists += batch.lists
        for each in batch.outcomes:
            self.seconds[each.disturbance.kind] += batch.seconds / len(batch.outcomes)

    def forget_missed(self, wanted: Sequence[Disturbance]) -> list[Disturbance]:
        """Return those whose point did not come, or whose life had ended before, and forget that they were tried."""
        self.outcomes = [each for each in self.outcomes if each.reached or each.problem]
        tried = {each.disturbance for each in self.outcomes}
        return [each for each in wanted if each not in tried]

    @property
    def failed(self) -> list[Outcome]:
        """Those that ended otherwise than an undisturbed life."""
        return [each for each in self.outcomes if each.problem]

    @property
    def missed(self) -> list[Disturbance]:
        """Those whose point did not come, in a life that ended well all the same."""
        return [each.disturbance for each in self.outcomes if not (each.reached or each.problem)]

    @property
    def stale_lists(self) -> list[str]:
        """The listings that the API server may answer from an earlier state."""
        return [query for query in self.lists if "resourceVersion=0" in query or "NotOlderThan" in query]


async def learn(at: Session) -> Learned:
    """Play undisturbed lives. Raises Unlike."""
    batch = await at.batch([{}] * _LEARNERS)
    first, *others = batch.snapshots
    found = [each for other in others for each in differences(first, other)]
    if found or batch.problems:
        raise Unlike("\n".join((*found, *batch.problems)))
    common = {*batch.met[0]}.intersection(*batch.met[1:])
    return Learned([point for point in batch.met[0] if point in common], first, batch.seconds)


async def run(
    cluster: Cluster,
    choose: Callable[[Learned], list[Disturbance]],
    *,
    size: int,
    beyond: int = len(STEPS),
    known: Learned | None = None,
    patience: float = PATIENCE,
    attempts: int = 2,
    each: Callable[[Run], object] = lambda _: None,
) -> tuple[Learned, Run]:
    """Learn, choose, and try; what was not reached is tried again, up to so many attempts.

    Lives end so many steps after the last one with a disturbance, or with the last one that there is. With
    something that is known, nothing is learned anew. `each` is called after each batch.
    """
    made, names = Run(), [step.name for step in STEPS]
    async with aclosing(_sessions(cluster, patience)) as sessions:
        at = await anext(sessions)
        learned = known or await learn(at)
        pending, used = choose(learned), 0
        for attempt in range(attempts):
            for plans in lives(pending, names, size):
                if used + len(plans) > _LIVES_OF_A_SESSION:
                    at, used = await anext(sessions), 0
                last = max(names.index(step) for plan in plans for step in plan)
                made.take(await at.batch(plans, learned.reference, steps=min(last + 1 + beyond, len(names))))
                used += len(plans)
                each(made)
            pending = made.forget_missed(pending) if attempt + 1 < attempts else []
    return learned, made


async def _sessions(cluster: Cluster, patience: float) -> AsyncGenerator[Session, None]:
    """Yield one after the other: what a namespace has seen makes it slow after a while."""
    while True:
        async with session(cluster, patience) as made:
            yield made
