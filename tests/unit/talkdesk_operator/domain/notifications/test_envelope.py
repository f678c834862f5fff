"""A notification as a CloudEvent."""

from builders.objects import NOON, app, endpoint_object, installation
from talkdesk_crds.app_notifications import NotificationType
from talkdesk_crds.notifications import Notification
from talkdesk_operator.domain.notifications.envelope import envelope


def test_it_says_what_happened_to_whom_and_nothing_that_changes() -> None:
    told = Notification(
        id="x",
        sequence=3,
        type=NotificationType.APPROVED,
        time=NOON,
        queue_time=NOON,
        endpoints=("default",),
        phase="Active",
        reason="Succeeded",
        message="all is well",
        request_type="Install",
        request_id="e1",
        deadline=NOON,
        account_name="acme",
        company_name="Acme Inc.",
        plan="Gold",
    )
    found = envelope(app(notifications=[endpoint_object()]), installation(), told)
    assert (found.id, found.type, found.subject, found.time, found.sequence) == (
        "x",
        "dev.talkdesk.appconnect.installation.Approved",
        "i1",
        NOON,
        3,
    )
    assert found.source == "//appconnect.talkdesk.dev/namespaces/team/talkdeskapps/sentiment"
    assert found.data == {
        "app": {"id": "app-1", "name": "sentiment", "namespace": "team"},
        "account": {"id": "acc-1", "name": "acme", "companyName": "Acme Inc."},
        "installation": {"id": "i1", "name": "sentiment-i1"},
        "subscription": {"name": "Gold"},
        "request": {"type": "Install", "eventId": "e1"},
        "phase": "Active",
        "reason": "Succeeded",
        "message": "all is well",
        "deadline": "2026-03-01T12:00:00Z",
    }
    renamed = installation(accountName="other")
    assert envelope(app(notifications=[endpoint_object()]), renamed, told) == found
