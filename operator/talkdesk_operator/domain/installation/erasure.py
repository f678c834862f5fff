"""Which personal data an installation's object holds, and its status without any.

Being erased is a state, not a moment: after the end of the retention, each look takes away what is there. So it makes
no difference where a process ended, or whether an event or a person brought something back.

Belongs here: the places of personal data in a TalkdeskInstallation. Does not belong here: when they are to be empty
(`retention`), writing. Ids of Talkdesk's are no personal data: they say nothing to whoever has no access to Talkdesk.
"""

from typing import Final

from talkdesk_crds.conditions import Condition, ConditionType
from talkdesk_crds.installation import InstallationStatus, TalkdeskInstallation
from talkdesk_crds.names import ANNOTATION_LAST_APPLIED
from talkdesk_crds.notifications import NotificationsStatus

__all__ = ["holds_personal_data", "without_personal_data"]

_COMPUTED: Final = frozenset({ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED})
"""Conditions whose messages are those of the present state; others may quote what a call or an object said before."""


def holds_personal_data(installation: TalkdeskInstallation) -> bool:
    """Return whether spec or metadata hold any: names, addresses, words of people, a copy of the whole by kubectl."""
    spec = installation.spec
    words = (
        spec.request.reason if spec.request is not None else None,
        spec.approval.reason if spec.approval is not None else None,
        spec.approval.decided_by if spec.approval is not None else None,
        spec.account_name,
        spec.endpoints,
        installation.metadata.annotations.get(ANNOTATION_LAST_APPLIED),
    )
    return any(each is not None for each in words)


def without_personal_data(status: InstallationStatus) -> InstallationStatus:
    """Return the status without facts of the customer and without messages in which such facts may be quoted."""
    answer = status.answer.model_copy(update={"reason": None}) if status.answer is not None else None
    return status.model_copy(
        update={
            "account": None,
            "subscription": None,
            "created_by": None,
            "users": None,
            "credentials": None,
            "answer": answer,
            "conditions": tuple(map(_plain, status.conditions)),
            "notifications": _nameless(status.notifications),
            "history": tuple(each.model_copy(update={"message": ""}) for each in status.history),
        }
    )


def _nameless(outbox: NotificationsStatus | None) -> NotificationsStatus | None:
    """Return what waits to be told without anything of the customer's: it is still told."""
    if outbox is None or not outbox.pending:
        return outbox
    nothing = dict.fromkeys(("account_name", "company_name", "plan", "message"))
    pending = tuple(each.model_copy(update=nothing) for each in outbox.pending)
    return outbox.model_copy(update={"pending": pending})


def _plain(condition: Condition) -> Condition:
    return condition if condition.type in _COMPUTED else condition.model_copy(update={"message": ""})
