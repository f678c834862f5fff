"""Change every field of the specs while customers live: `python -m fields`, or `make fields`.

Fields are named by a part of kind and path, such as `"TalkdeskApp users"`; without any, all are changed.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence

from builders.crds import apply_crds
from fields.campaign import PLACES, Campaign
from fields.home import home
from fields.schema import Field, all_fields
from talkdesk_sandbox.controlplane import Cluster, ControlPlane, find_programs

__all__ = ["change_all", "main"]


def main() -> int:
    """Return 1 where something is not as it should be."""
    options = _options()
    fields = [each for each in all_fields() if not options.only or any(word in each.name for word in options.only)]
    with ControlPlane(find_programs()) as cluster:
        apply_crds(cluster)
        campaign = asyncio.run(change_all(cluster, fields, full=options.all, say=_say, places=options.places))
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


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fields", description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of the names of fields; all of them without any")
    parser.add_argument("--all", action="store_true", help="all values of each field, not one that is taken")
    parser.add_argument("--places", type=int, default=PLACES, help="how many fields are changed at once")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
