"""The port to the cluster: what the reconcilers ask of it.

Belongs here: questions and orders, in terms of our kinds and of tenant objects. Does not belong here: paths, patches,
HTTP. `adapters.cluster` implements it; its errors are talkdesk_runtime.kube_errors, and nothing else is raised.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import SecretStr

from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationStatus, Request, TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantStatus
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.templates.inventory import InventoryEntry

__all__ = ["Cluster", "Identity", "ObjectKey"]

ObjectKey = tuple[str, str, str]
"""Kind, namespace and name of an object of ours."""

Identity = str
"""The user in whose name a tenant's object is touched: `system:serviceaccount:<namespace>:<name>`."""


class Cluster(Protocol):
    """The cluster as the reconcilers use it."""

    async def read_credentials(self, namespace: str, name: str) -> Mapping[str, SecretStr] | None:
        """Read a Secret's data; None when there is none. Values that are no UTF-8 text are left out."""
        ...

    async def delete_credentials(self, installation: TalkdeskInstallation) -> None:
        """Delete all Secrets with credentials of the installation."""
        ...

    async def previous_credentials(self, installation: TalkdeskInstallation) -> Sequence[str]:
        """Return the names of the Secrets with other sets of the installation than the spec names, newest first."""
        ...

    async def delete_previous_credentials(self, installation: TalkdeskInstallation, now: datetime) -> None:
        """Delete the Secrets with sets that the one in the spec replaced."""
        ...

    async def record_missed_request(self, installation: TalkdeskInstallation, request: Request) -> None:
        """Put a request into the spec, as the webhook does; one that is older than what is there is dropped."""
        ...

    async def add_finalizer(self, installation: TalkdeskInstallation) -> None:
        """Put our finalizer on."""
        ...

    async def release(self, installation: TalkdeskInstallation) -> None:
        """Take our finalizer off."""
        ...

    async def erase(self, installation: TalkdeskInstallation) -> None:
        """Take the account's name, its endpoints and the customer's words out of the spec."""
        ...

    async def write_installation_status(self, installation: TalkdeskInstallation, status: InstallationStatus) -> None:
        """Replace the status."""
        ...

    async def write_app_status(self, app: TalkdeskApp, status: AppStatus) -> None:
        """Replace the status."""
        ...

    async def write_stalled(self, place: ObjectKey, reason: Reason, message: str) -> None:
        """Put in the place of the conditions of an object of ours two that say why nothing is done about it."""
        ...

    async def create_tenant(self, namespace: str, name: str, spec: TenantSpec) -> TalkdeskTenant:
        """Create the TalkdeskTenant; when it exists already, give that one as it is."""
        ...

    async def change_tenant(self, tenant: TalkdeskTenant, changes: Mapping[str, Any]) -> TalkdeskTenant:
        """Change members of the spec, by their names on the wire; None takes one away."""
        ...

    async def write_tenant_status(self, tenant: TalkdeskTenant, status: TenantStatus) -> TalkdeskTenant:
        """Replace the status."""
        ...

    async def delete_tenant(self, tenant: TalkdeskTenant) -> None:
        """Delete the TalkdeskTenant; nothing of the tenant's objects."""
        ...

    async def apply(self, manifest: Mapping[str, Any], identity: Identity, *, force: bool) -> dict[str, Any]:
        """Apply an object server-side; return it as it is then. `force` takes fields from other managers."""
        ...

    async def find(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Read a tenant's object; None when there is none."""
        ...

    async def delete(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Delete the object of exactly the item's uid; return it while it is still going, None when it is gone."""
        ...

    async def emit_event(self, regarding: CustomResource, event: EventDraft) -> None:
        """Post a Kubernetes Event; a failure is only counted."""
        ...
