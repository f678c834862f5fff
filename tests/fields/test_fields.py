"""Every field of the specs, changed while customers live: `make fields` runs the same, and more of it."""

import pytest

from builders.say import Say
from fields.__main__ import change_all
from fields.schema import all_fields
from talkdesk_sandbox.controlplane import Cluster


@pytest.mark.case(46, 54, 75)
async def test_each_field_is_refused_or_taken_says_what_is_wrong_and_leaves_everything_as_it_was(
    crds: Cluster, say: Say
) -> None:
    campaign = await change_all(crds, all_fields(), full=False, say=lambda _: None)
    say(campaign.figures())
    assert not campaign.problems, "\n\n".join(campaign.problems)
