"""What is known to have drifted and is not put right yet, and who fights about what.

A drift is seen once, and what is due stays due: a reconcile that breaks off, fails or finds the tenant paused leaves it
here for the next one. Whoever changes an object again and again is answered at growing intervals, and named. All of it
is in memory; after a start, the first listing of the objects finds again what has drifted (`drift.missed`).

    seen ──▶ pending, due at once or after the back-off ──▶ applied ──▶ quiet for a while ──▶ forgotten
                ▲                                              │
                └──────────────── seen again ◀─────────────────┘    from the third time on it is a dispute

Belongs here: when a drift is to be put right, and what is in dispute. Does not belong here: seeing drift (`drift`),
reconciling (`reconcilers`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from talkdesk_crds.names import LABEL_NAMESPACE, LABEL_TENANT
from talkdesk_operator.domain.tenant.drift import Change, Sighting
from talkdesk_operator.domain.tenant.managed_fields import Loss, loss
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.lru import LruMap

__all__ = ["Dispute", "DriftLedger"]

_TENANTS: Final = 10_000
_BACKOFF: Final = Backoff(timedelta(seconds=2), timedelta(minutes=10))
_QUIET: Final = timedelta(minutes=15)
"""After so long without a change a dispute is over; it is longer than the longest back-off."""
_DISPUTED: Final = 3
"""Changes of one object in a row that make a dispute: one or two are a person who tries something."""
_FIELDS_NAMED: Final = 3

_UNKNOWN: Final = Loss((), ())

_Place: TypeAlias = tuple[str, str]
"""The namespace and the name of a TalkdeskTenant."""
_Object: TypeAlias = tuple[str, str, str, str]
"""Group, kind, namespace and name of an object."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """An object that somebody else changes or deletes again and again."""

    kind: str
    where: str
    """`[namespace/]name`."""
    loss: Loss
    """What is changed; no fields where that is not known."""
    deleted: bool = False
    """Whether the object is deleted, rather than changed."""

    @property
    def message(self) -> str:
        """Who changes what, and what to do."""
        if self.deleted:
            what = "somebody deletes it again and again, and the API server does not say who"
            return f"{self.kind} {self.where}: {what}; stop that, or take the object out of the template"
        paths = self.loss.paths
        more = f" and {len(paths) - _FIELDS_NAMED} more" if len(paths) > _FIELDS_NAMED else ""
        named = " and ".join(f'"{manager}"' for manager in self.loss.managers) or "that the API server does not name"
        fields = f"{', '.join(paths[:_FIELDS_NAMED])}{more}" or "what the template says"
        remedy = "take these fields out of the template, or stop the other writer"
        return f"{self.kind} {self.where}: the field manager {named} changes {fields} again and again; {remedy}"


@dataclass(slots=True)
class _Record:
    """One object that has drifted."""

    seen_at: datetime
    times: int = 1
    due_at: datetime | None = None
    """When it is to be put right; None when it was."""
    number: int = 0
    """Of the last sighting, in the order of all."""
    first_number: int = 0
    """Of the sighting that made it due."""
    drifted: tuple[Any, ...] = ()
    """The managedFields of the object as it was seen last."""
    loss: Loss = _UNKNOWN
    deleted: bool = False


@dataclass(slots=True)
class _Tenant:
    records: dict[_Object, _Record] = field(default_factory=dict)
    settles_at: datetime | None = None
    """When a dispute of before the start counts as over."""


class DriftLedger:
    """Not for more than one event loop. The least recently used tenants are forgotten."""

    def __init__(self, tenants: int = _TENANTS) -> None:
        """Remember so many tenants."""
        self._tenants: LruMap[_Place, _Tenant] = LruMap(tenants)
        self._number = 0

    def seen(self, sighting: Sighting, now: datetime) -> datetime:
        """Remember a drift; return when it is to be put right."""
        tenant = self._tenant(sighting.place)
        self._number += 1
        record = tenant.records.get(sighting.object)
        if record is None or now - record.seen_at > _QUIET:
            record = tenant.records[sighting.object] = _Record(now)
        elif record.due_at is None:
            record.times += 1
        record.seen_at, record.number, record.drifted = now, self._number, sighting.managed_fields
        record.deleted = sighting.change is Change.DELETED
        if record.due_at is None:
            record.due_at, record.first_number = now + _delay(record), self._number
        return record.due_at

    def begin(self) -> int:
        """Return what `corrected` asks for: everything that was seen until now."""
        return self._number

    def applied(self, live: Mapping[str, Any]) -> None:
        """Take an object as our apply left it: what it owns now and did not before is what somebody took away."""
        metadata = live.get("metadata") or {}
        labels = metadata.get("labels") or {}
        tenant = self._tenants.peek((str(labels.get(LABEL_NAMESPACE)), str(labels.get(LABEL_TENANT))))
        if tenant is None:
            return
        group, _, _ = str(live.get("apiVersion")).rpartition("/")
        place = (str(metadata.get("namespace") or ""), str(metadata.get("name")))
        record = tenant.records.get((group, str(live.get("kind")), *place))
        if record is not None and record.due_at is not None and record.drifted:
            record.loss = loss(metadata.get("managedFields"), record.drifted)

    def corrected(self, namespace: str, tenant: str, until: int) -> None:
        """Note that all objects of a tenant were applied, by a reconcile that began at `until`.

        What was seen since counts as changed again, right after it was put right.
        """
        known = self._tenants.peek((namespace, tenant))
        for record in known.records.values() if known is not None else ():
            if record.number <= until:
                record.due_at = None
            elif record.first_number <= until and record.due_at is not None:
                record.times, record.first_number = record.times + 1, record.number
                record.due_at = record.seen_at + _delay(record)

    def is_due(self, namespace: str, tenant: str, now: datetime) -> bool:
        """Return whether the tenant's objects are to be applied again now."""
        when = self.next_time(namespace, tenant)
        return when is not None and when <= now

    def next_time(self, namespace: str, tenant: str) -> datetime | None:
        """Return when the tenant's objects are to be applied again: for a drift, or to take back a dispute's report."""
        known = self._tenants.peek((namespace, tenant))
        if known is None:
            return None
        pending = [record.due_at for record in known.records.values() if record.due_at is not None]
        ends = [_ends(record) for record in known.records.values() if record.due_at is None and _is_disputed(record)]
        settles = [known.settles_at] if known.settles_at is not None else []
        return min((*pending, *ends, *settles), default=None)

    def disputes(self, namespace: str, tenant: str, now: datetime) -> tuple[Dispute, ...]:
        """Return what somebody fights about; what has been quiet for long is forgotten."""
        known = self._tenants.peek((namespace, tenant))
        if known is None:
            return ()
        if known.settles_at is not None and known.settles_at <= now:
            known.settles_at = None
        for key in [k for k, record in known.records.items() if record.due_at is None and _ends(record) <= now]:
            del known.records[key]
        if not known.records and known.settles_at is None:
            self._tenants.pop((namespace, tenant))
        return tuple(
            Dispute(kind, f"{place}/{name}" if place else name, record.loss, deleted=record.deleted)
            for (_, kind, place, name), record in sorted(known.records.items(), key=lambda item: item[0])
            if _is_disputed(record)
        )

    def disputed_before(self, namespace: str, tenant: str, now: datetime) -> datetime:
        """Take a dispute that the status speaks of since before the start; return when it counts as over."""
        known = self._tenant((namespace, tenant))
        known.settles_at = known.settles_at or now + _QUIET
        return known.settles_at

    def _tenant(self, place: _Place) -> _Tenant:
        if (known := self._tenants.get(place)) is not None:
            return known
        new = _Tenant()
        self._tenants.put(place, new)
        return new


def _is_disputed(record: _Record) -> bool:
    return record.times >= _DISPUTED


def _delay(record: _Record) -> timedelta:
    in_dispute = record.times - _DISPUTED + 1
    return _BACKOFF.delay(in_dispute, 1) if in_dispute > 0 else timedelta()


def _ends(record: _Record) -> datetime:
    return record.seen_at + _QUIET
