"""One notification as a CloudEvent: its attributes and its data, the same in each repetition.

Belongs here: what an endpoint is told, in which form. Does not belong here: JSON and HTTP (`adapters.notifications`).
"""

from typing import Any, Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP
from talkdesk_crds.notifications import Notification
from talkdesk_operator.domain.ports.notifications import CloudEventDraft

__all__ = ["TYPE_PREFIX", "envelope"]

TYPE_PREFIX: Final = f"{'.'.join(reversed(GROUP.split('.')))}.installation"
"""What stands before the names in an endpoint's `events`."""


def envelope(app: TalkdeskApp, installation: TalkdeskInstallation, told: Notification) -> CloudEventDraft:
    """Return the CloudEvent. All that can change between two attempts is that names are gone after an erasure."""
    return CloudEventDraft(
        id=told.id,
        source=f"//{GROUP}/namespaces/{app.metadata.namespace}/talkdeskapps/{app.metadata.name}",
        type=f"{TYPE_PREFIX}.{told.type.value if told.type is not None else 'Unknown'}",
        subject=installation.spec.installation_id,
        time=told.time,
        sequence=told.sequence,
        data=_data(app, installation, told),
    )


def _data(app: TalkdeskApp, installation: TalkdeskInstallation, told: Notification) -> dict[str, Any]:
    spec = installation.spec
    return {
        "app": {"id": app.spec.app_id, "name": app.metadata.name, "namespace": app.metadata.namespace},
        "account": {"id": spec.account_id, "name": told.account_name, "companyName": told.company_name},
        "installation": {"id": spec.installation_id, "name": installation.metadata.name},
        "subscription": {"name": told.plan},
        "request": {"type": told.request_type, "eventId": told.request_id},
        "phase": told.phase,
        "reason": told.reason,
        "message": told.message,
        "deadline": to_wire_time(told.deadline) if told.deadline is not None else None,
    }
