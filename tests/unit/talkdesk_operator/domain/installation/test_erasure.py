"""What waits to be told outlives the erasure, without names."""

from builders.objects import NOON
from talkdesk_crds.installation import InstallationStatus
from talkdesk_crds.notifications import Notification, NotificationsStatus
from talkdesk_operator.domain.installation.erasure import without_personal_data

NAMELESS = Notification(
    id="a", sequence=1, time=NOON, queue_time=NOON, endpoints=("default",), phase="Purged", request_id="e1"
)


def test_what_waits_loses_names_and_words_and_nothing_else() -> None:
    named = NAMELESS.model_copy(
        update={"account_name": "acme", "company_name": "Acme", "plan": "Gold", "message": "quotes Acme"}
    )
    after = without_personal_data(InstallationStatus(notifications=NotificationsStatus(pending=(named,))))
    assert after.notifications == NotificationsStatus(pending=(NAMELESS,))


def test_a_status_without_anything_to_tell_stays_so() -> None:
    for outbox in (None, NotificationsStatus(sequence=3)):
        assert without_personal_data(InstallationStatus(notifications=outbox)).notifications == outbox
