"""Search the model: `python -m model`, or `make model`; with `--mutants`, `make model-mutants`."""

import argparse
import json
import sys

from model.mutants import report, say
from model.scenes import SCENES, WIDE_SCENES
from model.search import Found, Search
from model.seeded import MUTANTS


def main() -> int:
    """Return 1 where something is wrong."""
    options = _options()
    if options.mutants:
        return report([each for each in MUTANTS if not options.only or each.what in options.only])
    wrong = 0
    total = Search(SCENES[0])
    for scene in WIDE_SCENES if options.night else SCENES:
        if options.only and scene.name not in options.only:
            continue
        search = Search(scene)
        found = search.run()
        total.states += search.states
        total.transitions += search.transitions
        total.seconds += search.seconds
        if options.json:
            say(json.dumps({"what": found.what if found else "", "states": search.states}))
            return 0
        say(told(search))
        if found is not None:
            wrong += 1
            say(story(found))
    rate = total.states / total.seconds if total.seconds else 0.0
    say(
        f"{total.states:,} states, {total.transitions:,} transitions, {total.seconds:.0f} s of CPU, {rate:.0f} states/s"
    )
    return 1 if wrong else 0


def told(search: Search) -> str:
    """Return the figures of a search in a line."""
    return (
        f"{search.scene.name}: {search.states:,} states, {search.transitions:,} transitions,"
        f" {search.rests:,} states at rest, longest way to rest {search.longest} steps, {search.seconds:.1f} s of CPU"
    )


def story(found: Found) -> str:
    """Return a counterexample as a story in numbered lines."""
    lines = [f"{number:3}  {line}" for number, line in enumerate(found.story, 1)]
    return "\n".join((f"FOUND in {found.scene}, after {found.states:,} states: {found.what}", *lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="model", description=__doc__)
    parser.add_argument("only", nargs="*", help="scenes, or mutants, by name; all of them without any")
    parser.add_argument("--night", action="store_true", help="the wide scenes, which take hours")
    parser.add_argument("--mutants", action="store_true", help="seed faults into the source and find them")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
