"""How far the steps of a tenant are applied.

Belongs here: what one apply of a template carries from object to object. Does not belong here: applying (`objects`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.tenant.job_runs import completed_inputs
from talkdesk_operator.domain.tenant.managed_fields import fingerprint
from talkdesk_operator.domain.tenant.yielded_fields import held_entry
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.reconcilers.recreation import Recreate, never
from talkdesk_operator.reconcilers.rendering import RenderTypical
from talkdesk_operator.templates.inventory import InventoryEntry

__all__ = ["Progress"]


@dataclass(slots=True)
class Progress:
    """What is known while the steps are applied."""

    owner: Owner
    inventory: dict[tuple[str, str, str, str], InventoryEntry]
    typical: RenderTypical
    app: TalkdeskApp | None = None
    new_namespaces: set[str] = field(default_factory=set)
    recreate: Recreate = never
    bound: set[str] = field(default_factory=set)
    """Namespaces in which a RoleBinding was made in this reconcile."""
    again: bool = True
    """Whether objects are applied that seem to be unchanged."""

    def record(self, entry: InventoryEntry, manifest: Mapping[str, Any], live: Mapping[str, Any]) -> None:
        """Take an object as an apply of the manifest left it."""
        self.inventory[entry.identity] = replace(
            entry,
            uid=str(live["metadata"]["uid"]),
            applied_fields=fingerprint(held_entry(live["metadata"])),
            completed_inputs=completed_inputs(entry, manifest, live),
        )
