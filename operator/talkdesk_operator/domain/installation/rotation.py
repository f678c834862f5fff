"""What a new credential version needs: an acknowledgement once it is proven, and the deletion of previous versions.

A version is proven by a call that Talkdesk accepted with it. The tenant's own copy is applied before the
acknowledgement, because that revokes the previous version. But the acknowledgement does not wait for a tenant that is
not ready: Talkdesk revokes the previous version by itself in the end, and a stolen one at once.

Belongs here: the next step for the newest version. Does not belong here: that the tenant comes first
(`prerequisites.converge`), which version is in use (`reconcilers`).
"""

from talkdesk_crds.installation import CredentialsOrigin
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.scope import AcknowledgementState, Scope
from talkdesk_operator.domain.reconcile.steps import Acknowledge, DeletePreviousCredentials, Step

__all__ = ["decide_rotation", "needs_acknowledgement"]


def needs_acknowledgement(scope: Scope) -> bool:
    """Return whether Talkdesk waits for the acknowledgement of the newest credential version."""
    register, known = scope.installation.spec.credentials, scope.installation.status.credentials
    if register is None or register.origin is not CredentialsOrigin.ROTATION:
        return False
    return known is None or known.acknowledged_event_id != register.event_id


def decide_rotation(scope: Scope) -> Step | None:
    """Return the next step for the newest credential version; None when nothing is to be done, or can be done."""
    register = scope.installation.spec.credentials
    proven = isinstance(scope.remote, RemoteInstallation)
    if register is None or not proven or scope.secret_name != register.secret_name:
        return None
    if needs_acknowledgement(scope) and scope.acknowledged is None:
        return Acknowledge()
    if (
        scope.acknowledged is AcknowledgementState.FAILED
        or scope.previous_versions_deleted
        or not _may_have_previous_versions(scope, register.secret_name)
    ):
        return None
    return DeletePreviousCredentials()


def _may_have_previous_versions(scope: Scope, secret_name: str) -> bool:
    """Return whether other versions may be stored: just replaced, or (at a resync) left behind by a late event."""
    known = scope.installation.status.credentials
    before = known.secret_name if known is not None else None
    return scope.resync or scope.acknowledged is AcknowledgementState.DONE or before not in {None, secret_name}
