"""What is known of a tenant at the partner's services: one entry for each `http` step, kept in a Secret of the tenant.

Belongs here: the entries, and the port that stores them. Does not belong here: what is sent next (`machine`), Secrets
(`adapters.kubernetes.hook_records`).

It is written before a request is sent that could leave something behind, so that nothing at a service is ever unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from talkdesk_operator.domain.hooks.protocol import Act

__all__ = ["Existence", "HookEntry", "HookRecord", "HookRecordStore", "Result"]


class Existence(StrEnum):
    """Whether the service has something of the tenant."""

    NO = "No"
    MAYBE = "Maybe"
    """A request was sent, or is about to be, and nobody has said yet what came of it."""
    YES = "Yes"


class Result(StrEnum):
    """What came of the last thing that was asked for."""

    PENDING = "Pending"
    DONE = "Done"
    REFUSED = "Refused"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class HookEntry:
    """One step's part of the record."""

    url: str = ""
    """Of the tenant at the service, as it was called last."""
    exists: Existence = Existence.NO
    novel: bool = False
    """Whether it is certain that the service had nothing of the tenant before this entry began: only then may something
    that was never confirmed be deleted as an orphan."""
    generation: int = 0
    """Counts what was asked for; part of the idempotency key."""
    act: Act | None = None
    """What was asked for last."""
    inputs: str = field(default="", repr=False)
    """Fingerprint of what the service was last asked to have; empty when that counts for nothing any more."""
    left: bool = False
    """Whether it was asked last to keep what it has of a customer who has left."""
    result: Result = Result.PENDING
    polled_since: datetime | None = None
    """Since when the service is at it; None while it is not known to be."""
    operation: str | None = None
    """What the service calls it."""
    message: str = ""
    """Why it was refused or has failed."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The step's `http` as it was when the service was called last, for when it has left the template."""
    on_offboard: str = "Retain"
    on_remove: str | None = None


@dataclass(frozen=True, slots=True)
class HookRecord:
    """The whole record of a tenant."""

    id: str
    """Chosen at random when the record was made; part of idempotency keys."""
    entries: Mapping[str, HookEntry] = field(default_factory=dict)
    """By the names of steps."""
    version: str = ""
    """The Secret's resourceVersion; empty for a record that is not stored."""

    def with_entry(self, step: str, entry: HookEntry) -> "HookRecord":
        """Return the record with this entry in the place of the step's."""
        return replace(self, entries={**self.entries, step: entry})


class HookRecordStore(Protocol):
    """The store of these records. Methods raise the errors of `talkdesk_runtime.kube_errors` and nothing else."""

    async def load(self, namespace: str, tenant: str) -> HookRecord | None:
        """Read a tenant's record; None when there is none, or none that can be read."""
        ...

    async def save(self, namespace: str, tenant: str, record: HookRecord) -> HookRecord:
        """Write it, and return it with its new version. Raises KubeConflict when somebody else wrote it meanwhile."""
        ...

    async def drop(self, namespace: str, tenant: str) -> None:
        """Delete it."""
        ...
