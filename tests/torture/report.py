"""What a run says to people."""

from collections import Counter
from collections.abc import Iterator

from torture.batch import Outcome
from torture.points import Kind
from torture.run import Learned, Run

__all__ = ["failure", "progress", "report"]

_COMMAND = 'make torture ARGS="--only {}"'


def report(learned: Learned, made: Run) -> Iterator[str]:
    """Yield the lines: each failure, each kind, and all together."""
    for outcome in made.failed:
        yield failure(outcome)
    yield from made.problems
    tried = Counter(each.disturbance.kind for each in made.outcomes)
    for kind in Kind:
        if tried[kind]:
            failed = sum(each.disturbance.kind is kind for each in made.failed)
            missed = sum(each.kind is kind for each in made.missed)
            passed = tried[kind] - failed - missed
            yield (
                f"{kind}: {tried[kind]:,} points tried, {passed:,} passed, {failed:,} failed, {missed:,} not reached,"
                f" {made.seconds[kind]:,.0f} s"
            )
    yield from (f"not reached: {each}" for each in made.missed)
    requests = sum(point.server != "watch" for point in learned.points)
    yield (
        f"an undisturbed life has {requests:,} writes and calls and {len(learned.points) - requests:,} events of"
        f" watches; of {len(made.lists):,} reads, {len(made.stale_lists):,} may be answered from an earlier state"
    )
    yield (
        f"{sum(tried.values()):,} points tried, {len(made.failed):,} failed,"
        f" {learned.seconds + sum(made.seconds.values()):,.0f} s"
    )


def failure(outcome: Outcome) -> str:
    """Return what was different, and how it is tried alone."""
    command = _COMMAND.format(f"'{outcome.disturbance}'")
    return "\n    ".join([f"FAILED {outcome.disturbance}", command, *outcome.problem.splitlines()])


def progress(made: Run, wanted: int) -> str:
    """Return how far it is."""
    return f"{len(made.outcomes):,} of {wanted:,}, {len(made.failed):,} failed, {len(made.missed):,} not reached"
