"""Whether a tenant's object has drifted from what was applied, judged by its metadata only.

Server-side apply records in `managedFields` which fields our last apply set. Whoever changes or removes such a field,
with whatever tool, removes it from our entry; and only our own apply adds a field or changes the time of our entry. So
an object has drifted when our entry has fewer fields and the same time, or does not exist any more.

Comparing the times of the entries is not enough: they have whole seconds, and a field that somebody removes is visible
only in our own entry. Fields that we never applied do not count: controllers write annotations and status, and an apply
would not undo that.

Belongs here: the comparison of an object's versions. Does not belong here: the watches (`adapters.kubernetes`), and
what is done about drift.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final

import orjson

from talkdesk_crds import names
from talkdesk_operator.domain.ports.cluster import Identity
from talkdesk_operator.domain.reconcile.scope import CompiledApp

__all__ = ["DriftDetector", "ObservedObject", "Target", "observed_object", "targets_of"]

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


@dataclass(frozen=True, slots=True)
class ObservedObject:
    """One version of an object, as far as it matters for drift."""

    tenant: str
    """Name of the TalkdeskTenant."""
    version: int
    """Its resourceVersion; 0 if it is not a number, although Kubernetes promises one."""
    owned_size: int
    """Size of the fields in our entry of `managedFields`, as bytes of JSON."""
    applied_at: str
    """When our apply last changed the object, in whole seconds; empty when we own none of its fields."""


def observed_object(raw: Mapping[str, Any]) -> tuple[str, ObservedObject] | None:
    """Parse an object, or only its metadata, into its uid and version; None when it has no tenant's label."""
    match raw.get("metadata"):
        case {
            "uid": str(uid),
            "resourceVersion": str(version),
            "labels": {names.LABEL_TENANT: str(tenant)},
            **rest,
        } if tenant:
            number = int(version) if version.isdecimal() else 0
            return uid, ObservedObject(intern(tenant), number, *_own_entry(rest.get("managedFields")))
        case _:
            return None


def _own_entry(entries: object) -> tuple[int, str]:
    for entry in entries if isinstance(entries, list) else ():
        match entry:
            case {"subresource": _}:
                pass
            case {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields, "time": str(time)}:
                return len(orjson.dumps(fields)), intern(time)  # objects of one reconcile share it
            case _:
                pass
    return 0, ""


class DriftDetector:
    """Detects drift of the objects of one target by remembering their last version; bounded.

    Of objects beyond the bound only deletions are detected.
    """

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._known: dict[str, ObservedObject] = {}
        self._limit = limit

    def __len__(self) -> int:
        return len(self._known)

    def applied(self, raw: Mapping[str, Any]) -> None:
        """Remember an object as our own apply left it; later versions are compared with this one."""
        if (parsed := observed_object(raw)) is not None:
            uid, current = parsed
            if not self._is_stale(uid, current):
                self._remember(uid, current)

    def present(self, raw: Mapping[str, Any]) -> str | None:
        """Remember an object as it was observed; return its tenant if it has drifted since the last version.

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
        return known.tenant if known is not None and _drifted(known, current) else None

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
        return frozenset(self._known.pop(uid).tenant for uid in lost)

    def _is_stale(self, uid: str, current: ObservedObject) -> bool:
        known = self._known.get(uid)
        return known is not None and 0 < current.version <= known.version

    def _remember(self, uid: str, current: ObservedObject) -> None:
        if uid in self._known or len(self._known) < self._limit:
            self._known[uid] = current


def _drifted(known: ObservedObject, current: ObservedObject) -> bool:
    return current.owned_size < known.owned_size and current.applied_at in ("", known.applied_at)
