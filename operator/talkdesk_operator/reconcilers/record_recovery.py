"""Make the record of a tenant anew out of the marks of its objects, when somebody forced the record to be deleted.

What people had set in it is lost, so this is never silent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from talkdesk_crds.conditions import EventReason
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.names import ANNOTATION_ON_REMOVE, ANNOTATION_STEP, tenant_name
from talkdesk_crds.tenant import MAX_INVENTORY, MAX_PLANNED, TalkdeskTenant, TenantSpec, TenantState
from talkdesk_operator.domain.ports.cluster import Cluster, ServedKind
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Scope
from talkdesk_operator.domain.tenant.marks import named_tenant, tenant_selector
from talkdesk_operator.reconcilers.aside import here_or_aside
from talkdesk_operator.reconcilers.template_variables import template_variables
from talkdesk_operator.reconcilers.tenant_record import inventory_item, planned_object, recorded_objects
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import InventoryEntry, planned
from talkdesk_operator.templates.manifest_metadata import OnRemove
from talkdesk_operator.templates.render import RenderedTenant, render_name
from talkdesk_operator.templates.template import CompiledTemplate
from talkdesk_runtime.shorten import shorten

__all__ = ["RecordRecovery", "check_recovered_name"]

_MESSAGE_LENGTH = 1024
_UNKNOWN_STEP = "recovered"


class RecordRecovery:
    """Searches by labels for the kinds of the template, in the name of the app's service account."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def recover(self, scope: Scope, app: CompiledApp, template: CompiledTemplate) -> Scope:
        """Return the scope with the record, if objects were found. Raises KubeError when the search was no good."""
        namespace = scope.installation.metadata.namespace
        name = tenant_name(app.resource.metadata.name, scope.installation.spec.account_id)
        entries, unsearched = await self._search(namespace, name, app, template)
        called = await _tenant_is_called(scope, app, template, entries)
        tenant = await self._record(scope, name, entries, called) if entries else None
        if tenant is not None or unsearched:
            await self._report(scope, namespace, name, len(entries), unsearched)
        return replace(scope, tenant=tenant, record_searched=True)

    async def _search(
        self, namespace: str, name: str, app: CompiledApp, template: CompiledTemplate
    ) -> tuple[Sequence[InventoryEntry], Sequence[str]]:
        """Return the objects that are marked as this tenant's, and the kinds that may not be listed."""
        kinds = dict.fromkeys((m.group, m.version, m.kind) for step in template.steps for m in step.manifests)
        offboards = {step.name: step.on_offboard for step in template.steps}
        entries: list[InventoryEntry] = []
        unsearched: list[str] = []
        for kind in kinds:
            found = await self._cluster.list_marked(kind, tenant_selector(namespace, name), app.identity)
            if found is None:
                unsearched.append(kind[2])
                continue
            ours = (raw for raw in found if (named_tenant(raw) or ())[:2] == (namespace, name))
            read = (_entry(kind, raw) for raw in ours)
            entries += [replace(entry, on_offboard=offboards.get(entry.step, "Retain")) for entry in read]
        steps = {step: number for number, step in enumerate(offboards)}
        return sorted(entries, key=lambda entry: steps.get(entry.step, -1)), unsearched

    async def _record(
        self, scope: Scope, name: str, entries: Sequence[InventoryEntry], called: str | None
    ) -> TalkdeskTenant | None:
        installation = scope.installation
        spec = TenantSpec(
            app_ref=installation.spec.app_ref,
            account_id=installation.spec.account_id,
            installation_ref=LocalRef(name=installation.metadata.name),
            state=TenantState.ACTIVE,
            objects=tuple(planned_object(entry) for entry in entries[:MAX_PLANNED]),
        )
        spec = spec.model_copy(update={"name": called}) if called else spec
        tenant = await self._cluster.create_tenant(installation.metadata.namespace, name, spec)
        if (tenant.spec.app_ref, tenant.spec.account_id) != (spec.app_ref, spec.account_id):
            return None
        rest = entries[MAX_PLANNED:MAX_INVENTORY]
        if rest and not tenant.status.inventory:
            inventory = tuple(inventory_item(entry) for entry in rest)
            status = tenant.status.model_copy(update={"inventory": inventory})
            tenant = await self._cluster.write_tenant_status(tenant, status)
        return tenant

    async def _report(self, scope: Scope, namespace: str, name: str, found: int, unsearched: Sequence[str]) -> None:
        message = f"the record of the tenant {name} was gone; "
        if found:
            message += (
                f"it was made anew from the labels of {found} objects; values and deletionProtection that were set in "
                "it are not known any more"
            )
        if unsearched:
            message += (
                f"{' and ' if found else ''}objects of {', '.join(unsearched)} could not be searched for, because the "
                f"app's service account may not list them: look for the labels {tenant_selector(namespace, name)}"
            )
        event = EventDraft(
            warning=True, reason=EventReason.RECORD_LOST, message=shorten(message, _MESSAGE_LENGTH), action="Recover"
        )
        await self._cluster.emit_event(scope.installation, event)


async def _tenant_is_called(
    scope: Scope, app: CompiledApp, template: CompiledTemplate, entries: Sequence[InventoryEntry]
) -> str | None:
    """Return the tenant's name by the template, where an object shows that it was so before; else None."""
    try:
        name = await here_or_aside(app.resource, render_name, template, template_variables(scope, app))
    except RenderError:
        return None
    places = {entry.namespace or entry.name for entry in entries}
    return name if name in places else None


def check_recovered_name(tenant: TalkdeskTenant, rendered: RenderedTenant) -> None:
    """Raise RenderError when a record that was made anew has other objects than those under the rendered name.

    Marks do not tell the tenant's name, and the template may give another by now: that would be a new, empty tenant.
    """
    made = {entry.identity for entry in recorded_objects(tenant)}
    if made and made.isdisjoint(entry.identity for entry in planned(rendered)):
        reason = (
            f"the tenant's record was lost, and none of its objects would be in the template under {rendered.name!r}: "
            "write the tenant's name of before into spec.name of the TalkdeskTenant"
        )
        raise RenderError("name", reason)


def _entry(kind: ServedKind, raw: Mapping[str, Any]) -> InventoryEntry:
    metadata = raw["metadata"]
    annotations = metadata.get("annotations") or {}
    step = annotations.get(ANNOTATION_STEP) or _UNKNOWN_STEP
    # What the template said of its leaving went with the record, but for what is at the object: in doubt it is kept.
    left: OnRemove = "Delete" if annotations.get(ANNOTATION_ON_REMOVE) == "Delete" else "Retain"
    return InventoryEntry(step, *kind, metadata.get("namespace", ""), metadata["name"], on_remove=left)
