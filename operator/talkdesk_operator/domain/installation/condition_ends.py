"""Which conditions of an installation go on saying what they said when a reconcile did not judge them anew.

`talkdesk_crds.condition_rules` has the rules in words, for all kinds.

Belongs here: the end of a condition. Does not belong here: what it says while it is shown (`conditions`).
"""

from typing import Final

from talkdesk_crds.conditions import Condition, ConditionType
from talkdesk_crds.installation import Answer, EndingReason, InstallationPhase, RequestType
from talkdesk_operator.domain.reconcile.deadlines import is_answered
from talkdesk_operator.domain.reconcile.scope import Role, Scope
from talkdesk_operator.domain.reconcile.steps import Finish

__all__ = ["ENDED", "has_ended", "has_scim"]

ENDED: Final = frozenset({InstallationPhase(reason.value) for reason in EndingReason} | {InstallationPhase.PURGED})
"""Phases after the end of an installation."""


def has_ended(told: Condition, scope: Scope, finish: Finish, answer: Answer | None) -> bool:
    """Return whether what a condition says is over, so that it is not shown.

    `answer` is the answer to the current request.
    """
    match told.type:
        case ConditionType.TENANT_READY:
            made = scope.tenant is not None or scope.installation.status.tenant_ref is not None
            return finish.phase in ENDED and not made
        case ConditionType.USERS_SYNCED:
            unwanted = scope.role is Role.NON_OWNER or (scope.app is not None and not has_scim(scope))
            return unwanted or (finish.phase in ENDED and told.status != "False")
        case ConditionType.IN_SYNC:
            delivered = is_answered(scope.installation) or (answer is not None and answer.delivery_time is not None)
            request = scope.installation.spec.request
            leaving = request is not None and request.type is RequestType.UNINSTALL
            return leaving or not delivered or finish.ending is not None or finish.phase in ENDED
        case ConditionType.NOTIFICATIONS_OVERDUE:
            return scope.app is not None and not scope.app.resource.spec.notifications
        case _:
            return False


def has_scim(scope: Scope) -> bool:
    """Return whether the app syncs users to a SCIM service."""
    users = scope.app.resource.spec.users if scope.app is not None else None
    return users is not None and users.scim is not None
