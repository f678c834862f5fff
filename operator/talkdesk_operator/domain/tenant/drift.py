"""Whether a tenant's object has drifted from what was applied, judged by its metadata only.

Server-side apply records in `managedFields` which fields our last apply set. Whoever changes or removes such a field,
with whatever tool, removes it from our entry; and only our own apply adds a field or changes the time of our entry. So
an object has drifted when our entry has fewer fields and the same time, or does not exist any more.

Comparing the times of the entries is not enough: they have whole seconds, and a field that somebody removes is visible
only in our own entry. Fields that we never applied do not count: controllers write annotations and status, and an apply
would not undo that. Nor do those that the manifest leaves to others, which the object's own annotation says.

Belongs here: the comparison of an object's versions. Does not belong here: the watches (`adapters.kubernetes`), and
what is done about drift (`drift_ledger`), drift of before the first observation (`missed_drift`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from sys import intern
from typing import Any, Final

from talkdesk_crds import names
from talkdesk_operator.domain.ports.cluster import Identity
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.managed_fields import fingerprint
from talkdesk_operator.domain.tenant.yielded_fields import held_entry, held_ignored

__all__ = ["Change", "DriftDetector", "ObservedObject", "Sighting", "Target", "observed_object", "targets_of"]

_REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Target:
    """Objects of one kind that belong to the tenants of one app."""

    namespace: str
    """The app's."""
    app: str
    """The app's name."""
    identity: Identity
    """The user that is impersonated to watch them."""
    group: str
    version: str
    kind: str


def targets_of(view: CompiledApp) -> frozenset[Target]:
    """Return all kinds in the app's template; none while it is invalid, because drift could not be corrected."""
    if view.template is None:
        return frozenset()
    metadata = view.resource.metadata
    return frozenset(
        Target(metadata.namespace, metadata.name, view.identity, manifest.group, manifest.version, manifest.kind)
        for step in view.template.steps
        for manifest in step.manifests
    )


class Change(Enum):
    """What was seen of an object."""

    DRIFTED = auto()
    """Somebody else changed or removed fields that we applied."""
    DELETED = auto()
    """It is gone, or has lost the label that is watched. It may have been deleted by us."""
    OTHER = auto()
    """Something else changed: its status, for instance."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of a tenant's object."""

    target: Target
    change: Change
    tenant: str
    """Name of the TalkdeskTenant."""
    namespace: str = ""
    """The object's; empty for one outside all namespaces, and where it is not known any more."""
    name: str = ""
    managed_fields: tuple[Any, ...] = ()
    """The object's `managedFields`; empty for one that is gone."""

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name of the TalkdeskTenant."""
        return self.target.namespace, self.tenant

    @property
    def object(self) -> tuple[str, str, str, str]:
        """Group, kind, namespace and name of the object."""
        return self.target.group, self.target.kind, self.namespace, self.name

    @classmethod
    def of(cls, target: Target, change: Change, tenant: str, raw: Mapping[str, Any]) -> "Sighting":
        """Return what was seen of an object, or of its metadata alone."""
        metadata = raw["metadata"]
        entries = metadata.get("managedFields")
        fields = tuple(entries) if isinstance(entries, list) and change is Change.DRIFTED else ()
        return cls(target, change, tenant, str(metadata.get("namespace") or ""), str(metadata.get("name")), fields)


@dataclass(frozen=True, slots=True)
class ObservedObject:
    """One version of an object, as far as it matters for drift."""

    tenant: str
    """Name of the TalkdeskTenant."""
    version: int
    """Its resourceVersion; 0 if it is not a number, although Kubernetes promises one."""
    owned_size: int
    """Size of the fields in our entry of `managedFields`, but for those left to others, as bytes of JSON."""
    applied_at: str
    """When our apply last changed the object, in whole seconds; empty when we own none of its fields."""
    fields: str
    """Fingerprint of these fields."""
    ignored: str = ""
    """Which fields are left to others, as long as nobody has changed what our apply says of it."""


def observed_object(raw: Mapping[str, Any]) -> tuple[str, ObservedObject] | None:
    """Parse an object, or only its metadata, into its uid and version; None when it has no tenant's label."""
    match raw.get("metadata"):
        case {
            "uid": str(uid),
            "resourceVersion": str(version),
            "labels": {names.LABEL_TENANT: str(tenant)},
        } if tenant:
            number = int(version) if version.isdecimal() else 0
            own = held_entry(raw["metadata"])
            size = len(own.content()) if own is not None else 0
            since = intern(own.time) if own is not None else ""  # objects of one reconcile share it
            ignored = intern(held_ignored(raw["metadata"]))
            return uid, ObservedObject(intern(tenant), number, size, since, fingerprint(own), ignored)
        case _:
            return None


class DriftDetector:
    """Detects drift of the objects of one target by remembering their last version; bounded.

    Of objects beyond the bound only deletions are detected.
    """

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._known: dict[str, ObservedObject] = {}
        self._limit = limit
        self._going: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def version(self, uid: str) -> str | None:
        """Return the resourceVersion in which an object was last observed or applied; None for an unknown one."""
        known = self._known.get(uid)
        return str(known.version) if known is not None and known.version else None

    def applied(self, raw: Mapping[str, Any]) -> None:
        """Remember an object as our own apply left it; later versions are compared with this one."""
        if (parsed := observed_object(raw)) is not None:
            uid, current = parsed
            if not self._is_stale(uid, current):
                self._remember(uid, current)

    def present(self, raw: Mapping[str, Any]) -> tuple[str, Change] | None:
        """Remember an object as it was observed; return its tenant, and what has changed since the last version.

        Each drift is reported once, whether or not it gets corrected.
        """
        parsed = observed_object(raw)
        if parsed is None:
            return None
        uid, current = parsed
        known = self._known.get(uid)
        if self._is_stale(uid, current):
            return None  # our own apply has overwritten this version
        self._remember(uid, current)
        if known is None:
            return None
        return known.tenant, Change.DRIFTED if _drifted(known, current) else Change.OTHER

    def known(self, uid: str) -> ObservedObject | None:
        """Return an object as it was seen last."""
        return self._known.get(uid)

    @property
    def is_full(self) -> bool:
        """Whether there may be objects that are not remembered."""
        return len(self._known) >= self._limit

    def expect_deletion(self, uid: str) -> None:
        """Record that we delete an object ourselves, so that its end is no drift."""
        if uid in self._known:
            self._going.add(uid)

    def is_expected(self, raw: Mapping[str, Any]) -> bool:
        """Return, once, whether the end of an object is our own deletion."""
        uid = str(raw["metadata"].get("uid"))
        expected = uid in self._going
        self._going.discard(uid)
        return expected

    def gone(self, raw: Mapping[str, Any]) -> str | None:
        """Forget an object that was deleted, or has lost the label that is watched; return its tenant."""
        parsed = observed_object(raw)
        if parsed is None:
            return None
        uid, last = parsed
        return self._known.pop(uid, last).tenant

    def retain(self, present: Collection[str], version: str) -> frozenset[str]:
        """Forget the objects that a complete list at `version` does not contain; return their tenants."""
        number = int(version) if version.isdecimal() else 0
        lost = [
            uid
            for uid, known in self._known.items()
            if uid not in present and (known.version <= number or not number)  # a newer object cannot be in the list
        ]
        self._going.intersection_update(self._known.keys() - lost)
        return frozenset(self._known.pop(uid).tenant for uid in lost)

    def _is_stale(self, uid: str, current: ObservedObject) -> bool:
        known = self._known.get(uid)
        return known is not None and 0 < current.version <= known.version

    def _remember(self, uid: str, current: ObservedObject) -> None:
        if uid in self._known or len(self._known) < self._limit:
            self._known[uid] = current


def _drifted(known: ObservedObject, current: ObservedObject) -> bool:
    has_lost = current.owned_size < known.owned_size or current.ignored != known.ignored
    return has_lost and current.applied_at in ("", known.applied_at)
