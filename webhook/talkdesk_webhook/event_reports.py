"""What became of deliveries, where the app's owner sees it: `status.events` of the TalkdeskApp, and log lines.

Deliveries come from anybody. So only an app that was found is written about, at most once in each interval whatever
comes, never while a delivery waits; and a line is logged once a minute for each reason, with the number of those that
were left out. What can't be written is added to the next attempt.

Belongs here: what is counted, when it is written. Does not belong here: why something is refused (receiver), metrics.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias

import structlog
from pydantic import ValidationError

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.deliveries import EventsStatus, RefusalCount, RefusedEvent
from talkdesk_crds.names import FIELD_MANAGER_WEBHOOK, GROUP, VERSION
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound
from talkdesk_runtime.lru import LruMap
from talkdesk_webhook.log_limit import LogLimit

__all__ = ["EventReports", "StatusWriter"]

INTERVAL: Final = timedelta(seconds=30)
"""Between two writes of one app's status, if anything was refused."""
_RECEIPT_INTERVAL: Final = timedelta(minutes=10).total_seconds()
"""Between two writes that only say when an event was taken last."""
_APPS: Final = 1024
_MOST_COUNTS: Final = 64
_MOST_KEYS: Final = 4

_App: TypeAlias = tuple[str, str]
"""Namespace and name."""

_log = structlog.stdlib.get_logger(__name__)


class StatusWriter(Protocol):
    """What is needed of talkdesk_runtime.kube.Kube."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = ...,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make a request; raises KubeError."""


@dataclass(slots=True)
class _Unwritten:
    """What came to one app since the last write."""

    received: datetime | None = None
    refused: RefusedEvent | None = None
    counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    signing_key: str | None = None
    """Id of the key that signed an event last."""
    written_keys: frozenset[str] = frozenset()
    """Those that the status names already, as far as we know."""
    receipt_due: float = 0.0
    """When a receipt alone is worth a write; monotonic seconds."""

    def is_due(self, now: float) -> bool:
        """Return whether there is something to say that is worth a write."""
        is_new = self.signing_key is not None and self.signing_key not in self.written_keys
        return bool(self.counts) or (self.received is not None and (is_new or now >= self.receipt_due))

    def added_to(self, known: EventsStatus | None) -> EventsStatus:
        known = known or EventsStatus()
        counts = Counter({(each.status, each.reason): each.count for each in known.counts}) + self.counts
        most = counts.most_common(_MOST_COUNTS)
        return EventsStatus(
            last_received_time=_newest(known.last_received_time, self.received),
            last_refused=max(
                (each for each in (known.last_refused, self.refused) if each is not None),
                key=lambda each: each.time,
                default=None,
            ),
            counts=tuple(RefusalCount(status=key[0], reason=key[1], count=number) for key, number in sorted(most)),
            signing_keys=_with(self.signing_key, known.signing_keys),
        )


class EventReports:
    """Counts deliveries and writes them about; keeps nothing of their content."""

    def __init__(self, kube: StatusWriter, *, clock: Clock | None = None) -> None:
        self._kube = kube
        self._clock = clock or Clock.system()
        self._apps: LruMap[_App, _Unwritten] = LruMap(_APPS)
        self._log_limit: LogLimit[tuple[int, str]] = LogLimit(self._clock.monotonic)

    def found(self, namespace: str, app: str) -> None:
        """Take note that there is such an app: only then is anything written about it."""
        if self._apps.get((namespace, app)) is None:
            self._apps.put((namespace, app), _Unwritten(receipt_due=self._clock.monotonic()))

    def accepted(self, namespace: str, app: str, key_id: str | None = None) -> None:
        """Count a delivery that was answered with 200, and signed by that key."""
        known = self._apps.get((namespace, app))
        if known is not None:
            known.received = self._clock.now()
            known.signing_key = key_id or known.signing_key

    def refused(self, namespace: str, app: str, status: int, reason: str) -> None:
        """Count a delivery that was refused, and log it if that kind was not logged just now."""
        known = self._apps.get((namespace, app))
        if known is not None:
            known.refused = RefusedEvent(time=self._clock.now(), status=status, reason=reason)
            known.counts[status, reason] += 1
        left_out = self._log_limit.left_out((status, reason))
        if left_out is not None:
            _log.warning(
                "request.refused", status=status, reason=reason, namespace=namespace, app=app, not_logged=left_out
            )

    async def run(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Write now and then, until it is cancelled."""
        while True:
            await pause(INTERVAL.total_seconds())
            await self.write()

    async def write(self) -> None:
        """Write about each app of which there is something to say."""
        now = self._clock.monotonic()
        for app in list(self._apps):
            unwritten = self._apps.peek(app)
            if unwritten is None or not unwritten.is_due(now):
                continue
            # What comes meanwhile is for the next time.
            keys = unwritten.written_keys | {key for key in (unwritten.signing_key,) if key is not None}
            self._apps.put(app, _Unwritten(written_keys=keys, receipt_due=now + _RECEIPT_INTERVAL))
            try:
                await self._write(app, unwritten)
            except KubeNotFound:
                self._apps.pop(app)
            except (KubeError, ValidationError) as error:
                _log.debug("app_status.not_written", namespace=app[0], app=app[1], kind=type(error).__name__)
                self._restore(app, unwritten)

    async def _write(self, app: _App, unwritten: _Unwritten) -> None:
        path = resource_path(GROUP, VERSION, TalkdeskApp.INFO.plural, *app)
        raw = await self._kube.request("GET", path)
        known = (raw.get("status") or {}).get("events")
        events = unwritten.added_to(None if known is None else EventsStatus.model_validate(known, extra="ignore"))
        # Of exactly this version: two webhooks must not undo each other's counts.
        body = {
            "metadata": {"resourceVersion": raw["metadata"]["resourceVersion"]},
            "status": {"events": events.wire()},
        }
        query = {"fieldManager": FIELD_MANAGER_WEBHOOK}
        await self._kube.request("PATCH", f"{path}/status", body=body, content_type=MERGE_PATCH, query=query)

    def _restore(self, app: _App, unwritten: _Unwritten) -> None:
        since = self._apps.peek(app) or _Unwritten()
        unwritten.counts += since.counts
        unwritten.received = _newest(unwritten.received, since.received)
        unwritten.refused = since.refused or unwritten.refused
        unwritten.signing_key = since.signing_key or unwritten.signing_key
        self._apps.put(app, unwritten)


def _newest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _with(key_id: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids with one that was used last as the first."""
    return known if key_id is None else (key_id, *(each for each in known if each != key_id))[:_MOST_KEYS]
