"""What is said of a rollout names tenants and reasons, and nothing of a customer's."""

from dataclasses import replace

import pytest

from builders.objects import NOON, app
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.app_rollout import TenantCounts
from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.tenant.rollout import Follower, Progress, RolloutState
from talkdesk_operator.domain.tenant.rollout_words import rolled_out, rollout_event

pytestmark = pytest.mark.case(55)
FAILING = tuple(Follower(name=f"t{n:02}", reason="ApplyRefused") for n in range(12))
FOUND = Progress(RolloutState.GOING_ON, TenantCounts(total=20, updated=12, held=2))


@pytest.mark.parametrize(
    ("found", "status", "reason", "words"),
    [
        (FOUND, "False", Reason.ROLLING_OUT, ("12 of 20 tenants have revision new",)),
        (replace(FOUND, wave=("a", "b")), "False", Reason.ROLLING_OUT, ("the turn of a, b",)),
        (replace(FOUND, waiting=FAILING[:1]), "False", Reason.ROLLING_OUT, ("not ready yet: t00 (ApplyRefused)",)),
        (replace(FOUND, failing=FAILING[:1]), "False", Reason.ROLLING_OUT, ("failing: t00 (ApplyRefused)",)),
        (
            replace(FOUND, state=RolloutState.FAILING, failing=FAILING),
            "False",
            Reason.TENANTS_FAILING,
            ("t00 (ApplyRefused), t01", "t09 (ApplyRefused) and 2 more", "kubectl describe tdt"),
        ),
        (replace(FOUND, state=RolloutState.PAUSED), "False", Reason.PAUSED, ("templateRollout.paused",)),
        (replace(FOUND, state=RolloutState.NO_CANARY), "False", Reason.CANARY_MISSING, ("canary.selector",)),
        (replace(FOUND, state=RolloutState.UNUSABLE), "False", Reason.TEMPLATE_INVALID, ("can't be used",)),
        (replace(FOUND, state=RolloutState.COMPLETE), "True", Reason.SUCCEEDED, ("revision new, 2 are not moved",)),
        (Progress(RolloutState.COMPLETE, TenantCounts()), "True", Reason.SUCCEEDED, ("revision new",)),
    ],
)
def test_the_condition_says_how_far_it_is_and_whom_it_waits_for(
    found: Progress, status: str, reason: Reason, words: tuple[str, ...]
) -> None:
    condition = rolled_out(app(), "new", found, NOON)
    assert (condition.status, condition.reason) == (status, reason)
    for each in words:
        assert each in condition.message


def after(found: Progress) -> TalkdeskApp:
    return app().model_copy(update={"status": AppStatus(conditions=(rolled_out(app(), "new", found, NOON),))})


def test_an_event_tells_when_it_stops_and_when_it_is_done_and_only_then() -> None:
    failing = rolled_out(app(), "new", replace(FOUND, state=RolloutState.FAILING, failing=FAILING), NOON)
    event = rollout_event(after(FOUND), failing)
    assert event is not None
    assert (event.warning, event.reason, event.message) == (True, Reason.TENANTS_FAILING, failing.message)
    done = rolled_out(app(), "new", replace(FOUND, state=RolloutState.COMPLETE), NOON)
    event = rollout_event(after(FOUND), done)
    assert event is not None
    assert not event.warning
    assert rollout_event(after(replace(FOUND, state=RolloutState.COMPLETE)), done) is None
    assert (
        rollout_event(after(replace(FOUND, state=RolloutState.PAUSED)), rolled_out(app(), "new", FOUND, NOON)) is None
    )
    assert rollout_event(app(), done) is None
