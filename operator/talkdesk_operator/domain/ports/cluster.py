"""The port to the cluster: what the reconcilers read and write there.

Belongs here: reads and writes, in terms of our kinds and of tenant objects. Does not belong here: paths, patches, HTTP.
`adapters.kubernetes.cluster` implements it; every method raises the errors of `talkdesk_runtime.kube_errors` and
nothing else. A write of an object of our kinds is of the version that it is given: it raises KubeConflict when somebody
else has written since (for a status: has written the status since), and the cache has the present version then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import SecretStr

from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationStatus, Request, TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import FINALIZER
from talkdesk_crds.tenant import TalkdeskTenant, TenantSpec, TenantStatus
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Mislabeled
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.scopes import KindScopes

__all__ = ["Cluster", "ForeignSecret", "Identity", "ObjectKey", "ServedKind"]

ServedKind = tuple[str, str, str]
"""Group, version and kind of a tenant's object."""

ObjectKey = tuple[str, str, str]
"""Kind, namespace and name of an object of our kinds."""

Identity = str
"""The user that is impersonated for a request about a tenant's object: `system:serviceaccount:<namespace>:<name>`."""


@dataclass(frozen=True, slots=True)
class ForeignSecret:
    """A Secret that does not hold the installation's credentials, though its spec names it."""

    why: str


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A Secret that a TalkdeskApp names."""

    metadata: Mapping[str, Any]
    data: Mapping[str, SecretStr]
    """Without values that are not UTF-8 text."""


class Cluster(Protocol):
    """The cluster as the reconcilers use it."""

    async def read_secret(self, namespace: str, name: str) -> NamedSecret | None:
        """Read a Secret; None when there is no such Secret."""
        ...

    async def read_credentials(
        self, installation: TalkdeskInstallation, name: str
    ) -> Mapping[str, SecretStr] | ForeignSecret | None:
        """Read the data of a Secret with credentials of the installation; None when there is no such Secret.

        Of a Secret that is not the installation's own nothing is returned but why it is not.
        """
        ...

    async def delete_credentials(self, installation: TalkdeskInstallation, *, sweep: bool = False) -> None:
        """Delete all Secrets with credentials of the installation, and no other Secret, whatever the spec names.

        A sweep looks for what a late event left behind, and may overlook one of the last minutes.
        """
        ...

    async def previous_credentials(self, installation: TalkdeskInstallation) -> Sequence[str]:
        """Return the names of the Secrets with other credential versions than the one in the spec, newest first."""
        ...

    async def delete_previous_credentials(
        self, installation: TalkdeskInstallation, now: datetime, *, sweep: bool = False
    ) -> None:
        """Delete the Secrets with credential versions that the one in the spec replaced; for a sweep see above."""
        ...

    async def record_missed_request(self, installation: TalkdeskInstallation, request: Request) -> None:
        """Write a request into the spec, as the webhook does; it is dropped when the spec has a newer one."""
        ...

    async def add_finalizer(self, resource: CustomResource, finalizer: str = FINALIZER) -> None:
        """Add our finalizer."""
        ...

    async def remove_finalizer(self, resource: CustomResource, finalizer: str = FINALIZER) -> None:
        """Remove our finalizer."""
        ...

    async def label(self, mislabeled: Mislabeled, key: AccountKey) -> None:
        """Label exactly this version of an object with the slot of its account. One that is gone needs none."""
        ...

    async def erase(self, installation: TalkdeskInstallation) -> None:
        """Remove personal data from spec and metadata: names, addresses, words of people, kubectl's copy."""
        ...

    async def write_installation_status(self, installation: TalkdeskInstallation, status: InstallationStatus) -> None:
        """Replace the status."""
        ...

    async def write_app_status(self, app: TalkdeskApp, status: AppStatus) -> None:
        """Replace the status."""
        ...

    async def write_stalled(self, place: ObjectKey, reason: Reason, message: str) -> None:
        """Set Ready and Reconciling False and Stalled True with that reason and message; other conditions stay."""
        ...

    async def create_tenant(self, namespace: str, name: str, spec: TenantSpec) -> TalkdeskTenant:
        """Create the TalkdeskTenant and return it; when it exists already, return that one unchanged."""
        ...

    async def change_tenant(self, tenant: TalkdeskTenant, changes: Mapping[str, Any]) -> TalkdeskTenant:
        """Change fields of the spec, by their names on the wire; None removes a field.

        Raises KubeConflict when anybody has changed the tenant since it was read.
        """
        ...

    async def write_tenant_status(
        self, tenant: TalkdeskTenant, status: TenantStatus, *, unchanged: bool = False
    ) -> TalkdeskTenant:
        """Replace the status; `unchanged` raises KubeConflict when anybody has changed the tenant since it was read."""
        ...

    async def read_tenant(self, tenant: TalkdeskTenant) -> TalkdeskTenant | None:
        """Read the very same TalkdeskTenant from the API server; None when it is gone, another one, or unreadable."""
        ...

    async def read_app(self, app: TalkdeskApp) -> TalkdeskApp | None:
        """Read the very same TalkdeskApp from the API server; None when it is gone, another one, or unreadable."""
        ...

    async def list_marked(
        self, kind: ServedKind, selector: str, identity: Identity
    ) -> Sequence[Mapping[str, Any]] | None:
        """Return the metadata of all objects of a kind with these labels; None when the user may not list them."""
        ...

    async def hold_tenant(self, tenant: TalkdeskTenant) -> TalkdeskTenant:
        """Add the finalizer that keeps the record.

        Raises KubeConflict when anybody has changed it since it was read.
        """
        ...

    async def release_tenant(self, tenant: TalkdeskTenant) -> TalkdeskTenant | None:
        """Remove the finalizer that keeps the record; None when that was the end of a deleted one.

        Raises KubeConflict when anybody has changed it since it was read.
        """
        ...

    async def delete_tenant(self, tenant: TalkdeskTenant) -> None:
        """Delete the TalkdeskTenant, but none of the tenant's objects.

        Raises KubeConflict when anybody has changed it since it was read.
        """
        ...

    async def delete_installation(self, installation: TalkdeskInstallation) -> None:
        """Delete the TalkdeskInstallation; the cache shows whether finalizers hold it."""
        ...

    async def reread_tenant(self, namespace: str, name: str) -> str | None:
        """Have the cache see a TalkdeskTenant as the API server has it now; return its uid, None when there is none."""
        ...

    async def reread_installations(self, key: AccountKey) -> Sequence[TalkdeskInstallation] | None:
        """Return the account's installations as the API server has them now, which the cache sees, too.

        None when there is one that can't be read.
        """
        ...

    async def scopes(self, kinds: Collection[ServedKind]) -> KindScopes:
        """Return which of these kinds are in namespaces; those of which the API server does not say it are left out."""
        ...

    async def apply(self, manifest: Mapping[str, Any], identity: Identity, *, force: bool) -> dict[str, Any]:
        """Apply an object server-side and return the result. `force` takes over fields of other managers."""
        ...

    def version_seen(self, manifest: Mapping[str, Any], identity: Identity, uid: str) -> str | None:
        """Return the resourceVersion in which a watch shows an object; None where none does, or it is gone."""
        ...

    async def dry_run(self, manifest: Mapping[str, Any], identity: Identity) -> None:
        """Have the API server judge an apply of the object without storing anything."""
        ...

    async def take_fields(self, manifest: Mapping[str, Any], live: Mapping[str, Any], identity: Identity) -> None:
        """Take from kubectl's apply the fields that an apply of the manifest to this object will own as well.

        They go with the manifest then. Nobody else's fields and no value are changed. Raises KubeConflict when the
        object is not as it was read any more.
        """
        ...

    async def read_object(self, manifest: Mapping[str, Any], identity: Identity) -> dict[str, Any] | None:
        """Read the object of a manifest, in the manifest's version of the API; None when there is none."""
        ...

    async def find(self, item: InventoryEntry, identity: Identity) -> dict[str, Any] | None:
        """Read the metadata of a tenant's object; None when there is none."""
        ...

    async def delete(
        self, item: InventoryEntry, identity: Identity, *, version: str = "", dry_run: bool = False
    ) -> dict[str, Any] | None:
        """Delete the object with the item's uid; return it while its deletion is pending, None when it is gone.

        With a `version` it raises KubeConflict for an object that was changed since. A dry run says whether the
        deletion would be taken, and deletes nothing.
        """
        ...

    async def is_terminating(self, namespace: str) -> bool:
        """Return whether a namespace is being deleted; needs no right that can be lost with it."""
        ...

    async def emit_namespace_event(self, namespace: str, event: EventDraft) -> None:
        """Emit a Kubernetes Event about a namespace, outside of it; a failure is only logged."""
        ...

    async def emit_event(self, regarding: CustomResource, event: EventDraft) -> None:
        """Emit a Kubernetes Event; a failure is only counted."""
        ...
