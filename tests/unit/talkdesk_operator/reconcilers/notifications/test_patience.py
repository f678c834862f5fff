"""What an endpoint that can't be told costs: few writes, few looks, and nobody else's time."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from typing_extensions import override

from builders.notified import GOOD, Endpoints, NotifiedOperator, keys_secret, play
from builders.objects import DAY, INSTALLATION, NOON, endpoint_object, installation_object
from builders.operator_in_memory import KEY, credentials_secret, installed, sentiment
from builders.virtual_time import VirtualTime, run
from talkdesk_crds.installation import InstallationStatus, TalkdeskInstallation
from talkdesk_crds.notifications import Notification, NotificationsStatus
from talkdesk_operator.domain.ports.hooks import Answer, HookTarget, Reply, Unanswered
from talkdesk_operator.domain.ports.notifications import CloudEventDraft
from talkdesk_operator.reconcilers.notifications.courier import Courier
from talkdesk_operator.reconcilers.notifications.endpoint_targets import EndpointTargets
from talkdesk_operator.reconcilers.notifications.recorder import Recorder
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeNoPath

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
STATUS = f"PATCH talkdeskinstallations/{INSTALLATION}/status"


def without_keys() -> list[dict[str, Any]]:
    return [sentiment(notifications=[endpoint_object()]), installed(), credentials_secret()]


async def down(_: str, __: CloudEventDraft) -> Answer:
    return Reply(503, {})


async def good(_: str, __: CloudEventDraft) -> Answer:
    return GOOD


def test_a_key_that_is_missing_costs_few_writes_and_is_found_within_seconds() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(HOUR)
        operator.journal.clear()
        await operator.passes(2 * HOUR)
        assert len(operator.journal.writes) <= 4
        operator.server.put(keys_secret())
        await operator.passes(31 * SECOND)
        assert operator.endpoints.types() == ["Installed", "Approved"]

    play(main, *without_keys())


def test_what_was_not_sent_because_calls_keep_failing_is_no_failure_and_costs_no_write() -> None:
    async def main(operator: NotifiedOperator) -> None:
        async def held(_: str, __: CloudEventDraft) -> Answer:
            return Unanswered("nothing was sent", sent=False, retry_after=timedelta(seconds=60))

        operator.endpoints.mood = held
        await operator.converge()
        operator.journal.clear()
        await operator.passes(HOUR)
        assert operator.journal.writes == []
        operator.endpoints.mood = good
        await operator.passes(2 * timedelta(minutes=1))
        assert operator.endpoints.types()[-2:] == ["Installed", "Approved"]

    play(main)


def test_a_clock_that_was_put_right_is_no_reason_to_wait_for_a_year() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.mood = down
        operator.now += 365 * DAY
        await operator.converge()
        await operator.passes(5 * timedelta(minutes=1))
        operator.now -= 365 * DAY
        operator.endpoints.mood = good
        await operator.passes(HOUR)
        assert operator.endpoints.types()[-2:] == ["Installed", "Approved"]

    play(main)


def test_an_edit_of_the_endpoint_is_tried_at_once_also_where_another_shard_has_the_app() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.mood = down
        await operator.converge()
        await operator.passes(HOUR)
        before = len(operator.endpoints.arrived)
        mended = endpoint_object(url="https://new.example.com/events")
        operator.change("TalkdeskApp", "sentiment", {"spec": {"notifications": [mended]}})
        await operator.reconcile(key=KEY)
        await operator.passes(SECOND)
        assert operator.endpoints.urls[before:] == ["https://new.example.com/events"]

    play(main)


def test_a_path_that_leads_nowhere_is_tried_again_after_a_while() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        operator.journal.clear()
        operator.journal.fail(STATUS, KubeNoPath("the server could not find the requested resource"), count=100)
        await operator.passes(timedelta(minutes=2))
        assert 2 <= len(operator.journal.writes) <= 10
        operator.journal.faults.clear()
        await operator.passes(timedelta(minutes=2))
        outbox = operator.installation.status.notifications
        assert outbox is not None
        assert outbox.pending == ()

    play(main)


def test_a_deleted_object_goes_at_once_also_when_the_last_was_told_while_it_was_reconciled() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(SECOND)
        delete = operator.cluster.delete_credentials

        async def slow(*arguments: Any, **keywords: Any) -> None:
            await asyncio.sleep(1)
            await delete(*arguments, **keywords)

        operator.cluster.delete_credentials = slow  # type: ignore[method-assign]
        deleted = {"metadata": {"deletionTimestamp": "2026-03-01T12:01:01Z"}, "spec": {"deletionPolicy": "Delete"}}
        operator.change("TalkdeskInstallation", INSTALLATION, deleted)
        await operator.converge()
        assert operator.endpoints.types()[-1] == "Purged"
        assert operator.woken == [KEY]
        await operator.converge()
        assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None

    play(main)


class Asked(Endpoints):
    """Notes when each lane asks whether anything may be sent."""

    def __init__(self, time: Callable[[], float]) -> None:
        super().__init__(holding={"default"})
        self.time = time
        self.times: list[float] = []

    @override
    def held(self, target: HookTarget) -> Unanswered | None:
        self.times.append(self.time())
        return super().held(target)


def test_thousands_that_wait_for_the_same_look_again_one_after_the_other() -> None:
    number = 1000

    async def main(loop: VirtualTime) -> None:
        names = [f"sentiment-i{each}" for each in range(number)]
        told = Notification(id="a", sequence=1, time=NOON, queue_time=NOON, endpoints=("default",))
        status = InstallationStatus(notifications=NotificationsStatus(pending=(told,))).wire()
        others = [installation_object(name, installationId=name, accountId=name) | {"status": status} for name in names]
        operator = NotifiedOperator(
            loop, sentiment(notifications=[endpoint_object()]), keys_secret(), *others, endpoints=Asked(loop.time)
        )
        clock = Clock(monotonic=loop.time, now=operator._now, sleep=asyncio.sleep)
        chance = random.Random(1).random  # noqa: S311 - repeatable
        recorder = Recorder(operator.cache, operator.cluster, clock=clock, chance=chance, wake=lambda _: None)
        targets = EndpointTargets(operator.cluster.read_secret, clock)
        courier = Courier(operator.cache, operator.endpoints, targets, recorder, clock=clock, chance=chance)
        for name in names:
            courier.offer(TalkdeskInstallation.read(operator.server.get("TalkdeskInstallation", name)))
        await operator.passes(timedelta(seconds=90))
        assert isinstance(operator.endpoints, Asked)
        later = Counter(int(time) for time in operator.endpoints.times if time > loop.time() - 60)
        await courier.aclose()
        assert sum(later.values()) >= number
        assert max(later.values()) < 300, "at the same time"

    run(main)
