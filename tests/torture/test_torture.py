"""Crash at every write, the short form: one point of each sort; `make torture` tries them all."""

import pytest

from builders.crds import apply_crds
from builders.say import Say
from talkdesk_sandbox.controlplane import Cluster
from torture.plan import sample
from torture.report import report
from torture.run import run

pytestmark = [pytest.mark.crash, pytest.mark.case(22, 49, 50)]


async def test_a_life_that_is_disturbed_once_in_a_step_ends_as_an_undisturbed_one(
    control_plane: Cluster, say: Say
) -> None:
    apply_crds(control_plane)

    learned, made = await run(control_plane, lambda found: sample(found.points), size=16, beyond=1, attempts=1)

    lines = list(report(learned, made))
    say("\n".join(lines))
    assert not made.failed, lines
    assert not made.problems
    assert not made.stale_lists
    assert len(made.outcomes) > 60
    assert len(made.missed) < len(made.outcomes) / 10
