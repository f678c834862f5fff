"""What the operator would change in a cluster for one customer, asked of the API server by dry runs.

All requests about the tenant's objects are made in the name of the app's service account, with the operator's own field
manager. Belongs here: the requests, in the operator's order. Does not belong here: the form of a diff (`comparison`).
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from talkdesk_crds.names import ANNOTATION_OWNER, GROUP, VERSION
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.adapters.kubernetes.leftovers import leftover_keys
from talkdesk_operator.adapters.kubernetes.object_requests import ObjectRequests
from talkdesk_operator.adapters.kubernetes.object_writes import ObjectWrites
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.cli.comparison import difference, settled
from talkdesk_operator.domain.reconcile.error_policy import object_failure
from talkdesk_operator.domain.tenant.job_runs import has_run
from talkdesk_operator.domain.tenant.marks import Mark, Ownership
from talkdesk_operator.domain.tenant.yielded_fields import yielded
from talkdesk_operator.reconcilers.object_words import where
from talkdesk_operator.reconcilers.secret_values import secret_values
from talkdesk_operator.reconcilers.tenant_record import applied_objects
from talkdesk_operator.templates.inventory import InventoryEntry, departed, entry_of, planned
from talkdesk_operator.templates.render import ObjectIdentity, RenderedStep, RenderedTenant
from talkdesk_operator.templates.scopes import canonical
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound, KubeRefused, KubeUnauthorized, KubeUnreachable

__all__ = ["Finding", "LiveTenant", "read_tenant"]

_NOT_OURS: Final = "it is not this tenant's: the operator would leave it alone, and say Conflict"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found of one object: a difference, or why it is not known."""

    difference: str = ""
    trouble: str = ""


async def read_tenant(kube: Kube, namespace: str, name: str) -> TalkdeskTenant | None:
    """Return the customer's TalkdeskTenant; None where there is none yet. Raises KubeError."""
    try:
        raw = await kube.request("GET", resource_path(GROUP, VERSION, TalkdeskTenant.INFO.plural, namespace, name))
    except KubeNotFound:
        return None
    return TalkdeskTenant.read(raw)


class LiveTenant:
    """The objects of one tenant as they are."""

    def __init__(self, kube: Kube, identity: str, mark: Mark) -> None:
        """Take who applies the objects; the uid of `mark` is empty where there is no TalkdeskTenant yet."""
        self._kube = kube
        self._identity = identity
        self._mark = mark
        self._resources = Resources(kube)
        self._objects = ObjectRequests(kube, self._resources)
        self._writes = ObjectWrites(kube, self._objects, lambda _, __: None)
        self._to_come: set[str] = set()
        self._known: dict[ObjectIdentity, InventoryEntry] = {}

    async def findings(
        self, wanted: RenderedTenant, otherwise: RenderedTenant, tenant: TalkdeskTenant | None
    ) -> AsyncIterator[Finding]:
        """Yield what is found of each object; `otherwise` is rendered with other made-up credentials.

        Raises KubeUnreachable and KubeUnauthorized.
        """
        kinds = {(entry.group, entry.version, entry.kind) for entry in planned(wanted)}
        scopes = await self._resources.scopes(kinds)
        wanted, otherwise = canonical(wanted, scopes), canonical(otherwise, scopes)
        self._known = {entry.identity: entry for entry in applied_objects(tenant)} if tenant is not None else {}
        for step, other in zip(wanted.steps, otherwise.steps, strict=True):
            for manifest, second in zip(step.objects, other.objects, strict=True):
                yield await self._finding(step, manifest, second)
        for entry in departed(applied_objects(tenant), planned(wanted)) if tenant is not None else ():
            if not entry.orphaned:
                yield Finding(f"# {entry.kind} {where(entry)} leaves the template: it is deleted or kept by onRemove\n")

    async def _finding(self, step: RenderedStep, manifest: dict[str, Any], otherwise: Mapping[str, Any]) -> Finding:
        entry = entry_of(step, manifest)
        name = f"{entry.kind} {where(entry)}"
        try:
            if entry.namespace in self._to_come:  # the rights in it may come with it, so nobody is asked
                return Finding(difference(name, None, self._marked(manifest)))
            live = await self._read(manifest)
            if live is None and (entry.group, entry.kind) == ("", "Namespace"):
                self._to_come.add(entry.name)
            if live is None and has_run(self._known.get(entry.identity, entry), manifest):
                return Finding()
            if live is not None and not step.adopt and not self._is_ours(live):
                return Finding(trouble=f"{name}: {_NOT_OURS}")
            applied = await self._tried(settled(manifest, otherwise, live), live)
        except KubeRefused as error:
            return Finding(f"# not compared: {error}\n{difference(name, None, self._marked(manifest))}")
        except (KubeUnreachable, KubeUnauthorized):
            raise
        except KubeError as error:
            failure = object_failure(error, entry.kind, where(entry), secrets=secret_values(manifest))
            return Finding(trouble=failure.message)
        return Finding(difference(name, live, applied))

    def _is_ours(self, live: Mapping[str, Any]) -> bool:
        return self._mark.judge(live) in {Ownership.OURS, Ownership.EARLIER}

    def _marked(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object with the marks by which it is known, as far as there is a TalkdeskTenant for them."""
        marked = self._mark.stamp(manifest)
        if not self._mark.uid:
            del marked["metadata"]["annotations"][ANNOTATION_OWNER]
        return marked

    async def _read(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return await self._kube.request("GET", await self._objects.path_of(manifest), as_user=self._identity)
        except KubeNotFound:
            return None

    async def _tried(self, manifest: Mapping[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what an apply would make of the object."""
        manifest = self._marked(manifest)
        if live is not None:
            manifest = yielded(manifest, live).manifest
            manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": live["metadata"]["uid"]}}
        try:
            tried = await self._writes.dry_run(manifest, self._identity, force=True)
        except KubeNotFound:
            if live is not None:
                raise
            return manifest  # its namespace does not exist yet
        if left := leftover_keys(manifest, tried):
            tried["data"] = {key: value for key, value in tried["data"].items() if key not in left}
        return tried
