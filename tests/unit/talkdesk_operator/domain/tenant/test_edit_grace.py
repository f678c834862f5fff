"""Until when an edit of an app's policies deletes nothing."""

from typing import Any

import pytest

from builders.objects import HOUR, NOON, app, app_object
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION
from talkdesk_operator.domain.tenant.edit_grace import deletion_policies, held_until

pytestmark = pytest.mark.case(40)
EDITS: list[dict[str, Any]] = [
    {"retention": {"keepFor": "0s"}},
    {"retention": {"historyTTL": "0s"}},
    {"trial": {"onEnd": "Offboard"}},
    {"license": {"onSuspended": "Offboard"}},
    {"license": {"onRevoked": "Offboard"}},
    {"deadline": {"gracePeriod": "0s"}},
]


def edited(*, recorded: bool = True, annotation: str | None = None, **spec: Any) -> TalkdeskApp:
    """An app whose policies were others before; the edit is recorded at noon unless it is not recorded yet."""
    before = AppStatus(deletion_policies=deletion_policies(app(), NOON))
    raw = app_object(**spec)
    if annotation is not None:
        raw["metadata"]["annotations"] = {ANNOTATION_CONFIRM_DELETION: annotation}
    after = TalkdeskApp.read(raw).model_copy(update={"status": before})
    if not recorded:
        return after
    return after.model_copy(update={"status": AppStatus(deletion_policies=deletion_policies(after, NOON))})


@pytest.mark.parametrize("spec", EDITS, ids=str)
def test_an_edit_of_a_policy_that_deletes_waits_an_hour(spec: dict[str, Any]) -> None:
    assert held_until(edited(**spec), NOON) == NOON + HOUR
    assert held_until(edited(**spec), NOON + HOUR) is None
    assert held_until(edited(recorded=False, **spec), NOON + 9 * HOUR) == NOON + 10 * HOUR


def test_no_other_edit_waits_nor_does_an_app_that_was_never_seen_before() -> None:
    assert held_until(edited(resyncPeriod="20m"), NOON) is None
    assert held_until(app(retention={"keepFor": "0s"}), NOON) is None


@pytest.mark.parametrize(("word", "waits"), [("1", False), ("2", True), ("true", True)])
def test_only_the_generation_of_the_edit_has_it_done_at_once(word: str, *, waits: bool) -> None:
    found = held_until(edited(annotation=word, **EDITS[0]), NOON)
    assert (found is not None) == waits


def test_the_record_keeps_the_time_of_the_last_edit() -> None:
    once = edited(**EDITS[0])
    assert deletion_policies(once, NOON + HOUR) == once.status.deletion_policies
