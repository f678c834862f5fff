"""Every field of the specs, changed while customers live: `make fields` runs the same, and more of it."""

import pytest

from builders.crds import apply_crds
from builders.say import Say
from fields.__main__ import change_all
from fields.schema import all_fields
from talkdesk_sandbox.controlplane import Cluster


@pytest.mark.case(46, 54, 75)
async def test_each_field_is_refused_or_taken_says_what_is_wrong_and_leaves_everything_as_it_was(
    control_plane: Cluster, say: Say
) -> None:
    apply_crds(control_plane)
    campaign = await change_all(control_plane, all_fields(), full=False, say=lambda _: None)
    say(campaign.figures())
    assert not campaign.problems, "\n\n".join(campaign.problems)
