"""Delivering what installations' statuses say is to be told: in order, at least once, beside all reconciles.

Each endpoint has a lane for each installation that waits for it, so that nothing overtakes anything there and nobody
else waits. What came of an attempt is recorded before the next one is made: a restart finds its back-off, and an
API server that is away is no reason to send the same again and again.

Belongs here: when something is sent. Does not belong here: what (`domain.notifications`), how (`adapters`).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import structlog
from typing_extensions import override

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_notifications import NotificationEndpoint
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.notifications import Notification
from talkdesk_operator.domain.notifications.endpoints import refusal
from talkdesk_operator.domain.notifications.envelope import envelope
from talkdesk_operator.domain.notifications.outbox import (
    LONGEST_WAIT,
    Deliveries,
    DeliveryFailure,
    next_look,
    state_of,
    waiting_for,
)
from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.ports.hooks import Answer, Unanswered
from talkdesk_operator.domain.ports.notifications import NotificationSender
from talkdesk_operator.domain.reconcile.failure import Failure
from talkdesk_operator.reconcilers.notifications.endpoint_targets import EndpointTargets
from talkdesk_operator.reconcilers.notifications.lane import Lane, LaneKey
from talkdesk_operator.reconcilers.notifications.notifier import Notifier
from talkdesk_operator.reconcilers.notifications.recorder import Recorder
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["Courier"]

_OWN_TROUBLE: Final = Backoff(timedelta(seconds=1), timedelta(minutes=1))
"""Between attempts at the API server."""
_KEY_AGAIN: Final = timedelta(seconds=20)
"""How often a key that is missing is looked for; nothing is written meanwhile."""
_LANES_A_SECOND: Final = 200
"""So many look again at the same time; each takes up to half a millisecond."""


class Courier(Notifier):
    """Deliveries of one shard. Close it at the end: what is under way then is delivered again by the next leader."""

    def __init__(
        self,
        cache: Cache,
        sender: NotificationSender,
        targets: EndpointTargets,
        recorder: Recorder,
        *,
        clock: Clock,
        chance: Callable[[], float],
        allow_insecure: bool = False,
    ) -> None:
        """Take ports; `allow_insecure` is the operator's own setting."""
        self._cache = cache
        self._sender = sender
        self._targets = targets
        self._recorder = recorder
        self.turns = recorder.turns
        self._clock = clock
        self._chance = chance
        self._allow_insecure = allow_insecure
        self._lanes: dict[LaneKey, Lane] = {}
        self._log = structlog.stdlib.get_logger(__name__)

    @override
    def offer(self, installation: TalkdeskInstallation) -> None:
        outbox, metadata = installation.status.notifications, installation.metadata
        app = self._cache.app(metadata.namespace, installation.app) if outbox and outbox.pending else None
        for endpoint in app.spec.notifications if app is not None else ():
            if not waiting_for(installation, endpoint.name):
                continue
            key = LaneKey(metadata.namespace, metadata.name, endpoint.name)
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = Lane(key, installation, endpoint)
                lane.task = asyncio.create_task(self._run(lane), name=f"notifications of {'/'.join(key)}")
            else:  # only the shard of the app is told of an edit by `follow`
                lane.take(endpoint)
            leaves = metadata.deletion_timestamp is not None
            if leaves and lane.installation.metadata.deletion_timestamp is None:
                lane.hurry()
            lane.installation = installation

    @override
    def follow(self, app: TalkdeskApp) -> None:
        endpoints = {each.name: each for each in app.spec.notifications}
        for key, lane in self._lanes.items():
            mine = key.namespace == app.metadata.namespace and lane.installation.app == app.metadata.name
            now = endpoints.get(key.endpoint) if mine else None
            if now is not None:
                lane.take(now)

    @override
    def deliveries(self, installation: TalkdeskInstallation) -> Mapping[str, Deliveries]:
        outbox = installation.status.notifications
        names = {name for each in outbox.pending for name in each.endpoints} if outbox is not None else set()
        found = {name: self._lanes.get(LaneKey(*installation.key, name)) for name in names}
        return {name: lane.made for name, lane in found.items() if lane is not None and lane.made is not None}

    @override
    def recorded(self, installation: TalkdeskInstallation, deliveries: Mapping[str, Deliveries]) -> None:
        for name, made in deliveries.items():
            lane = self._lanes.get(LaneKey(*installation.key, name))
            if lane is not None:
                lane.forget(made)
        if deliveries:
            self._recorder.wake_if_told(installation)

    async def aclose(self) -> None:
        """End all deliveries."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, lane: Lane) -> None:
        failures = 0
        try:
            while (work := self._work(lane)) is not None:
                try:
                    await self._go_on(lane, *work)
                    failures = 0
                except KubeError:
                    failures += 1
                    await lane.sleep(_OWN_TROUBLE.delay(failures, self._chance()))
                except Exception:  # noqa: BLE001 - unforeseen: the other lanes must go on
                    failures += 1
                    self._log.exception("notifications.raised", installation=lane.key.installation)
                    await lane.sleep(_OWN_TROUBLE.longest)
        finally:
            del self._lanes[lane.key]

    def _work(self, lane: Lane) -> tuple[TalkdeskInstallation, TalkdeskApp, NotificationEndpoint] | None:
        """Return where there is something to tell; None when there is nothing any more."""
        known = self._cache.current(lane.installation)
        app = self._cache.app(lane.key.namespace, lane.installation.app)
        endpoints = app.spec.notifications if app is not None else ()
        endpoint = next((each for each in endpoints if each.name == lane.key.endpoint), None)
        if known is None or app is None or endpoint is None or not waiting_for(known, endpoint.name):
            return None
        lane.installation, lane.endpoint = known, endpoint
        return known, app, endpoint

    async def _go_on(
        self, lane: Lane, installation: TalkdeskInstallation, app: TalkdeskApp, endpoint: NotificationEndpoint
    ) -> None:
        """Make an attempt, or wait until one is due; then record what came of it. Raises KubeError."""
        wait = self._pause(lane, installation, endpoint) if lane.made is None else timedelta()
        if wait > timedelta():
            await self._wait(lane, app, endpoint, wait)
        elif lane.made is None:
            held = await self._attempt(lane, app, endpoint)
            if held is not None:
                await lane.sleep(held)
            elif lane.failure is not None:
                self._log.warning(
                    "notifications.failed",
                    namespace=lane.key.namespace,
                    installation=lane.key.installation,
                    endpoint=endpoint.name,
                    message=lane.failure.message,
                )
        await self._recorder.record(lane.installation, self)

    async def _wait(self, lane: Lane, app: TalkdeskApp, endpoint: NotificationEndpoint, wait: timedelta) -> None:
        """Wait for the next attempt; a key that is missing is looked for meanwhile, because nothing tells us of it."""
        missing = state_of(lane.installation, endpoint.name).reason == Reason.NOTIFICATION_KEY_MISSING
        await lane.sleep(min(wait, _KEY_AGAIN + self._spread()) if missing else wait)
        if missing and not isinstance(await self._targets.of(app, endpoint), Failure):
            lane.hurried = True

    def _spread(self) -> timedelta:
        """Return by how much longer a lane waits than others that wait for the same.

        Thousands at the same moment would take seconds, in which nothing else is done.
        """
        return timedelta(seconds=self._chance() * max(1.0, len(self._lanes) / _LANES_A_SECOND))

    def _pause(self, lane: Lane, installation: TalkdeskInstallation, endpoint: NotificationEndpoint) -> timedelta:
        if lane.hurried:
            lane.hurried = False
            return timedelta()
        due, now = state_of(installation, endpoint.name).next_attempt_time, self._clock.now()
        if due is None or due <= now or due - now > LONGEST_WAIT:  # such a time is of a clock that was put right
            return timedelta()
        return min(due, next_look(installation, endpoint, now) or due) - now

    async def _attempt(self, lane: Lane, app: TalkdeskApp, endpoint: NotificationEndpoint) -> timedelta | None:
        """Deliver all that waits, up to a failure. Return how long to wait because the endpoint keeps failing."""
        refused = refusal(endpoint, allow_insecure=self._allow_insecure)
        if refused:
            lane.failure = DeliveryFailure(Reason.INVALID_SPEC, refused)
            return None
        target = await self._targets.of(app, endpoint)
        if isinstance(target, Failure):
            lane.failure = DeliveryFailure(Reason.NOTIFICATION_KEY_MISSING, target.message)
            return None
        while (told := self._first(lane)) is not None:
            answer: Answer | None = self._sender.held(target)
            if answer is None:
                answer = await self._sender.send(target, endpoint.url, envelope(app, lane.installation, told))
            if isinstance(answer, Unanswered) and answer.retry_after is not None:  # nothing was sent, so nothing failed
                return answer.retry_after + self._spread() if not lane.made else None
            lane.failure = _failure(answer)
            if lane.failure is not None:
                return None
            lane.delivered.add(told.id)
        return None

    def _first(self, lane: Lane) -> Notification | None:
        """Return the oldest that is not delivered, also of what was put down just now."""
        known = self._cache.current(lane.installation)
        waiting = waiting_for(known, lane.key.endpoint) if known is not None else ()
        return next((each for each in waiting if each.id not in lane.delivered), None)


def _failure(answer: Answer) -> DeliveryFailure | None:
    """Return why it is not delivered; None where it is."""
    if isinstance(answer, Unanswered):
        return DeliveryFailure(Reason.NOTIFICATION_REFUSED, answer.message)
    if 200 <= answer.status < 300:
        return None
    return DeliveryFailure(Reason.NOTIFICATION_REFUSED, f"it answers {answer.status}", answer.retry_after)
