"""What a new set of credentials asks for: an acknowledgement once it is proven, and the end of the sets before it.

A set is proven by a call to Talkdesk that it was good for. The tenant's own copy is brought up to date before the
acknowledgement, which ends the old set, but a tenant that lags behind does not hold it up: Talkdesk revokes the old set
by itself in the end, and a stolen one at once.
"""

from talkdesk_crds.installation import CredentialsOrigin
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.scope import AcknowledgementState, Scope
from talkdesk_operator.domain.reconcile.steps import Acknowledge, DeletePreviousCredentials, Step

__all__ = ["is_due", "next_step"]


def is_due(scope: Scope) -> bool:
    """Return whether Talkdesk waits for the acknowledgement of the newest set."""
    register, known = scope.installation.spec.credentials, scope.installation.status.credentials
    if register is None or register.origin is not CredentialsOrigin.ROTATION:
        return False
    return known is None or known.acknowledged_event_id != register.event_id


def next_step(scope: Scope) -> Step | None:
    """Name what is to be done for the newest set; None when nothing is, or nothing can be."""
    register = scope.installation.spec.credentials
    proven = isinstance(scope.remote, RemoteInstallation)
    if register is None or not proven or scope.secret_name != register.secret_name:
        return None
    if is_due(scope) and scope.acknowledged is None:
        return Acknowledge()
    if (
        scope.acknowledged is AcknowledgementState.FAILED
        or scope.previous_versions_deleted
        or not _replaced(scope, register.secret_name)
    ):
        return None
    return DeletePreviousCredentials()


def _replaced(scope: Scope, secret_name: str) -> bool:
    """Return whether there may be other sets: of a moment ago, or left behind by an event that came too late."""
    known = scope.installation.status.credentials
    before = known.secret_name if known is not None else None
    return scope.resync or scope.acknowledged is AcknowledgementState.DONE or before not in {None, secret_name}
