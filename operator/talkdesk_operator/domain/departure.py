"""The users of a tenant that is put away: they are deactivated in the SCIM service, where the app wants that."""

from talkdesk_crds.app import UsersOffboard
from talkdesk_operator.domain.scope import Scope, UsersOutcome
from talkdesk_operator.domain.steps import DeactivateUsers

__all__ = ["departure"]


def departure(scope: Scope) -> DeactivateUsers | UsersOutcome | None:
    """Give the step; or its outcome, while more is to be done; or None when nobody is left to deactivate."""
    users, known = scope.policy.resource.spec.users, scope.installation.status.users
    if users is None or users.scim is None or users.scim.on_offboard is UsersOffboard.KEEP:
        return None
    outcome = scope.users
    if outcome is None:
        done = known is not None and known.complete and known.licensed == 0
        return None if done else DeactivateUsers()
    return None if outcome.finished else outcome
