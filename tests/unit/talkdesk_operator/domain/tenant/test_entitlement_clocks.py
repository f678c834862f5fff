"""The trial as events and Talkdesk tell it: what is read is never younger than the event that follows it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import NOON, installation
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationStatus, TalkdeskInstallation, TrialState, TrialStatus
from talkdesk_operator.domain.ports.talkdesk import RemoteTrial
from talkdesk_operator.domain.tenant.entitlement import trial_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AHEAD = NOON + HOUR + 2 * DAY
"""Our clock, which is ahead of Talkdesk's by an hour, two days after the installation."""
OPEN = RemoteTrial("started", expires_at=NOON + 30 * DAY, started_at=NOON + HOUR)


def known(recorded: TrialStatus | None = None, event: dict[str, Any] | None = None) -> TalkdeskInstallation:
    return installation(trial=event, status=InstallationStatus(trial=recorded))


def ended(at: datetime) -> dict[str, Any]:
    return {"state": "Ended", "eventId": "e", "eventTime": to_wire_time(at), "endedReason": "trial_expired"}


def test_a_trial_without_an_event_started_when_talkdesk_says() -> None:
    found = trial_of(known(), OPEN, now=AHEAD)
    assert found == TrialStatus(
        state=TrialState.STARTED, last_transition_time=NOON + HOUR, expiration_time=OPEN.expires_at
    )


def test_a_trial_without_a_start_time_starts_when_it_is_read() -> None:
    found = trial_of(known(), RemoteTrial("started", expires_at=NOON + 30 * DAY), now=AHEAD)
    assert found is not None
    assert found.last_transition_time == AHEAD


def test_a_trial_never_starts_before_its_installation() -> None:
    found = trial_of(known(), RemoteTrial("started", NOON + DAY, started_at=NOON - DAY), now=AHEAD)
    assert found is not None
    assert found.last_transition_time == NOON


@pytest.mark.case(35)
@pytest.mark.parametrize("reads", [1, 2])
def test_the_end_of_a_trial_counts_even_after_reads_by_a_clock_that_is_ahead(reads: int) -> None:
    recorded = None
    for number in range(reads):
        longer = RemoteTrial("started", NOON + (30 + number) * DAY, started_at=NOON + HOUR)
        recorded = trial_of(known(recorded), longer, now=AHEAD)
    assert recorded is not None
    assert recorded.state is (TrialState.STARTED if reads == 1 else TrialState.EXTENDED)

    found = trial_of(known(recorded, ended(NOON + 2 * HOUR)), now=AHEAD)

    assert found is not None
    assert found.state is TrialState.ENDED


def test_an_extension_without_an_event_stays_recorded() -> None:
    started = {
        "state": "Started",
        "eventId": "e",
        "eventTime": to_wire_time(NOON + HOUR),
        "expirationTime": to_wire_time(NOON + DAY),
    }
    read = trial_of(known(event=started), OPEN, now=AHEAD)

    assert trial_of(known(read, started), now=AHEAD) == read
    assert trial_of(known(read, started), OPEN, now=AHEAD) == read
    assert read is not None
    assert (read.state, read.expiration_time) == (TrialState.EXTENDED, OPEN.expires_at)
