"""Since when only the record of a customer is left, and until when it is kept."""

from datetime import datetime
from typing import Any

import pytest

from builders.objects import DAY, HOUR, NOON, app, ended, installation
from talkdesk_crds.app import AppStatus, DeletionPolicies
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.installation import EndingReason, InstallationPhase, InstallationStatus, RequestType, Transition
from talkdesk_operator.domain.tenant.history import forgotten_at, history_since, ttl_end

pytestmark = pytest.mark.case(40)
TENANT = LocalRef(name="sentiment-acc")


def since(phase: InstallationPhase | None, *reasons: str, **status: Any) -> datetime | None:
    """Return since when a record is history by the transitions of that many hours after noon."""
    history = tuple(
        Transition(time=NOON + hours * HOUR, reason=reason, message="") for hours, reason in enumerate(reasons)
    )
    known = ended(phase=phase, history=history).model_copy(update=status)
    return history_since(installation(request=RequestType.UNINSTALL, status=known))


def test_a_record_is_history_since_the_tenant_was_purged() -> None:
    assert since(InstallationPhase.PURGED, "Uninstalled", "Purged") == NOON + HOUR
    assert since(InstallationPhase.PURGED, "Purged", "Paused", "Purged") == NOON + 2 * HOUR


@pytest.mark.parametrize("kind", EndingReason)
def test_where_there_never_was_a_tenant_a_record_is_history_since_the_end(kind: EndingReason) -> None:
    phase = InstallationPhase(kind.value)
    assert since(phase, "Pending", kind.value, tenant_ref=None) == NOON + HOUR
    assert since(phase, "Pending", kind.value, tenant_ref=TENANT) is None


@pytest.mark.parametrize(
    ("phase", "reasons", "status"),
    [
        (InstallationPhase.PURGED, (), {}),
        (InstallationPhase.PURGED, ("Purged", "Uninstalled"), {}),
        (None, ("Purged",), {}),
        (InstallationPhase.PAUSED, ("Purged", "Paused"), {"tenant_ref": None}),
        (InstallationPhase.PURGED, ("Purged",), {"ending": None}),
        (InstallationPhase.PURGED, ("Purged",), {"tenant_ref": None}),
    ],
    ids=str,
)
def test_in_doubt_a_record_is_not_history(
    phase: InstallationPhase | None, reasons: tuple[str, ...], status: dict[str, Any]
) -> None:
    assert since(phase, *reasons, **status) is None


def test_a_record_that_was_asked_for_something_new_is_not_history() -> None:
    history = (Transition(time=NOON, reason="Purged", message=""),)
    status = ended(phase=InstallationPhase.PURGED, history=history)
    assert history_since(installation(event="e2", status=status)) is None
    assert history_since(installation(status=InstallationStatus())) is None


def test_a_record_is_kept_for_the_time_that_the_app_says() -> None:
    assert ttl_end(NOON, app()) == NOON + 365 * DAY
    assert ttl_end(NOON, app(retention={"historyTTL": "2d"})) == NOON + 2 * DAY
    assert ttl_end(NOON, app(retention={"historyTTL": "999999d"})).year > 4000


def test_an_edit_of_the_time_waits_an_hour() -> None:
    edited = app(retention={"historyTTL": "0s"})
    recorded = AppStatus(deletion_policies=DeletionPolicies(fingerprint="others"))
    edited = edited.model_copy(update={"status": recorded})
    assert forgotten_at(NOON - DAY, edited, NOON) == NOON + HOUR
    assert forgotten_at(NOON + DAY, edited, NOON) == NOON + DAY
    assert forgotten_at(NOON - DAY, app(retention={"historyTTL": "0s"}), NOON) == NOON - DAY
