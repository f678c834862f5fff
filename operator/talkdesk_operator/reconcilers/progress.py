"""How far the steps of a tenant are applied.

Belongs here: what one apply of a template carries from object to object. Does not belong here: applying (`objects`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.reconcile.failure import Failure
from talkdesk_operator.domain.tenant.job_runs import completed_inputs
from talkdesk_operator.domain.tenant.managed_fields import fingerprint
from talkdesk_operator.domain.tenant.yielded_fields import held_entry
from talkdesk_operator.reconcilers.applied_versions import Earlier
from talkdesk_operator.reconcilers.ownership import Owner
from talkdesk_operator.reconcilers.recreation import Recreate, never
from talkdesk_operator.reconcilers.rendering import RenderTypical
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.render import RenderedStep

__all__ = ["NO_SERVICES", "CallService", "Progress", "ServicesState", "no_service"]


CallService: TypeAlias = Callable[[RenderedStep], Awaitable[Failure | str]]
"""Has a step's service have what is rendered; returns what it waits for, empty where it is so."""


async def no_service(step: RenderedStep) -> Failure | str:
    """Refuse a step that calls a service, where none can be called."""
    raise LookupError(f"step {step.name} calls a service")


@dataclass(frozen=True, slots=True)
class ServicesState:
    """What came of the steps that call services."""

    known: tuple[str, ...] = ()
    """Steps whose services may have something of the tenant."""
    kept: tuple[str, ...] = ()
    """Those of them that are not in the template any more."""
    wait: timedelta | None = None
    """How long a service asked not to be asked."""
    anew: bool = False
    """Whether outputs have changed, so that later steps are to be filled in anew."""


NO_SERVICES: Final = ServicesState()


@dataclass(slots=True)
class Progress:
    """What is known while the steps are applied."""

    owner: Owner
    inventory: dict[tuple[str, str, str, str], InventoryEntry]
    typical: RenderTypical
    app: TalkdeskApp | None = None
    recreate: Recreate = never
    earlier: Earlier = field(default_factory=Earlier)

    def record(self, entry: InventoryEntry, manifest: Mapping[str, Any], live: Mapping[str, Any]) -> None:
        """Take an object as an apply of the manifest left it."""
        self.inventory[entry.identity] = replace(
            entry,
            uid=str(live["metadata"]["uid"]),
            applied_fields=fingerprint(held_entry(live["metadata"])),
            completed_inputs=completed_inputs(entry, manifest, live),
        )
