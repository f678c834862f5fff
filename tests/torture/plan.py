"""Which disturbances are tried, and in which lives.

Belongs here: choosing and ordering, without chance. Does not belong here: playing (`batch`), telling (`report`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby, zip_longest
from typing import Final

from torture.points import ANSWERS, WATCHES, Blow, Disturbance, Kind, Point

__all__ = ["everything", "lives", "matching", "sample"]

_OF_A_REQUEST: Final = (Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.LOST_ANSWER, *sorted(ANSWERS))
_KINDS: Final = (*_OF_A_REQUEST, *sorted(WATCHES))
_BLOWS: Final = (Blow.KILL_OPERATOR, Blow.KILL_WEBHOOK, None, Blow.EXPIRE)
"""In the order in which they are tried."""
_CROWD: Final = 7
"""Lives of a sample that are held in one step."""


def everything(points: Sequence[Point]) -> list[Disturbance]:
    """Return every disturbance of every point."""
    return [Disturbance(kind, point) for point in points for kind in _kinds(point)]


def _kinds(point: Point) -> Sequence[Kind]:
    if point.server == "watch":
        return sorted(WATCHES)
    # A 409 to an acknowledgement says that Talkdesk has it already; where that is a lie, nothing can show it.
    is_acknowledgement = point.action.startswith("POST ") and "/credentials/" in point.action
    excluded = {Kind.CONFLICT} if is_acknowledgement else set[Kind]()
    if point.server != "hook":
        excluded.add(Kind.CONCURRENCY)
    return [kind for kind in _OF_A_REQUEST if kind not in excluded]


def sample(points: Sequence[Point]) -> list[Disturbance]:
    """Return some: one point of each sort, spread over the steps of the life, so that few lives have them all.

    A write is killed before and after, by turns, and its answer is lost. Of a read an answer is lost; events come late
    and get lost by turns.
    """
    sorts: dict[tuple[str, str, str, str], list[Point]] = {}
    for point in points:
        sorts.setdefault(point.sort, []).append(point)
    chosen, load = list[Disturbance](), Counter[tuple[str, Blow | None]]()
    # Those with the least choice go first.
    for number, candidates in enumerate(sorted(sorts.values(), key=lambda each: (len(_steps(each)), str(each[0])))):
        for kind in _sampled(candidates[0], number):
            tried = [Disturbance(kind, point) for point in candidates]
            best = min(tried, key=lambda each: _cost(each, load[each.point.step, each.blow]))
            load[best.point.step, best.blow] += 1
            chosen.append(best)
    return chosen


def _cost(disturbance: Disturbance, load: int) -> tuple[bool, int]:
    """Return how dear one more is in its step: a blow costs as much as some lives, so few steps have one."""
    return (False, load) if disturbance.blow is None else (load >= _CROWD, -load)


def _steps(points: Iterable[Point]) -> set[str]:
    return {point.step for point in points}


def _sampled(point: Point, number: int) -> Sequence[Kind]:
    if point.server == "watch":
        return (Kind.LATE_EVENT, Kind.LOST_EVENT)[number % 2 :][:1]
    kill = () if point.is_read else (Kind.KILL_AFTER, Kind.KILL_BEFORE)[number % 2 :][:1]
    return (*kill, Kind.LOST_ANSWER)


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
    ordered = sorted(disturbances, key=lambda each: (_BLOWS.index(each.blow), _KINDS.index(each.kind), each.point))
    for _, group in groupby(ordered, key=lambda each: each.blow):
        whole = list(group)
        for start in range(0, len(whole), size):
            yield whole[start : start + size]
