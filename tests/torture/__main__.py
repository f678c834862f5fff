"""Crash at every write: `python -m torture`, or `make torture`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from builders.crds import apply_crds
from model.mutants import judge, say, table
from talkdesk_sandbox.controlplane import Cluster, ControlPlane
from torture.plan import everything, matching, sample
from torture.play import PATIENCE
from torture.points import Disturbance, Kind, Point
from torture.report import failure, progress, report
from torture.run import Learned, Run, run
from torture.seeded import MUTANTS

SIZE = 24
"""Lives at once."""
_SHOWN = 100
"""Characters of each difference in the table of mutants."""
_MUTANTS_PATIENCE = 120.0
"""Seconds after which a step that never ends is a fault found."""


def main() -> int:
    """Return 1 where something is wrong."""
    options = _options()
    if options.mutants:
        return _mutants(options)
    with ControlPlane() as cluster:
        apply_crds(cluster)
        return asyncio.run(_torture(cluster, options))


async def _torture(cluster: Cluster, options: argparse.Namespace) -> int:
    said, wanted = set[int](), list[Disturbance]()

    def choose(learned: Learned) -> list[Disturbance]:
        if options.learned:
            learned.save(options.learned)
        wanted.extend(_chosen(learned.points, options))
        if options.list:
            say("\n".join(map(str, wanted)))
            return []
        return wanted

    def tell(made: Run) -> None:
        if options.json:
            return
        for outcome in made.failed:
            if id(outcome) not in said:
                said.add(id(outcome))
                say(failure(outcome))
        say(progress(made, len(wanted)))

    known, bounds = _known(options), {"size": options.size, "beyond": options.beyond}
    learned, made = await run(cluster, choose, **bounds, known=known, patience=options.patience, each=tell)
    if options.json:
        first = next(iter([each.problem for each in made.failed] + made.problems), "")
        what = "; ".join(line.strip()[:_SHOWN] for line in first.splitlines()[:3])
        say(json.dumps({"what": what, "states": len(made.outcomes)}))
        return 0
    say("\n".join(report(learned, made)))
    if not wanted:
        say("no disturbance is called so: `--list` prints all of them")
        return 2
    return int(bool(made.failed or made.problems or made.stale_lists))


def _known(options: argparse.Namespace) -> Learned | None:
    path: Path | None = options.learned
    return Learned.load(path) if path is not None and path.is_file() else None


def _chosen(points: Sequence[Point], options: argparse.Namespace) -> list[Disturbance]:
    chosen = sample(points) if options.short else everything(points)
    kinds = {Kind(each) for each in options.kinds.split(",")} if options.kinds else {*Kind}
    chosen = [each for each in chosen if each.kind in kinds]
    return matching(chosen, options.only) if options.only else chosen


def _mutants(options: argparse.Namespace) -> int:
    """Seed each fault, print the table, and return 1 where one survived."""
    verdicts = []
    known = ("--learned", str(options.learned.absolute())) if options.learned else ()
    for mutant in MUTANTS:
        if not options.only or mutant.what in options.only:
            bounds = ("--beyond", "1", "--patience", str(min(options.patience, _MUTANTS_PATIENCE)), *known)
            verdicts.append(judge(mutant, ("--only", mutant.scene, *bounds), module="torture"))
            say(table(verdicts[-1:]).splitlines()[1])
    killed = sum(bool(each.killed_by) for each in verdicts)
    say(f"{killed} of {len(verdicts)} mutants killed, {sum(each.seconds for each in verdicts):.0f} s")
    return int(killed < len(verdicts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--only", nargs="+", help="disturbances as they are printed, with * and ?; or mutants by name")
    parser.add_argument("--short", action="store_true", help="one point of each sort, as the test suite does")
    parser.add_argument("--kinds", default="", help=f"some of these, separated by commas: {', '.join(Kind)}")
    parser.add_argument("--size", type=int, default=SIZE, help="lives at once")
    parser.add_argument("--beyond", type=int, default=100, help="steps of a life after the last disturbed one; all")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds until a step must have ended")
    parser.add_argument("--learned", type=Path, help="a file that keeps what undisturbed lives do, for further runs")
    parser.add_argument("--list", action="store_true", help="only say what would be tried")
    parser.add_argument("--mutants", action="store_true", help="seed faults into the source and find them")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
