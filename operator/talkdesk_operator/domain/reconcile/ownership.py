"""Which of an account's installations owns the tenant.

The owner is the newest live installation: it was installed, is not being uninstalled and has not ended. An uninstall
of an older one is answered but never touches the tenant. Where none is live, the last owner offboards the tenant. Where
the last owner's object was deleted by hand, no installation does, because a deletion by hand is not an uninstall.

Belongs here: the role of each installation. Does not belong here: what an installation does in its role
(`domain.installation`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from talkdesk_crds.installation import RequestType, TalkdeskInstallation
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.deadlines import is_ended
from talkdesk_operator.domain.reconcile.duplicates import duplicates
from talkdesk_operator.domain.reconcile.scope import Role, Scope

__all__ = ["install_time", "is_alive", "is_unchanged", "roles"]

_EARLIEST = datetime.min.replace(tzinfo=UTC)


def install_time(installation: TalkdeskInstallation) -> datetime | None:
    """Return the time of the newest Install request; None when there was none. An Update does not count."""
    request = installation.spec.request
    if request is not None and request.type is RequestType.INSTALL:
        return request.event_time
    return installation.status.install_time


def is_alive(installation: TalkdeskInstallation) -> bool:
    """Return whether the customer has the app installed through this installation."""
    request = installation.spec.request
    return (
        request is not None
        and request.type is not RequestType.UNINSTALL
        and not is_ended(installation)
        and installation.metadata.deletion_timestamp is None
    )


def is_unchanged(scope: Scope, present: Sequence[TalkdeskInstallation]) -> bool:
    """Return whether the account's installations are as they were when the scope was read.

    What is decided for an end of the customer's use may only be carried out while that is so: `present` may show that
    the customer has installed again.
    """
    known = scope.installation
    found = next((i for i in present if i.metadata.uid == known.metadata.uid), None)
    if found is None or found.spec != known.spec:
        return False
    if (found.metadata.deletion_timestamp is None) != (known.metadata.deletion_timestamp is None):
        return False
    return roles(present, scope.tenant)[known.metadata.name] is scope.role


def roles(installations: Sequence[TalkdeskInstallation], tenant: TalkdeskTenant | None) -> dict[str, Role]:
    """Return the role of each installation of one account, by the installation's name."""
    duplicated = duplicates(installations)
    counted = [i for i in installations if i.metadata.name not in duplicated]
    alive = [i for i in counted if is_alive(i)]
    role = Role.OWNER if alive else Role.LAST_OWNER
    owner = max(alive, key=_recency) if alive else _last_owner(counted, tenant, duplicated)
    return {i.metadata.name: role if i is owner else Role.NON_OWNER for i in installations}


def _last_owner(
    installations: Sequence[TalkdeskInstallation], tenant: TalkdeskTenant | None, duplicated: Mapping[str, str]
) -> TalkdeskInstallation | None:
    newest = max(installations, key=_recency, default=None)
    if tenant is None or tenant.spec.installation_ref is None:
        return newest
    name = tenant.spec.installation_ref.name
    name = duplicated.get(name, name)
    named = [i for i in installations if i.metadata.name == name]
    if named:
        return named[0]
    # The owner's object was deleted by hand. A retention that began before that still has to end.
    return newest if tenant.spec.state is TenantState.OFFBOARDED else None


def _recency(installation: TalkdeskInstallation) -> tuple[datetime, datetime, str]:
    """Return a key by which the newest installation is the greatest, and no two are equal."""
    created = installation.metadata.creation_timestamp or _EARLIEST
    return install_time(installation) or created, created, installation.metadata.name
