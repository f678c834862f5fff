"""What drift of a tenant's object is, as far as its metadata tells.

Server-side apply keeps, in `managedFields`, the set of fields that our last apply gave their values. Whoever changes or
removes such a field, by whatever tool, takes it out of our set, and nothing but our own apply puts one in or moves the
time of our entry. So an object has drifted when our set is smaller and our entry has kept its time, or is gone.

The order of the entries' times, which have whole seconds only, would not do: a field that somebody removes is noted
nowhere but in our own set. And fields that we never applied may change as they like: controllers write annotations and
status, and an apply would not undo it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final

import orjson

from talkdesk_crds import names
from talkdesk_operator.domain.ports.cluster import Identity
from talkdesk_operator.domain.reconcile.scope import CompiledApp

__all__ = ["Observation", "Observations", "Target", "sighting", "targets_of"]

_REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Target:
    """Objects of one kind that belong to the tenants of one app."""

    namespace: str
    """The app's."""
    app: str
    """The app's name."""
    identity: Identity
    """In whose name they are looked at."""
    group: str
    version: str
    kind: str


def targets_of(view: CompiledApp) -> frozenset[Target]:
    """Return all kinds in the app's template; none while the template is invalid, as nothing could be put back."""
    if view.template is None:
        return frozenset()
    metadata = view.resource.metadata
    return frozenset(
        Target(metadata.namespace, metadata.name, view.identity, manifest.group, manifest.version, manifest.kind)
        for step in view.template.steps
        for manifest in step.manifests
    )


@dataclass(frozen=True, slots=True)
class Observation:
    """One version of an object, as much of it as drift is judged by."""

    tenant: str
    """Name of the TalkdeskTenant."""
    version: int
    """Its resourceVersion; 0 for one that is no number, though Kubernetes promises that it is."""
    held: int
    """Size of the set of fields that we applied and nobody took from us since, as bytes of JSON."""
    applied_at: str
    """When an apply of ours last changed the object, in whole seconds; empty when we hold none of its fields."""


def sighting(raw: Mapping[str, Any]) -> tuple[str, Observation] | None:
    """Read an object, or its metadata alone: its uid and what it shows; None when it bears no tenant's label."""
    match raw.get("metadata"):
        case {
            "uid": str(uid),
            "resourceVersion": str(version),
            "labels": {names.LABEL_TENANT: str(tenant)},
            **rest,
        } if tenant:
            number = int(version) if version.isdecimal() else 0
            return uid, Observation(intern(tenant), number, *_ours(rest.get("managedFields")))
        case _:
            return None


def _ours(entries: object) -> tuple[int, str]:
    for entry in entries if isinstance(entries, list) else ():
        match entry:
            case {"subresource": _}:
                pass
            case {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields, "time": str(time)}:
                return len(orjson.dumps(fields)), intern(time)  # objects of one pass share it
            case _:
                pass
    return 0, ""


class Observations:
    """What is known of the objects of one target, and what has become of them; bounded.

    Of objects beyond the bound only deletions are noticed.
    """

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._known: dict[str, Observation] = {}
        self._limit = limit

    def __len__(self) -> int:
        return len(self._known)

    def applied(self, raw: Mapping[str, Any]) -> None:
        """Take an object as our own apply left it: what comes later is measured by this."""
        if (read := sighting(raw)) is not None:
            uid, seen = read
            if not self._is_stale(uid, seen):
                self._remember(uid, seen)

    def present(self, raw: Mapping[str, Any]) -> str | None:
        """Take an object as it is; return its tenant if it has drifted since it was last seen.

        Each change is told once. It takes the object as it is for what is known: whether it was put right, or whether
        it can be, is no matter of ours.
        """
        read = sighting(raw)
        if read is None:
            return None
        uid, seen = read
        known = self._known.get(uid)
        if self._is_stale(uid, seen):
            return None  # we have written over it since, and know what came of it
        self._remember(uid, seen)
        return known.tenant if known is not None and _drifted(known, seen) else None

    def gone(self, raw: Mapping[str, Any]) -> str | None:
        """Take an object that was deleted, or lost the labels that we look for; return its tenant."""
        read = sighting(raw)
        if read is None:
            return None
        uid, seen = read
        return self._known.pop(uid, seen).tenant

    def retain(self, present: Collection[str], version: str) -> frozenset[str]:
        """Forget the objects whose uids a complete listing at `version` did not show; return their tenants."""
        number = int(version) if version.isdecimal() else 0
        lost = [
            uid
            for uid, known in self._known.items()
            if uid not in present and (known.version <= number or not number)  # what is newer the listing can't show
        ]
        return frozenset(self._known.pop(uid).tenant for uid in lost)

    def _is_stale(self, uid: str, seen: Observation) -> bool:
        known = self._known.get(uid)
        return known is not None and 0 < seen.version <= known.version

    def _remember(self, uid: str, seen: Observation) -> None:
        if uid in self._known or len(self._known) < self._limit:
            self._known[uid] = seen


def _drifted(known: Observation, seen: Observation) -> bool:
    return seen.held < known.held and seen.applied_at in ("", known.applied_at)
