"""Which disturbances are tried, and in which lives.

Belongs here: choosing and ordering, without chance. Does not belong here: playing (`batch`), telling (`report`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby, zip_longest
from typing import Final

from torture.points import ANSWERS, WATCHES, Disturbance, Kind, Point

__all__ = ["everything", "lives", "matching", "sample"]

_OF_A_REQUEST: Final = (Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.LOST_ANSWER, *sorted(ANSWERS))
_URGENT: Final = (*_OF_A_REQUEST, *sorted(WATCHES))
"""In the order in which they are tried."""


def everything(points: Sequence[Point]) -> list[Disturbance]:
    """Return every disturbance of every point."""
    return [Disturbance(kind, point) for point in points for kind in _kinds(point)]


def _kinds(point: Point) -> Sequence[Kind]:
    return sorted(WATCHES) if point.server == "watch" else _OF_A_REQUEST


def sample(points: Sequence[Point]) -> list[Disturbance]:
    """Return some: the first point of each sort in the life.

    A write is killed before and after, by turns, and its answer is lost. Of a read an answer is lost; events come late
    and get lost by turns.
    """
    firsts: dict[tuple[str, str, str, str], Point] = {}
    for point in points:
        firsts.setdefault(point.sort, point)
    events = [point for point in firsts.values() if point.server == "watch"]
    writes = [point for point in firsts.values() if point.server != "watch" and not point.is_read]
    kills = (Kind.KILL_AFTER, Kind.KILL_BEFORE)
    return [
        *(Disturbance(kills[number % 2], point) for number, point in enumerate(writes)),
        *(Disturbance(Kind.LOST_ANSWER, point) for point in firsts.values() if point.server != "watch"),
        *(Disturbance(sorted(WATCHES)[number % 2], point) for number, point in enumerate(events)),
    ]


def matching(disturbances: Iterable[Disturbance], patterns: Sequence[str]) -> list[Disturbance]:
    """Return those whose text is one of these, or matches one of these with `*` and `?`."""
    return [each for each in disturbances if any(_matches(str(each), pattern) for pattern in patterns)]


def _matches(text: str, pattern: str) -> bool:
    return text == pattern or fnmatchcase(text, pattern.replace("[", "[[]"))


def lives(
    disturbances: Iterable[Disturbance], steps: Sequence[str], size: int
) -> Iterator[Sequence[Mapping[str, Disturbance]]]:
    """Yield batches of lives, each with its disturbances by step; those of one step in one batch need the same blow."""
    by_step: dict[str, list[Disturbance]] = {step: [] for step in steps}
    for each in disturbances:
        by_step[each.point.step].append(each)
    for row in zip_longest(*(list(_chunks(each, size)) for each in by_step.values()), fillvalue=()):
        plans: list[dict[str, Disturbance]] = [{} for _ in range(max(map(len, row)))]
        for step, chunk in zip(steps, row, strict=True):
            for plan, each in zip(plans, chunk, strict=False):
                plan[step] = each
        yield plans


def _chunks(disturbances: Sequence[Disturbance], size: int) -> Iterator[Sequence[Disturbance]]:
    ordered = sorted(disturbances, key=lambda each: (_URGENT.index(each.kind) // 2, str(each.blow), each.point))
    for _, group in groupby(ordered, key=lambda each: (_URGENT.index(each.kind) // 2, str(each.blow))):
        whole = list(group)
        for start in range(0, len(whole), size):
            yield whole[start : start + size]
