"""Which of an account's installations has the tenant.

The owner is the newest installation that is alive: it was installed, is not being uninstalled and has not ended. An
uninstall of an older one is answered but never touches the tenant. Where none is alive, the one that had the tenant
sees it off; where that one's object was deleted by hand, nobody does, as that is not an uninstall.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from talkdesk_crds.installation import RequestType, TalkdeskInstallation
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.deadlines import is_ended
from talkdesk_operator.domain.reconcile.scope import Role

__all__ = ["install_time", "is_alive", "roles"]

_NEVER = datetime.min.replace(tzinfo=UTC)


def install_time(installation: TalkdeskInstallation) -> datetime | None:
    """Return the time of the newest Install request; an Update does not make an installation newer."""
    request = installation.spec.request
    if request is not None and request.type is RequestType.INSTALL:
        return request.event_time
    return installation.status.install_time


def is_alive(installation: TalkdeskInstallation) -> bool:
    """Return whether the customer has the app by this installation."""
    request = installation.spec.request
    return (
        request is not None
        and request.type is not RequestType.UNINSTALL
        and not is_ended(installation)
        and installation.metadata.deletion_timestamp is None
    )


def roles(installations: Sequence[TalkdeskInstallation], tenant: TalkdeskTenant | None) -> dict[str, Role]:
    """Return the role of each installation of one account by its name."""
    alive = [i for i in installations if is_alive(i)]
    role = Role.OWNER if alive else Role.LAST_OWNER
    first = max(alive, key=_age) if alive else _holder(installations, tenant)
    return {i.metadata.name: role if i is first else Role.NON_OWNER for i in installations}


def _holder(
    installations: Sequence[TalkdeskInstallation], tenant: TalkdeskTenant | None
) -> TalkdeskInstallation | None:
    newest = max(installations, key=_age, default=None)
    if tenant is None or tenant.spec.installation_ref is None:
        return newest
    name = tenant.spec.installation_ref.name
    named = [i for i in installations if i.metadata.name == name]
    if named:
        return named[0]
    # Its object was deleted by hand. A retention that began before still has to end.
    return newest if tenant.spec.state is TenantState.OFFBOARDED else None


def _age(installation: TalkdeskInstallation) -> tuple[datetime, datetime, str]:
    since = install_time(installation) or installation.metadata.creation_timestamp or _NEVER
    return since, installation.metadata.creation_timestamp or _NEVER, installation.metadata.name
