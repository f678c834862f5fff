"""What happened to an installation since it was told last.

Levels are compared, not edges: the status says what is so, `told` what was put down of it. So whoever wrote a status in
between, and however many reconciles broke off, everything is told once.

Belongs here: what happened, by the status alone. Does not belong here: to whom it is told (`outbox`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from talkdesk_crds.app_notifications import NotificationType
from talkdesk_crds.conditions import ConditionType, Reason, find, is_true
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import (
    Decision,
    EndingReason,
    InstallationPhase,
    InstallationStatus,
    Request,
    RequestType,
)
from talkdesk_crds.notifications import Told

__all__ = ["Happening", "baseline", "happened", "requested"]

_STUCK_AFTER: Final = 8
"""Attempts in a row that failed for the same reason: some minutes, or an hour where they are far apart."""
_REQUESTS: Final = {
    RequestType.INSTALL: NotificationType.INSTALLED,
    RequestType.UPDATE: NotificationType.UPDATED,
    RequestType.UNINSTALL: None,  # it is told when it is over
}
_ENDS: Final = {
    EndingReason.UNINSTALLED: NotificationType.UNINSTALLED,
    EndingReason.GONE: NotificationType.UNINSTALLED,
    EndingReason.TIMED_OUT: NotificationType.TIMED_OUT,
    EndingReason.REJECTED: NotificationType.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened."""

    type: NotificationType
    cause: str
    """Tells it from all others of its type at the installation; the same whenever it is found out again."""
    time: datetime
    request_id: str | None
    """Event id of the request that it belongs to."""
    request_type: str | None


def happened(
    request: Request | None, status: InstallationStatus, told: Told, now: datetime
) -> tuple[tuple[Happening, ...], Told]:
    """Return what happened, in the order in which it did, and what is told after that."""
    teller = _Teller(status, told, now)
    return tuple(teller.tell(request)), teller.told


def requested(
    request: Request | None, before: InstallationStatus, told: Told, now: datetime
) -> tuple[tuple[Happening, ...], Told]:
    """Return what is told of a request alone, while the status still speaks of what was before it."""
    teller = _Teller(before, told, now)
    return tuple(teller.tell_request(request)), teller.told


def baseline(request: Request | None, status: InstallationStatus, generation: int, now: datetime) -> Told:
    """Return what counts as told of an installation that was reconciled before anybody was to be told.

    A request that came just now, which its status knows nothing of, does not.
    """
    known = {each.event_id for each in (status.answer, status.ending) if each is not None}
    seen = request is not None and (request.event_id in known or status.observed_generation == generation)
    return happened(request if seen else None, status, Told(), now)[1] if status.phase is not None else Told()


class _Teller:
    def __init__(self, status: InstallationStatus, told: Told, now: datetime) -> None:
        self.status = status
        self.told = told
        self.now = now

    def tell(self, request: Request | None) -> Iterator[Happening]:
        yield from self.tell_request(request)
        yield from self._answer()
        yield from self._ending()
        yield from self._purge()
        yield from self._entitlement()
        yield from self._deadline()
        yield from self._trouble()

    def tell_request(self, request: Request | None) -> Iterator[Happening]:
        yield from self._answer()
        if request is not None and request.event_id != self.told.request_id:
            yield from self._request(request)

    def _happening(self, kind: NotificationType, cause: str, time: datetime | None = None) -> Happening:
        return Happening(kind, cause, time or self.now, self.told.request_id, self.told.request_type)

    def _note(self, **changes: object) -> None:
        self.told = self.told.model_copy(update=changes)

    def _request(self, request: Request) -> Iterator[Happening]:
        self._note(request_id=request.event_id, request_type=request.type.value, time_left=None, stuck=False)
        if request.type is RequestType.INSTALL:
            self._note(purged=False, suspended=False)
        kind = _REQUESTS[request.type]
        if kind is not None:
            yield self._happening(kind, request.event_id, request.event_time)

    def _answer(self) -> Iterator[Happening]:
        """Tell of the answer to the request that was told last: its type is not known otherwise."""
        answer = self.status.answer
        if answer is None or answer.delivery_time is None or answer.event_id != self.told.request_id:
            return
        if answer.event_id == self.told.answer_id:
            return
        self._note(answer_id=answer.event_id)
        if self.told.request_type != RequestType.UNINSTALL.value:
            rejected = answer.decision is Decision.REJECT
            kind = NotificationType.REJECTED if rejected else NotificationType.APPROVED
            yield self._happening(kind, answer.event_id, answer.delivery_time)

    def _ending(self) -> Iterator[Happening]:
        ending, answer = self.status.ending, self.status.answer
        if ending is None or (ending.event_id, ending.reason) == (self.told.ending_id, self.told.ending_reason):
            return
        # After an Update that ended alone, the installation may end with the same request.
        self._note(ending_id=ending.event_id, ending_reason=ending.reason.value)
        kind = _ENDS[ending.reason]
        told = answer is not None and (answer.event_id, answer.decision) == (ending.event_id, Decision.REJECT)
        if kind is not NotificationType.REJECTED or not told or self.told.answer_id != ending.event_id:
            yield self._happening(kind, ending.event_id, ending.time)

    def _purge(self) -> Iterator[Happening]:
        ready = find(self.status.conditions, ConditionType.READY)
        deleted = (
            self.status.phase is InstallationPhase.DELETING and ready is not None and ready.reason == Reason.PURGED
        )
        if (deleted or self.status.phase is InstallationPhase.PURGED) and not self.told.purged:
            self._note(purged=True)
            yield self._happening(NotificationType.PURGED, self.told.request_id or "deleted")

    def _entitlement(self) -> Iterator[Happening]:
        match self.status.phase:
            case InstallationPhase.SUSPENDED if not self.told.suspended:
                self._note(suspended=True)
                yield self._happening(NotificationType.SUSPENDED, to_wire_time(self.now))
            case InstallationPhase.ACTIVE if self.told.suspended:
                self._note(suspended=False)
                yield self._happening(NotificationType.RESUMED, to_wire_time(self.now))

    def _deadline(self) -> Iterator[Happening]:
        left = self.status.time_left
        if left is not None and left != self.told.time_left:
            self._note(time_left=left)
            yield self._happening(NotificationType.DEADLINE_NEAR, f"{self.told.request_id}/{left}")

    def _trouble(self) -> Iterator[Happening]:
        retry, conditions = self.status.retry, self.status.conditions
        waits = self.status.phase is InstallationPhase.AWAITING_DECISION
        stuck = waits or is_true(conditions, ConditionType.STALLED) or (retry and retry.attempts >= _STUCK_AFTER)
        if stuck and not self.told.stuck:
            self._note(stuck=True)
            yield self._happening(NotificationType.STUCK, to_wire_time(self.now))
        elif self.told.stuck and not stuck and retry is None:
            self._note(stuck=False)
