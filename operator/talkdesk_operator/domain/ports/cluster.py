"""The port to the cluster: what the reconcilers read and write there.

Belongs here: reads and writes, in terms of our kinds and of tenant objects. Does not belong here: paths, patches, HTTP.
`adapters.kubernetes.cluster` implements it; every method raises the errors of `talkdesk_runtime.kube_errors` and
nothing else.
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
"""Kind, namespace and name of an object of our kinds."""

Identity = str
"""The user that is impersonated for a request about a tenant's object: `system:serviceaccount:<namespace>:<name>`."""


class Cluster(Protocol):
    """The cluster as the reconcilers use it."""

    async def read_credentials(self, namespace: str, name: str) -> Mapping[str, SecretStr] | None:
        """Read a Secret's data; None when there is no such Secret. Values that are not UTF-8 text are left out."""
        ...

    async def delete_credentials(self, installation: TalkdeskInstallation) -> None:
        """Delete all Secrets with credentials of the installation."""
        ...

    async def previous_credentials(self, installation: TalkdeskInstallation) -> Sequence[str]:
        """Return the names of the Secrets with other credential versions than the one in the spec, newest first."""
        ...

    async def delete_previous_credentials(self, installation: TalkdeskInstallation, now: datetime) -> None:
        """Delete the Secrets with credential versions that the one in the spec replaced."""
        ...

    async def record_missed_request(self, installation: TalkdeskInstallation, request: Request) -> None:
        """Write a request into the spec, as the webhook does; it is dropped when the spec has a newer one."""
        ...

    async def add_finalizer(self, installation: TalkdeskInstallation) -> None:
        """Add our finalizer."""
        ...

    async def remove_finalizer(self, installation: TalkdeskInstallation) -> None:
        """Remove our finalizer."""
        ...

    async def erase(self, installation: TalkdeskInstallation) -> None:
        """Remove personal data from the spec: the account's name, its endpoints and the customer's reason."""
        ...

    async def write_installation_status(self, installation: TalkdeskInstallation, status: InstallationStatus) -> None:
        """Replace the status."""
        ...

    async def write_app_status(self, app: TalkdeskApp, status: AppStatus) -> None:
        """Replace the status."""
        ...

    async def write_stalled(self, place: ObjectKey, reason: Reason, message: str) -> None:
        """Replace the conditions of an object by Ready=False and Stalled=True with that reason and message."""
        ...

    async def create_tenant(self, namespace: str, name: str, spec: TenantSpec) -> TalkdeskTenant:
        """Create the TalkdeskTenant and return it; when it exists already, return that one unchanged."""
        ...

    async def change_tenant(self, tenant: TalkdeskTenant, changes: Mapping[str, Any]) -> TalkdeskTenant:
        """Change fields of the spec, by their names on the wire; None removes a field."""
        ...

    async def write_tenant_status(self, tenant: TalkdeskTenant, status: TenantStatus) -> TalkdeskTenant:
        """Replace the status."""
        ...

    async def delete_tenant(self, tenant: TalkdeskTenant) -> None:
        """Delete the TalkdeskTenant, but none of the tenant's objects."""
        ...

    async def apply(self, manifest: Mapping[str, Any], identity: Identity, *, force: bool) -> dict[str, Any]:
        """Apply an object server-side and return the result. `force` takes over fields of other managers."""
        ...

    async def find(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Read a tenant's object; None when there is none."""
        ...

    async def delete(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Delete the object with the item's uid; return it while its deletion is pending, None when it is gone."""
        ...

    async def emit_event(self, regarding: CustomResource, event: EventDraft) -> None:
        """Emit a Kubernetes Event; a failure is only counted."""
        ...
