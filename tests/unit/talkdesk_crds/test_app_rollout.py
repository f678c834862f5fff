"""What `templateRollout` may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from builders.objects import app
from talkdesk_crds.app_rollout import TemplateRollout


@pytest.mark.parametrize("share", [1, 7, 100_000, "1%", "10%", "100%"])
def test_a_number_or_a_percentage_of_tenants_may_be_unavailable(share: int | str) -> None:
    assert app(templateRollout={"maxUnavailable": share}).spec.template_rollout.max_unavailable == share


@pytest.mark.parametrize("share", [0, -1, True, "", "0%", "010%", "101%", "10", "x%", "²%", None, 1.5])
def test_nothing_else_may_be(share: Any) -> None:
    with pytest.raises(ValidationError):
        TemplateRollout.model_validate({"maxUnavailable": share})


def test_without_a_word_a_tenth_moves_at_once_and_the_first_failure_stops_it() -> None:
    found = app().spec.template_rollout
    assert (found.policy, found.max_unavailable, found.pause_after_failures) == ("Automatic", "10%", 1)
    assert (found.canary, found.paused, found.revision) == (None, False, None)
