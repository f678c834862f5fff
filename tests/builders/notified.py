"""One operator over a world in memory that tells endpoints what happens; time passes only when all wait."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from typing_extensions import override

from builders.api_server import HOME
from builders.objects import endpoint_object
from builders.operator_in_memory import OperatorInMemory, credentials_secret, installed, sentiment
from builders.virtual_time import VirtualTime, run
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.hooks import Answer, HookTarget, Reply, Unanswered
from talkdesk_operator.domain.ports.notifications import CloudEventDraft, NotificationSender
from talkdesk_operator.reconcilers.notifications.courier import Courier
from talkdesk_operator.reconcilers.notifications.endpoint_targets import EndpointTargets
from talkdesk_operator.reconcilers.notifications.notifier import Notifier
from talkdesk_operator.reconcilers.notifications.recorder import Recorder
from talkdesk_runtime.clock import Clock

__all__ = ["GOOD", "Endpoints", "NotifiedOperator", "keys_secret", "play"]

T = TypeVar("T")

GOOD = Reply(204, {})
Mood = Callable[[str, CloudEventDraft], Awaitable[Answer]]
"""What an endpoint answers, by its name and the event."""


async def _good(_: str, __: CloudEventDraft) -> Answer:
    return GOOD


@dataclass
class Endpoints(NotificationSender):
    """Endpoints in memory, by name."""

    mood: Mood = _good
    holding: set[str] = field(default_factory=set)
    """Those that keep failing, so that nothing is sent to them."""
    arrived: list[tuple[str, CloudEventDraft]] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    @override
    def held(self, target: HookTarget) -> Unanswered | None:
        if _name(target) not in self.holding:
            return None
        return Unanswered("nothing was sent", sent=False, retry_after=timedelta(seconds=60))

    @override
    async def send(self, target: HookTarget, url: str, event: CloudEventDraft) -> Answer:
        name = _name(target)
        assert name not in self.under_way, "two at once, of which one could overtake the other"
        self.under_way.append(name)
        try:
            self.arrived.append((name, event))
            self.urls.append(url)
            return await self.mood(name, event)
        finally:
            self.under_way.remove(name)

    def types(self, name: str = "default") -> list[str]:
        return [event.type.rpartition(".")[2] for each, event in self.arrived if each == name]


def _name(target: HookTarget) -> str:
    return target.name.rpartition("/")[2]


def keys_secret(name: str = "keys", **data: str) -> dict[str, Any]:
    """The Secret with the key that events are signed with, as JSON."""
    metadata = {"name": name, "namespace": HOME, "annotations": {ANNOTATION_FOR_HOSTS: "*.example.com"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"key": "a2V5"} | data}


class NotifiedOperator(OperatorInMemory):
    """The operator of one account."""

    def __init__(self, loop: VirtualTime, *objects: Mapping[str, Any], endpoints: Endpoints | None = None) -> None:
        self.loop = loop
        self.endpoints = endpoints or Endpoints()
        self.woken: list[AccountKey] = []
        self.couriers: list[Courier] = []
        app = sentiment(notifications=[endpoint_object()])
        super().__init__(*(objects or (app, installed(), credentials_secret(), keys_secret())))

    @override
    def begin_notifier(self) -> Notifier:
        clock = Clock(monotonic=self.loop.time, now=self._now, sleep=_no_sleep)
        recorder = Recorder(self.cache, self.cluster, clock=clock, chance=lambda: 1.0, wake=self.woken.append)
        targets = EndpointTargets(self.cluster.read_secret, clock)
        courier = Courier(self.cache, self.endpoints, targets, recorder, clock=clock, chance=lambda: 1.0)
        self.couriers.append(courier)
        return courier

    @override
    def _now(self) -> datetime:
        return self.now + timedelta(seconds=self.loop.time() - 1000.0)

    async def passes(self, time: timedelta) -> None:
        """Let time pass."""
        done = self.loop.create_future()
        self.loop.call_later(time.total_seconds(), done.set_result, None)
        await done
        self.watch()

    async def kill(self) -> None:
        """End the process, whatever is under way, and begin the next."""
        await self.couriers[-1].aclose()
        self.restart()


async def _no_sleep(_: float) -> None:
    raise AssertionError("nothing here sleeps by the clock")


def play(main: Callable[[NotifiedOperator], Coroutine[Any, Any, T]], *objects: Mapping[str, Any]) -> T:
    """Run a coroutine function with such an operator, in virtual time."""

    async def whole(loop: VirtualTime) -> T:
        operator = NotifiedOperator(loop, *objects)
        try:
            return await main(operator)
        finally:
            await operator.couriers[-1].aclose()

    return run(whole)
