"""What a new credential version needs: an acknowledgement once it is proven, and the deletion of previous versions.

A version is proven by a call that Talkdesk accepted with it. The tenant's own copy is applied before the
acknowledgement, because that revokes the previous version. But the acknowledgement does not wait for a tenant that is
not ready: Talkdesk revokes the previous version by itself in the end, and a stolen one at once.

Belongs here: the next step for the newest version. Does not belong here: that the tenant comes first
(`prerequisites.converge`), which version is in use (`reconcilers`).
"""

from datetime import datetime

from talkdesk_crds.installation import CredentialsOrigin
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation
from talkdesk_operator.domain.reconcile.scope import AcknowledgementState, Scope
from talkdesk_operator.domain.reconcile.steps import Acknowledge, DeletePreviousCredentials, Step

__all__ = ["decide_rotation", "needs_acknowledgement", "replaced_at"]


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
        or scope.deletion_failure is not None
        or not (scope.resync or _has_previous_versions(scope))
    ):
        return None
    # A late event may have left one behind that nothing else shows.
    sweep = scope.background and not _has_previous_versions(scope)
    return DeletePreviousCredentials(sweep=sweep)


def _has_previous_versions(scope: Scope) -> bool:
    """Return whether other versions were just replaced."""
    return scope.acknowledged is AcknowledgementState.DONE or replaced_at(scope) is not None


def replaced_at(scope: Scope) -> datetime | None:
    """Return since when versions that the newest one replaced wait for their deletion; None when none do."""
    register, known = scope.installation.spec.credentials, scope.installation.status.credentials
    if known is None or register is None or scope.previous_versions_deleted:
        return None
    if known.replacement_time is not None or scope.secret_name != register.secret_name:
        return known.replacement_time
    return scope.now.replace(microsecond=0) if known.secret_name not in {None, register.secret_name} else None
