"""Whether the record of a tenant is missing that the installation once had, though its objects may be there.

Belongs here: the question. Does not belong here: searching for the objects (`reconcilers.record_recovery`).
"""

from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.reconcile.scope import Role, Scope

__all__ = ["is_record_lost"]


def is_record_lost(scope: Scope) -> bool:
    """Return whether to search for objects of the tenant before anybody says that nothing is left of it.

    A purge leaves no record either; the phase says so.
    """
    status = scope.installation.status
    had_tenant = status.tenant_ref is not None and status.phase is not InstallationPhase.PURGED
    missing = scope.tenant is None and not scope.record_searched and scope.role is not Role.NON_OWNER
    return had_tenant and missing and scope.app is not None and scope.app.template is not None
