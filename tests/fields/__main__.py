"""Change every field of the specs while customers live: `python -m fields`, or `make fields`.

Fields are named by a part of kind and path, such as `"TalkdeskApp users"`; without any, all are changed.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence

from builders.crds import apply_crds
from fields.campaign import PLACES, Campaign
from fields.home import home
from fields.schema import Field, all_fields
from fields.seeded import MUTANTS
from model.mutants import judge, table
from talkdesk_sandbox.controlplane import Cluster, ControlPlane, find_programs

__all__ = ["change_all", "main"]

_SHOWN = 160
"""Characters of each line in the table of mutants."""


def main() -> int:
    """Return 1 where something is not as it should be."""
    options = _options()
    if options.mutants:
        return _mutants(options.only)
    fields = [each for each in all_fields() if not options.only or any(word in each.name for word in options.only)]
    if not fields:
        _say("no field is called so")
        return 2
    tell = _say if not options.json else _nothing
    with ControlPlane(find_programs()) as cluster:
        apply_crds(cluster)
        campaign = asyncio.run(change_all(cluster, fields, full=options.all, say=tell, places=options.places))
    if options.json:
        _say(json.dumps({"what": _first(campaign.problems), "states": len(campaign.outcomes)}))
        return 0
    for problem in campaign.problems:
        _say(f"\nNOT AS IT SHOULD BE: {problem}")
    _say(f"\n{campaign.figures()}")
    return 1 if campaign.problems else 0


async def change_all(
    cluster: Cluster, fields: Sequence[Field], *, full: bool, say: Callable[[str], None], places: int = PLACES
) -> Campaign:
    """Change these fields, all values of each if `full`, and return what was found."""
    async with home(cluster, places) as made:
        campaign = Campaign(made, full, say)
        await campaign.run(fields)
    return campaign


def _mutants(only: Sequence[str]) -> int:
    """Seed each fault, or these, print what found it, and return 1 where one survived."""
    verdicts = []
    for mutant in MUTANTS:
        if not only or mutant.what in only:
            verdicts.append(judge(mutant, module="fields"))
            _say(table(verdicts[-1:]).splitlines()[1])
    killed = sum(bool(each.killed_by) for each in verdicts)
    _say(f"{killed} of {len(verdicts)} mutants killed, {sum(each.seconds for each in verdicts):.0f} s")
    return int(killed < len(verdicts))


def _first(problems: Sequence[str]) -> str:
    """Return the beginning of the first problem, in one line."""
    return "; ".join(line.strip()[:_SHOWN] for line in "".join(problems[:1]).splitlines()[:2])


def _nothing(_: str) -> None:
    """Say nothing."""


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fields", description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of the names of fields; all of them without any")
    parser.add_argument("--all", action="store_true", help="all values of each field, not one that is taken")
    parser.add_argument("--places", type=int, default=PLACES, help="how many fields are changed at once")
    parser.add_argument("--mutants", action="store_true", help="seed faults into the source and find them")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
